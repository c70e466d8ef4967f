//! Joins a rule with the receipts of its pods.

use std::collections::BTreeMap;

use crate::counts::fleet::pod::PodView;
use crate::counts::fleet::receipts::ReceiptLog;
use crate::model::pod::PodState;
use crate::model::rule_record::RuleRecord;
use crate::model::rule_status::{PodReceipt, ReceiptState, RuleEnd, RuleStatus};

/// A rule with the receipts of the pods that it selects, from the pods of its service.
pub fn status<'a>(record: &RuleRecord, copies: impl IntoIterator<Item = &'a PodView>) -> RuleStatus {
    let selector = &record.rule.selector;
    let mut pods: BTreeMap<String, PodReceipt> = BTreeMap::new();
    for pod in &selector.pods {
        pods.insert(pod.clone(), PodReceipt { pod: pod.clone(), state: ReceiptState::Gone, last_message_ms: 0 });
    }
    for copy in copies.into_iter().filter(|copy| selector.selects(&copy.workload)) {
        let is_gone = copy.state == PodState::Gone;
        let name = &copy.workload.pod;
        // A pod that came back under its old name has a new uid, and replaces the old one.
        let is_replaced = is_gone && pods.get(name).is_some_and(|known| known.state != ReceiptState::Gone);
        let was_never_reported = is_gone && copy.last_message_ms < record.created_ms;
        if is_replaced || was_never_reported {
            continue;
        }
        let state = if is_gone { ReceiptState::Gone } else { state(record, &copy.receipts) };
        pods.insert(name.clone(), PodReceipt { pod: name.clone(), state, last_message_ms: copy.last_message_ms });
    }
    RuleStatus {
        rule: record.rule.clone(),
        revision: record.revision,
        created_ms: record.created_ms,
        ended: record.ending.as_ref().map(|ending| RuleEnd { at_ms: ending.at_ms, by: ending.by.clone() }),
        pods: pods.into_values().collect(),
    }
}

/// A pod's receipt for a rule or, once the rule has ended, for its end.
pub fn state(record: &RuleRecord, receipts: &ReceiptLog) -> ReceiptState {
    let rule = record.rule.id.as_str();
    let (received, revision, commanded_ms) = match &record.ending {
        None => (receipts.applied(rule), record.revision, record.created_ms),
        Some(ending) => (receipts.released(rule), ending.revision, ending.at_ms),
    };
    if let Some(received) = received {
        return ReceiptState::Applied { took_ms: received.took_ms(commanded_ms) };
    }
    match (receipts.confirmed(), receipts.refused()) {
        // The pod never knew the rule, or released it long ago.
        (Some(confirmed), _) if record.ending.is_some() && confirmed.revision >= revision => {
            ReceiptState::Applied { took_ms: confirmed.took_ms }
        }
        (_, Some(refused)) if refused.revision >= revision => ReceiptState::Refused(refused.why(rule)),
        _ => ReceiptState::Pending,
    }
}
