//! Wakes only the streams whose rules have changed: a rule for two hundred pods does not wait for ten thousand.

use dashmap::DashMap;
use tokio::sync::watch;

use crate::model::limits::SERVICES_MAX;
use crate::model::rules_state::RulesState;

/// Watchers of each service's rules.
#[derive(Debug, Default)]
pub(super) struct ServiceWatchers(DashMap<(String, String), watch::Sender<u64>>);

impl ServiceWatchers {
    /// Receives, from now on, the revision of each change that concerns a service.
    pub(super) fn subscribe(&self, namespace: &str, service: &str) -> watch::Receiver<u64> {
        if self.0.len() >= SERVICES_MAX {
            self.0.retain(|_, waiting| waiting.receiver_count() > 0);
        }
        self.0.entry((namespace.to_owned(), service.to_owned())).or_default().subscribe()
    }

    /// Notifies the watchers of the services whose rules differ between two states.
    pub(super) fn notify(&self, before: &RulesState, after: &RulesState) {
        if before.resends != after.resends {
            self.0.iter().for_each(|waiting| waiting.send_modify(|revision| *revision = after.revision));
            return;
        }
        let hash =
            |state: &RulesState, (namespace, service): &(String, String)| state.of_service(namespace, service).sealed().hash();
        for (name, _) in before.services().chain(after.services()) {
            if let Some(waiting) = self.0.get(name).filter(|_| hash(before, name) != hash(after, name)) {
                waiting.send_modify(|revision| *revision = after.revision);
            }
        }
    }
}
