//! Checks the rules: those that pods refused or did not confirm, and those about to expire.

use api::client::failure::Failure;
use api::pods::{PodState, Pods};
use api::rules::{ReceiptState, Rule, RuleState, Rules};

use format::{number, time};

use crate::check::findings::Findings;
use crate::moment;

/// A rule that expires within this time is reported, because an operator may still rely on it.
const SOON_MS: u64 = 10 * 60_000;

/// A pod usually confirms within a second; a rule that is unconfirmed for this long is reported.
const UNCONFIRMED_MS: u64 = 10_000;

pub(super) fn look(rules: Result<Rules, Failure>, pods: Option<&Pods>, findings: &mut Findings) {
    match rules {
        Ok(answer) if answer.rules.is_empty() => findings.fine("no rule is in force"),
        Ok(answer) => judge(&answer.rules, behind(pods), moment::now_ms(), findings),
        Err(failure) => findings.failed(&failure),
    }
}

/// Whether all pods have confirmed the current rules, including the end of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmation {
    /// No pod is behind.
    ByAll,
    /// Some pods are behind, or it is unknown.
    NotByAll,
}

fn behind(pods: Option<&Pods>) -> Confirmation {
    let is_none = pods.is_some_and(|pods| !pods.pods.iter().any(|pod| pod.state != PodState::Gone && pod.is_behind()));
    if is_none { Confirmation::ByAll } else { Confirmation::NotByAll }
}

fn judge(rules: &[Rule], confirmed: Confirmation, now_ms: u64, findings: &mut Findings) {
    let mut is_fine = true;
    for rule in rules {
        let name = format!("rule {} ({} {} of {})", rule.id, rule.method, rule.route, rule.service);
        let (id, age_ms) = (&rule.id, now_ms.saturating_sub(moment::unix_ms(&rule.created_at).unwrap_or(now_ms)));
        let refused = rule.pods.iter().find(|receipt| receipt.state == ReceiptState::Refused);
        let left_ms = rule.expires_at.as_deref().and_then(moment::unix_ms).map(|until_ms| until_ms.saturating_sub(now_ms));
        if let Some(receipt) = refused {
            let why = receipt.why.as_deref().unwrap_or("without a reason");
            let next = format!("`sitio enable {id}` takes it back; the last rules that the pod could obey stay in force there");
            findings.error(format!("{name} is refused by {}: {why}", receipt.pod), next);
        } else if !is_anywhere(rule) {
            let next =
                format!("`sitio enable {id}` takes it back; `sitio disable` without --pods is for pods that join later, too");
            findings.warning(format!("{name} turns nothing off: no pod is connected"), next);
        } else if rule.state == RuleState::Pending && age_ms >= UNCONFIRMED_MS {
            let waits = rule.pods.iter().filter(|receipt| receipt.state == ReceiptState::Pending).count();
            let next = format!("`sitio rules {id}` names them; they obey when they are back");
            findings.warning(format!("{name} is not confirmed by {}", number::plural(waits, "pod", "pods")), next);
        } else if let Some(left_ms) = left_ms.filter(|left_ms| *left_ms <= SOON_MS) {
            let next = format!("if it must stay off: `sitio enable {id}`, and `sitio disable` with a longer --ttl");
            findings.warning(format!("{name} lapses in {}", time::left(left_ms)), next);
        } else {
            continue;
        }
        is_fine = false;
    }
    if is_fine {
        let all = number::plural(rules.len(), "rule is", "rules are");
        let is_applied = rules.iter().all(|rule| rule.state == RuleState::Applied);
        findings.fine(match confirmed {
            Confirmation::ByAll if is_applied => format!("{all} in force, confirmed by every pod"),
            Confirmation::ByAll | Confirmation::NotByAll => {
                format!("{all} in force, none of them refused, and not all confirmed yet")
            }
        });
    }
}

/// Whether any pod that the rule applies to still exists.
fn is_anywhere(rule: &Rule) -> bool {
    rule.pods.iter().any(|receipt| receipt.state != ReceiptState::Gone)
}

#[cfg(test)]
mod tests {
    use api::pods::Pod;
    use api::rules::{Receipt, RuleAction, RuleScope};
    use decorators::action::Action;
    use decorators::disable::Disable;
    use decorators::selection::Mode;

    use super::*;
    use crate::check::findings::Severity;
    use crate::color::ColorMode;

    const MADE: &str = "2025-11-20T14:00:00Z";

    fn rule(state: RuleState, said: ReceiptState) -> Rule {
        let why = (said == ReceiptState::Refused).then(|| "too many rules".to_owned());
        Rule {
            id: "r7".into(),
            revision: 7,
            namespace: "default".into(),
            service: "legacy".into(),
            method: "GET".into(),
            route: "/export".into(),
            scope: RuleScope::Endpoint,
            action: RuleAction::Decorate(Box::new(Action::Disable(Disable { status: 503 }))),
            percent: 100,
            callers: Vec::new(),
            mode: Mode::Enforce,
            circuits: None,
            split: None,
            acted: 0,
            shadowed: 0,
            failed: 0,
            override_protected: false,
            reason: "because".into(),
            by: "operator".into(),
            state,
            created_at: MADE.into(),
            expires_at: Some("2025-11-20T15:00:00Z".into()),
            ended: None,
            pods: vec![Receipt { pod: "legacy-0".into(), state: said, took_ms: None, why, heard_at: None }],
            warnings: vec![],
        }
    }

    fn judged(rule: Rule, after_ms: u64) -> (Severity, String) {
        let mut findings = Findings::default();
        judge(&[rule], Confirmation::ByAll, moment::unix_ms(MADE).unwrap() + after_ms, &mut findings);
        (findings.worst(), findings.words(ColorMode::Plain))
    }

    fn words(rules: &[Rule], confirmed: Confirmation) -> String {
        let mut findings = Findings::default();
        judge(rules, confirmed, moment::unix_ms(MADE).unwrap(), &mut findings);
        findings.words(ColorMode::Plain)
    }

    #[test]
    fn what_is_confirmed_by_every_pod_is_behind_on_none() {
        let applied = [rule(RuleState::Applied, ReceiptState::Applied)];
        assert!(words(&applied, Confirmation::ByAll).contains("1 rule is in force, confirmed by every pod"));
        assert!(!words(&applied, Confirmation::NotByAll).contains("confirmed by every pod"));
        let young = [rule(RuleState::Pending, ReceiptState::Pending)];
        assert!(words(&young, Confirmation::ByAll).contains("not all confirmed yet"));
        let of = |confirmed| Pod { confirmed, ..crate::sample::pod("a") };
        let answer = |pod| Pods { taken_at: String::new(), revision: 3, pods: vec![pod] };
        assert_eq!(behind(Some(&answer(of(None)))), Confirmation::NotByAll);
        assert_eq!(behind(Some(&answer(crate::sample::pod("a")))), Confirmation::ByAll);
        assert_eq!(behind(None), Confirmation::NotByAll);
    }

    #[test]
    fn a_rule_whose_pods_are_gone_is_confirmed_by_none() {
        let gone = rule(RuleState::Pending, ReceiptState::Gone);
        for rule in [Rule { pods: vec![], ..gone.clone() }, gone] {
            let words = words(&[rule], Confirmation::ByAll);
            assert!(words.contains("turns nothing off: no pod is connected") && !words.contains("every pod"), "{words}");
        }
    }

    #[test]
    fn a_rule_is_fine_until_it_is_refused_or_late_or_nearly_over() {
        assert_eq!(judged(rule(RuleState::Applied, ReceiptState::Applied), 0).0, Severity::Fine);
        assert_eq!(judged(rule(RuleState::Pending, ReceiptState::Pending), 500).0, Severity::Fine);
        let (level, words) = judged(rule(RuleState::Pending, ReceiptState::Pending), 20_000);
        assert!(level == Severity::Warning && words.contains("not confirmed by 1 pod"), "{words}");
        let (level, words) = judged(rule(RuleState::Refused, ReceiptState::Refused), 0);
        assert!(level == Severity::Error && words.contains("refused by legacy-0: too many rules"), "{words}");
        let (level, words) = judged(rule(RuleState::Applied, ReceiptState::Applied), 55 * 60_000);
        assert!(level == Severity::Warning && words.contains("lapses in 5 min"), "{words}");
    }
}
