//! The rules of the mesh, as the other parts use them: commands, previews, status, and the end of each rule at its expiry.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mesh::endpoint::Endpoint;
use mesh::rule::{Rule, Selector};
use mesh::rule_totals::RuleTotals;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::counts::fleet::Fleet;
use crate::model::audit;
use crate::model::pod::PodState;
use crate::model::principal::Author;
use crate::model::rule_record::RuleRecord;
use crate::model::rule_status::RuleStatus;
use crate::model::rules_state::RulesState;
use crate::rules::command::{Command, CommandError};
use crate::rules::outcome::RuleOutcome;
use crate::rules::writer::RuleWriter;
use crate::store::{Store, StoreError};

pub mod change;
pub mod check;
pub mod command;
pub mod effect;
mod hooks;
mod naming;
pub mod outcome;
pub mod receipts;
mod service_watchers;
mod warnings;
mod writer;

/// Pause before a failed write is repeated. Sidecars end a rule by themselves meanwhile.
const RETRY: Duration = Duration::from_secs(5);

/// The longest sleep: if the clock is set while we sleep, a rule must not outlive its time by more.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// The rules of the mesh. Cheap to clone: clones share their state.
#[derive(Debug, Clone)]
pub struct Rules(Arc<RuleWriter>);

impl Rules {
    /// Loads the rules of a store. It reads from disk, so it may block.
    pub fn open(store: Arc<dyn Store>, fleet: Arc<Fleet>, now_ms: u64) -> Result<Self, StoreError> {
        let state = RulesState::load(store.load()?, now_ms);
        let rules = Self(Arc::new(RuleWriter::new(store, fleet, state)));
        rules.0.expire(now_ms)?;
        Ok(rules)
    }

    /// Sets a hook that runs before a new rule set is published, where blocking is allowed.
    pub fn set_before_publish(&self, send: impl Fn(&RulesState) + Send + Sync + 'static) {
        self.0.before_publish.set(send);
    }

    /// Sets the lookup of a service's counted endpoints, by namespace and service.
    pub fn set_endpoint_lookup(&self, look: impl Fn(&str, &str) -> Vec<Endpoint> + Send + Sync + 'static) {
        self.0.counted.set(look);
    }

    /// Warnings for users about a rule that is in force, or could be.
    pub fn warnings(&self, rule: &Rule) -> Vec<String> {
        self.0.warning_context(&self.state()).warnings(rule)
    }

    /// What would happen if a rule overrode protected paths; `None` if it concerns none.
    pub fn warning_of_override(&self, rule: &Rule) -> Option<String> {
        self.0.warning_context(&self.state()).of_override(rule)
    }

    /// Creates a rule. It is on disk when this returns, and on its way to the pods.
    pub async fn create(&self, command: Command, by: impl Into<Author>) -> Result<Arc<RuleStatus>, CommandError> {
        let by = by.into();
        self.blocking(move |inner| inner.create(&command, &by)).await
    }

    /// The rule that a command would create, or why it would be refused. Nothing is changed or
    /// written.
    pub fn preview(&self, command: &Command, by: &Author) -> Result<RuleStatus, CommandError> {
        let (state, now_ms) = (self.state(), now_ms());
        let namespace = command.namespace();
        let context = self.0.warning_context(&state);
        let known = &context.known(namespace, &command.service);
        let check_context = check::CheckContext { state: &state, fleet: &self.0.fleet, known, now_ms };
        let rule = check::rule(command, String::new(), by, &check_context)?;
        Ok(self.0.status(&RuleRecord { rule, revision: state.revision, created_ms: now_ms, ending: None }, now_ms))
    }

    /// Ends a rule. The end is on disk when this returns, and on its way to the pods.
    pub async fn withdraw(&self, id: &str, by: impl Into<Author>) -> Result<Arc<RuleStatus>, CommandError> {
        let (id, by) = (id.to_owned(), by.into());
        self.blocking(move |inner| inner.withdraw(&id, &by)).await
    }

    /// A rule, in force or ended recently, with the receipt of each pod.
    pub fn status(&self, id: &str) -> Option<RuleStatus> {
        Some(self.0.status(self.state().record(id)?, now_ms()))
    }

    /// What a rule has done on the pods that run now, since each of them applied it.
    pub fn totals(&self, rule: &Rule) -> RuleTotals {
        let Selector { namespace, service, .. } = &rule.selector;
        let pods = self.0.fleet.pods_of(namespace, service, now_ms());
        let present = pods.iter().filter(|pod| pod.state != PodState::Gone);
        let of_it = present.flat_map(|pod| pod.rules.iter()).filter(|totals| totals.rule == rule.id);
        let mut sum = RuleTotals { rule: rule.id.clone(), ..RuleTotals::default() };
        of_it.for_each(|totals| sum.add(totals));
        sum
    }

    /// Sends the rules again to the pods that have not confirmed them.
    #[expect(clippy::unused_async, reason = "a store that is shared by replicas will have to be asked")]
    pub async fn resend(&self, id: &str) -> Result<(), CommandError> {
        self.state().record(id).ok_or_else(|| CommandError::UnknownRule(id.to_owned()))?;
        self.0.publish_next(|state| {
            let again = state.resends + 1;
            RulesState::clone(state).resent(again)
        });
        Ok(())
    }

    /// Publishes what another control plane has committed to the store, if there is anything.
    pub async fn refresh(&self) -> Result<(), CommandError> {
        self.blocking(|inner| inner.refresh().map_err(CommandError::from)).await
    }

    /// The outcomes of the commands behind these audit entries, in the same order.
    pub fn outcomes(&self, entries: &[Arc<audit::AuditEntry>]) -> Vec<RuleOutcome> {
        let (state, now_ms) = (self.state(), now_ms());
        let mut copies = HashMap::new();
        let mut status = |record: &RuleRecord| {
            let Selector { namespace, service, .. } = &record.rule.selector;
            let copies = copies.entry((namespace.clone(), service.clone()));
            receipts::status(record, copies.or_insert_with(|| self.0.fleet.pods_of(namespace, service, now_ms)).iter())
        };
        entries.iter().map(|entry| RuleOutcome::from_entry(entry, &state, &mut status)).collect()
    }

    /// The current rules.
    pub fn state(&self) -> Arc<RulesState> {
        Arc::clone(&self.0.published.borrow())
    }

    /// The current revision.
    pub fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Acquire)
    }

    /// Changes whenever the rules of a service change, or have to be sent again.
    pub fn watch(&self, namespace: &str, service: &str) -> watch::Receiver<u64> {
        self.0.watchers.subscribe(namespace, service)
    }

    /// Ends each rule when it expires.
    pub async fn run(&self, drain: CancellationToken) {
        let mut changes = self.0.published.subscribe();
        loop {
            let next_ms = changes.borrow_and_update().in_force().filter_map(|record| record.rule.expires_ms).min();
            tokio::select! {
                () = until(next_ms) => self.expire().await,
                _ = changes.changed() => {}
                () = drain.cancelled() => return,
            }
        }
    }

    async fn expire(&self) {
        if let Err(error) = self.blocking(|inner| inner.expire(now_ms()).map_err(CommandError::from)).await {
            tracing::error!(%error, "expired rules could not be ended; retrying");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Runs work where blocking is allowed. It completes even if the caller stops waiting.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RuleWriter) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Sleeps until then, or for the longest sleep; without an instant, forever.
async fn until(at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(now_ms())).min(SLEEP_MAX)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
