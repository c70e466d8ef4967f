//! Decides whether and where a rule is in force: one answer for the API, the dashboard, the command line and the checks.

use crate::model::rule_status::{ReceiptState, RuleStatus};

/// How far a rule has taken effect, by the receipts of the pods that are present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was withdrawn, or has expired.
    Ended,
    /// Some pod has refused it.
    Refused,
    /// Some pod has not answered yet.
    Pending,
    /// None of the pods that it selects is present. It waits for one, and until then it turns
    /// nothing off.
    Waiting,
    /// Every present pod that it selects has applied it; there is at least one.
    InForce,
}

impl Effect {
    /// The effect that the receipts show.
    pub fn from_status(status: &RuleStatus) -> Self {
        let any = |wanted: fn(&ReceiptState) -> bool| status.pods.iter().any(|pod| wanted(&pod.state));
        if status.ended.is_some() {
            Self::Ended
        } else if any(|state| matches!(state, ReceiptState::Refused(_))) {
            Self::Refused
        } else if any(|state| *state == ReceiptState::Pending) {
            Self::Pending
        } else if any(|state| matches!(state, ReceiptState::Applied { .. })) {
            Self::InForce
        } else {
            Self::Waiting
        }
    }
}

#[cfg(test)]
mod tests {
    use mesh::endpoint::Endpoint;
    use mesh::rule::{Action, Protection, Rule, Scope, Selector};

    use super::*;
    use crate::model::rule_status::{PodReceipt, RuleEnd};

    fn status(receipts: &[ReceiptState]) -> RuleStatus {
        let rule = Rule {
            id: "r1".into(),
            selector: Selector { namespace: "default".into(), service: "legacy".into(), pods: vec![] },
            endpoint: Endpoint::named("GET", "/export").unwrap(),
            action: Action::Disable { status: 503 },
            scope: Scope::default(),
            selection: decorators::selection::Selection::default(),
            protection: Protection::default(),
            expires_ms: None,
            by: String::new(),
            reason: String::new(),
        };
        let receipt = |state: &ReceiptState| PodReceipt { pod: "legacy-1".into(), state: state.clone(), last_message_ms: 0 };
        RuleStatus { rule, revision: 1, created_ms: 1, ended: None, pods: receipts.iter().map(receipt).collect() }
    }

    #[test]
    fn a_rule_is_in_force_only_where_a_pod_obeys_it() {
        let (applied, pending) = (ReceiptState::Applied { took_ms: 31 }, ReceiptState::Pending);
        let refused = ReceiptState::Refused("full".into());
        let effect = |receipts: &[ReceiptState]| Effect::from_status(&status(receipts));
        assert_eq!(effect(&[]), Effect::Waiting);
        assert_eq!(effect(&[ReceiptState::Gone]), Effect::Waiting);
        assert_eq!(effect(&[ReceiptState::Gone, applied.clone()]), Effect::InForce);
        assert_eq!(effect(&[pending.clone(), applied.clone()]), Effect::Pending);
        assert_eq!(effect(&[pending, refused, applied]), Effect::Refused);
        let ended = RuleStatus { ended: Some(RuleEnd { at_ms: 1, by: None }), ..status(&[]) };
        assert_eq!(Effect::from_status(&ended), Effect::Ended);
    }
}
