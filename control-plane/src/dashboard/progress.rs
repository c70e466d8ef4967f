//! The progress of a rule, pod by pod: what the dialog shows while an endpoint turns off.

use mesh::rule::{Protection, Rule, Scope};
use serde::Serialize;

use serde_json::json;

use crate::dashboard::switch::ReceiptCounts;
use crate::dashboard::zone::Zone;
use crate::model::audit::CommandOutcome;
use crate::model::rule_status::{PodReceipt, ReceiptState, RuleStatus};
use crate::rules::effect::Effect;
use format::label::service_label;
use format::{number, time};

/// The progress of a rule, as formatted text.
#[derive(Debug, Serialize)]
pub struct RuleProgress {
    /// The id of the rule.
    pub rule: String,
    /// The endpoint.
    pub endpoint: String,
    /// The service.
    pub service: String,
    /// The heading.
    pub title: String,
    /// How many pods have applied it: `3 of 4 pods`.
    pub count: String,
    /// The rest of the sentence after `count`.
    pub about: String,
    /// The applied part of the bar, out of 400.
    pub done: u64,
    /// The refused part of the bar, out of 400.
    pub refused: u64,
    /// Each pod's receipt.
    pub pods: Vec<PodWord>,
    /// Why it was made.
    pub reason: String,
    /// What happens next.
    pub next: String,
    /// The body of a command that creates the same rule again.
    pub again: serde_json::Value,
    /// The progress of its end, in a sentence; empty while the rule is in force.
    pub ending: String,
    /// Whether a pod has not answered yet.
    pub is_waiting: bool,
    /// Whether the rule is in force.
    pub is_in_force: bool,
    /// Whether it covers several endpoints, so that its end affects more than the endpoint on the page.
    pub is_wide: bool,
}

/// One pod's receipt for the rule.
#[derive(Debug, Serialize)]
pub struct PodWord {
    /// The pod's name.
    pub pod: String,
    /// The icon: `ok`, `wait`, `no` or `gone`.
    pub kind: &'static str,
    /// The receipt in words.
    pub words: String,
}

impl RuleProgress {
    /// The progress of a rule at `now_ms`, with times in the reader's zone.
    pub fn of(status: &RuleStatus, now_ms: u64, zone: &Zone) -> Self {
        let receipts = ReceiptCounts::of(status);
        let pods = number::plural(receipts.all(), "pod", "pods");
        let share = |part: usize| if receipts.all() == 0 { 0 } else { (400 * part / receipts.all()) as u64 };
        let is_waiting = receipts.pending > 0 && status.ended.is_none();
        Self {
            rule: status.rule.id.clone(),
            endpoint: status.rule.subject(),
            service: service_label(&status.rule.selector.namespace, &status.rule.selector.service),
            title: match &status.ended {
                Some(_) => "On again".into(),
                None => match Effect::from_status(status) {
                    Effect::Refused => format!("Refused by {}", number::plural(receipts.refused, "pod", "pods")),
                    Effect::Waiting => "Not off: no pod is connected".into(),
                    Effect::Pending => format!("Turning off on {pods}"),
                    Effect::InForce | Effect::Ended => format!("Off on {pods}"),
                },
            },
            count: receipts.words(),
            about: about(status, receipts.all(), now_ms),
            done: share(receipts.applied),
            refused: share(receipts.refused),
            pods: status.pods.iter().map(|pod| PodWord::of(pod, status, now_ms)).collect(),
            reason: status.rule.reason.clone(),
            next: next(status, &receipts, now_ms, zone),
            again: again(&status.rule, now_ms),
            ending: ending(status, &receipts),
            is_waiting,
            is_in_force: status.ended.is_none(),
            is_wide: status.rule.scope == Scope::Prefix,
        }
    }
}

impl PodWord {
    fn of(pod: &PodReceipt, status: &RuleStatus, now_ms: u64) -> Self {
        let (kind, words) = match &pod.state {
            ReceiptState::Applied { took_ms } => ("ok", format!("applied in {} ms", number::count(*took_ms))),
            ReceiptState::Refused(why) => ("no", format!("refused: {why}")),
            ReceiptState::Gone => ("gone", "gone, nothing to confirm".into()),
            ReceiptState::Pending if status.ended.is_some() => ("gone", "never answered".into()),
            ReceiptState::Pending => {
                let waited = time::span(now_ms.saturating_sub(status.created_ms));
                ("wait", format!("no answer for {waited}, {}", last_message(pod, now_ms)))
            }
        };
        Self { pod: pod.pod.clone(), kind, words }
    }
}

fn last_message(pod: &PodReceipt, now_ms: u64) -> String {
    match time::age(now_ms.saturating_sub(pod.last_message_ms)) {
        _ if pod.last_message_ms == 0 => "never seen".into(),
        now if now == "now" => "last seen now".into(),
        age => format!("last seen {age} ago"),
    }
}

fn about(status: &RuleStatus, of: usize, now_ms: u64) -> String {
    let sent = match time::age(now_ms.saturating_sub(status.created_ms)) {
        now if now == "now" => "now".into(),
        age => format!("{age} ago"),
    };
    let have = if of == 1 { "has" } else { "have" };
    format!("{have} applied command {}, sent {sent} by {}", status.revision, status.rule.by)
}

/// A sentence such as `GET /export is on again, 4 of 4 pods in 44 ms`.
fn ending(status: &RuleStatus, receipts: &ReceiptCounts) -> String {
    let (endpoint, outcome) = (status.rule.subject(), CommandOutcome::from_status(status));
    match status.ended {
        None => String::new(),
        Some(_) if receipts.all() == 0 => format!("{endpoint} is on again"),
        Some(_) if receipts.applied < receipts.all() => format!("{endpoint} is turning on, {} so far", receipts.words()),
        Some(_) => format!("{endpoint} is on again, {} in {} ms", receipts.words(), number::count(outcome.slowest_ms)),
    }
}

fn next(status: &RuleStatus, receipts: &ReceiptCounts, now_ms: u64, zone: &Zone) -> String {
    if let Some(ended) = &status.ended {
        let by = ended.by.as_deref().map_or_else(|| "it expired".into(), |by| format!("{by} withdrew it"));
        return format!("The rule is no longer in force: {by} at {}.", zone.time(ended.at_ms));
    }
    let scope = match status.rule.scope {
        Scope::Endpoint => String::new(),
        Scope::Prefix => format!("It covers {}. ", status.rule.subject()),
    };
    let until = match status.rule.remaining(now_ms) {
        Some(left) => format!("It turns on automatically in {}.", time::left(left.as_millis() as u64)),
        None => "It stays off until someone turns it on.".into(),
    };
    if Effect::from_status(status) == Effect::Waiting {
        let joins = if status.rule.selector.pods.is_empty() { "of the service" } else { "of one of these names" };
        return format!("The rule waits for a pod {joins} and is sent to it the moment it connects. {until}");
    }
    if receipts.pending > 0 {
        let (pods, reconnect) = if receipts.pending == 1 { ("pod", "it reconnects") } else { ("pods", "they reconnect") };
        format!(
            "The rule waits for the missing {pods} and is sent again the moment {reconnect}. You can close this window. {scope}{until}"
        )
    } else {
        scope + &until
    }
}

/// The request body that creates the same rule again, for its remaining time.
pub fn again(rule: &Rule, now_ms: u64) -> serde_json::Value {
    // Only rules that turn an endpoint off have a switch.
    let status = rule.turns_off().unwrap_or_default();
    let mut body = json!({
        "namespace": rule.selector.namespace,
        "service": rule.selector.service,
        "method": rule.endpoint.method(),
        "route": rule.endpoint.route(),
        "action": { "disable": { "status": status } },
        "reason": rule.reason,
        // The original command was accepted.
        "allow_unseen": true,
        "override_protected": rule.protection == Protection::Overridden,
    });
    if rule.scope == Scope::Prefix {
        body["scope"] = json!("prefix");
    }
    // No pods means all pods.
    if !rule.selector.pods.is_empty() {
        body["pods"] = json!(rule.selector.pods);
    }
    if let Some(left) = rule.remaining(now_ms) {
        body["ttl"] = json!(format!("{}s", left.as_secs().max(1)));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;
    use crate::dashboard::sample::NOW_MS;
    use crate::model::rule_status::RuleEnd;

    fn progress(receipts: &[ReceiptState]) -> RuleProgress {
        RuleProgress::of(&sample::rule(&sample::snapshot().endpoints[3], receipts), NOW_MS, &Zone::default())
    }

    #[test]
    fn the_receipt_of_each_pod_is_shown() {
        let progress =
            progress(&[ReceiptState::Applied { took_ms: 31 }, ReceiptState::Pending, ReceiptState::Refused("full".into())]);
        let words: Vec<&str> = progress.pods.iter().map(|pod| &*pod.words).collect();
        assert_eq!(words, ["applied in 31 ms", "no answer for 12 s, last seen 14 s ago", "refused: full"]);
        assert_eq!((progress.title.as_str(), progress.done, progress.refused), ("Refused by 1 pod", 133, 133));
        assert_eq!(
            format!("{} {}", progress.count, progress.about),
            "1 of 3 pods have applied command 118, sent 12 s ago by operator"
        );
        assert!(progress.is_waiting);
    }

    #[test]
    fn pods_that_are_gone_are_not_waited_for() {
        let progress = progress(&[ReceiptState::Applied { took_ms: 31 }, ReceiptState::Gone]);
        assert_eq!((progress.title.as_str(), progress.done, progress.is_waiting), ("Off on 1 pod", 400, false));
        assert_eq!(progress.next, "It turns on automatically in 42 min.");
        assert_eq!(
            format!("{} {}", progress.count, progress.about),
            "1 of 1 pod has applied command 118, sent 12 s ago by operator"
        );
    }

    #[test]
    fn a_rule_without_any_pod_turns_nothing_off_and_waits() {
        let progress = progress(&[ReceiptState::Gone]);
        assert_eq!((progress.title.as_str(), progress.done), ("Not off: no pod is connected", 0));
        assert!(progress.next.starts_with("The rule waits for a pod of the service"), "{}", progress.next);
    }

    #[test]
    fn a_rule_that_has_ended_says_how() {
        let mut status = (*sample::rule(&sample::snapshot().endpoints[3], &[ReceiptState::Pending])).clone();
        status.ended = Some(RuleEnd { at_ms: NOW_MS, by: None });
        let progress = RuleProgress::of(&status, NOW_MS, &Zone::default());
        assert_eq!(progress.next, "The rule is no longer in force: it expired at 14:07:41 UTC.");
        assert!(!progress.is_waiting);
        assert_eq!(progress.ending, "GET /legacy/export is turning on, 0 of 1 pod so far");

        status.pods[0].state = ReceiptState::Applied { took_ms: 44 };
        assert_eq!(
            RuleProgress::of(&status, NOW_MS, &Zone::default()).ending,
            "GET /legacy/export is on again, 1 of 1 pod in 44 ms"
        );
    }
}
