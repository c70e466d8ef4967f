//! Decides when a stream sends the rules of its service, and checks which set a receipt confirms.

use proto::convert::InvalidMessage;
use proto::wire;
use proto::wire::down;

use crate::clock::now_ms;
use crate::counts::fleet::stream_session::StreamSession;
use crate::model::rules_state::RulesState;

/// The rules that one stream has sent.
#[derive(Debug, Default)]
pub(super) struct RuleUpdates {
    sent: Option<SentRules>,
}

/// The rules that were sent last.
#[derive(Debug, Clone, Copy)]
struct SentRules {
    revision: u64,
    /// The number of resends requested by then.
    resends: u64,
    hash: u64,
}

impl RuleUpdates {
    /// Whether this revision was sent last.
    pub(super) fn is_sent(&self, revision: u64) -> bool {
        self.sent.is_some_and(|sent| sent.revision == revision)
    }

    /// The message to send if the rules are new, or if a resend was requested and they are not confirmed.
    pub(super) fn next(&mut self, rules: &RulesState, session: &StreamSession) -> Option<down::Message> {
        let is_asked_for = self.sent.is_none_or(|sent| sent.resends != rules.resends);
        if self.is_sent(rules.revision) && (!is_asked_for || session.has_confirmed(rules.revision)) {
            // A pod that has confirmed needs no resend. The request is settled, so the next set
            // does not count as requested.
            self.sent = self.sent.map(|sent| SentRules { resends: rules.resends, ..sent });
            return None;
        }
        let workload = session.workload();
        let mut set = rules.of_service(&workload.namespace, &workload.service);
        let hash = set.sealed().hash();
        if !is_asked_for && self.sent.is_some_and(|sent| sent.hash == hash) {
            // The set has waited for a report because nothing changes for the pod: the time to its
            // receipt starts here.
            set.committed_ms = now_ms();
        }
        let message = set.sealed().into();
        self.sent = Some(SentRules { revision: rules.revision, resends: rules.resends, hash });
        // Recorded before it is sent, so that no receipt can arrive for an unknown set.
        session.record_sent(set);
        Some(message)
    }

    /// Refuses a receipt with another hash than that of the set sent under its revision: such a pod obeys other rules.
    pub(super) fn check_hash(&self, applied: &wire::Applied) -> Result<(), InvalidMessage> {
        let sent = self.sent.filter(|sent| sent.revision == applied.revision && applied.ok && applied.rules_hash != 0);
        if sent.is_none_or(|sent| sent.hash == applied.rules_hash) {
            return Ok(());
        }
        let why = format!("it differs from the hash of the rules sent as revision {}", applied.revision);
        Err(InvalidMessage::Senseless { field: "rules_hash", why })
    }
}
