//! The receipts of one pod for the rule sets that it was sent.

use std::collections::{HashMap, VecDeque};

use mesh::rule::{Receipt, RuleRefusal, Verdict};

use crate::model::rules_state::ServiceRules;

/// Limit of rule sets that wait for a receipt. A sidecar answers within milliseconds, and only the
/// newest set counts.
const OUTSTANDING_MAX: usize = 64;

/// Limit of released rules that are remembered, for users who watch an endpoint come back.
const RELEASED_MAX: usize = 64;

/// A pod's receipts, by rule.
#[derive(Debug, Clone, Default)]
pub struct ReceiptLog {
    outstanding: VecDeque<ServiceRules>,
    applied: HashMap<String, ReceiptTime>,
    released: VecDeque<(String, ReceiptTime)>,
    refused: Option<RefusedSet>,
    confirmed: Option<ConfirmedRevision>,
}

/// When a pod confirmed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptTime {
    /// When the receipt arrived, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// When the stream that brought it began: before that, the pod could not receive the rules.
    pub since_ms: u64,
}

impl ReceiptTime {
    /// Milliseconds from the command to the receipt, or from the start of the stream if the pod
    /// attached later.
    pub fn took_ms(self, commanded_ms: u64) -> u64 {
        self.at_ms.saturating_sub(commanded_ms.max(self.since_ms))
    }
}

/// The newest revision that a pod has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmedRevision {
    /// The revision.
    pub revision: u64,
    /// Milliseconds from its commit to the receipt.
    pub took_ms: u64,
    /// When the receipt arrived, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A rule set that a pod has refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSet {
    /// Its revision.
    pub revision: u64,
    /// Why, by rule.
    pub refusals: Vec<RuleRefusal>,
}

/// A receipt for a revision that was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a receipt for revision {0}, which was not sent on this stream")]
pub struct NeverSent(pub u64);

impl ReceiptLog {
    /// A new stream has begun: sets sent on the old one no longer wait for a receipt.
    pub(crate) fn begin_stream(&mut self) {
        self.outstanding.clear();
    }

    /// Records a rule set that is on its way to the pod.
    pub(crate) fn record_sent(&mut self, rules: ServiceRules) {
        self.outstanding.retain(|set| set.revision != rules.revision);
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        if self.outstanding.is_empty() {
            // Most pods are sent one set.
            self.outstanding.reserve_exact(1);
        }
        self.outstanding.push_back(rules);
    }

    /// Records a receipt. Returns the rule set, if the pod has applied it.
    pub(crate) fn record(&mut self, receipt: Receipt, received: ReceiptTime) -> Result<Option<ServiceRules>, NeverSent> {
        let Some(at) = self.outstanding.iter().position(|set| set.revision == receipt.revision) else {
            return Err(NeverSent(receipt.revision));
        };
        // This receipt settles all earlier sets. The set itself stays, in case it is sent and
        // confirmed again.
        self.outstanding.drain(..at);
        let set = self.outstanding[0].clone();
        match receipt.verdict {
            Verdict::Applied => {
                self.apply(&set, received);
                Ok(Some(set))
            }
            Verdict::Refused(refusals) => {
                self.refused = Some(RefusedSet { revision: receipt.revision, refusals });
                Ok(None)
            }
        }
    }

    fn apply(&mut self, set: &ServiceRules, received: ReceiptTime) {
        if self.confirmed.is_none_or(|confirmed| confirmed.revision < set.revision) {
            self.confirmed = Some(ConfirmedRevision {
                revision: set.revision,
                took_ms: received.took_ms(set.committed_ms),
                at_ms: received.at_ms,
            });
        }
        self.refused = None;
        let mut before = std::mem::take(&mut self.applied);
        for record in set.records.iter() {
            let first = before.remove(&record.rule.id).unwrap_or(received);
            self.applied.insert(record.rule.id.clone(), first);
        }
        for (rule, _) in before {
            if self.released.len() == RELEASED_MAX {
                self.released.pop_front();
            }
            self.released.push_back((rule, received));
        }
    }

    /// When the pod confirmed that it has applied this rule.
    pub fn applied(&self, rule: &str) -> Option<ReceiptTime> {
        self.applied.get(rule).copied()
    }

    /// When the pod confirmed that it has released this rule.
    pub fn released(&self, rule: &str) -> Option<ReceiptTime> {
        self.released.iter().rev().find(|(id, _)| id == rule).map(|(_, received)| *received)
    }

    /// The newest set, if it was refused.
    pub fn refused(&self) -> Option<&RefusedSet> {
        self.refused.as_ref()
    }

    /// The newest revision that it has confirmed.
    pub fn confirmed(&self) -> Option<ConfirmedRevision> {
        self.confirmed
    }

    /// Whether it has confirmed this revision, or a later one.
    pub fn has_confirmed(&self, revision: u64) -> bool {
        self.confirmed.is_some_and(|confirmed| confirmed.revision >= revision)
    }
}

impl RefusedSet {
    /// Why this rule is not in force: the pod's reason for it, or for the rule that made the set
    /// invalid.
    pub fn why(&self, rule: &str) -> String {
        match self.refusals.iter().find(|refusal| refusal.rule == rule) {
            Some(refusal) => refusal.why.clone(),
            None => match self.refusals.first() {
                Some(refusal) if refusal.rule.is_empty() => refusal.why.clone(),
                Some(refusal) => format!("rule {} makes the set invalid: {}", refusal.rule, refusal.why),
                None => "the pod gave no reason".to_owned(),
            },
        }
    }
}
