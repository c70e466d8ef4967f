//! Turns commands into revisions of the rules: checks them, writes them to disk, publishes them, and ends them at expiry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mesh::endpoint::Endpoint;
use mesh::rule::{Action, Rule, Selector};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::counts::fleet::Fleet;
use crate::model::audit;
use crate::model::audit::{AuditSubject, CommandOutcome};
use crate::model::rule_record::{RuleChange, RuleRecord};
use crate::model::rule_status::RuleStatus;
use crate::model::rules_state::RulesState;
use crate::rules::command::{Command, CommandError};
use crate::rules::hooks::{BeforePublish, CountedEndpoints};
use crate::rules::outcome::RuleOutcome;
use crate::rules::service_watchers::ServiceWatchers;
use crate::rules::warnings::WarningContext;
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

/// Pause before a failed write is repeated. Sidecars end a rule by themselves meanwhile.
const RETRY: Duration = Duration::from_secs(5);

/// The longest sleep: if the clock is set while we sleep, a rule must not outlive its time by more.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// The rules of the mesh. Cheap to clone: clones share their state.
#[derive(Debug, Clone)]
pub struct Rules(Arc<RulesInner>);

#[derive(Debug)]
struct RulesInner {
    store: Arc<dyn Store>,
    fleet: Arc<Fleet>,
    /// Held from the decision to the publication, always by a thread that may block, so that
    /// revisions follow each other.
    writing: Mutex<()>,
    published: watch::Sender<Arc<RulesState>>,
    /// The published revision, for readers that only compare it with theirs.
    revision: AtomicU64,
    watchers: ServiceWatchers,
    before_publish: BeforePublish,
    counted: CountedEndpoints,
}

impl Rules {
    /// Loads the rules of a store. It reads from disk, so it may block.
    pub fn open(store: Arc<dyn Store>, fleet: Arc<Fleet>, now_ms: u64) -> Result<Self, StoreError> {
        let state = RulesState::load(store.load()?, now_ms);
        let revision = AtomicU64::new(state.revision);
        let published = watch::Sender::new(Arc::new(state));
        let (concerned, first, counted) = (ServiceWatchers::default(), BeforePublish::default(), CountedEndpoints::default());
        let writing = Mutex::new(());
        let rules = Self(Arc::new(RulesInner {
            store,
            fleet,
            writing,
            published,
            revision,
            watchers: concerned,
            before_publish: first,
            counted,
        }));
        rules.0.expire(now_ms)?;
        Ok(rules)
    }

    /// Sets a hook that runs before a new rule set is published, where blocking is allowed.
    pub fn set_before_publish(&self, tell: impl Fn(&RulesState) + Send + Sync + 'static) {
        self.0.before_publish.set(tell);
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
    pub async fn create(&self, command: Command, by: &str) -> Result<Arc<RuleStatus>, CommandError> {
        let by = by.to_owned();
        self.blocking(move |inner| inner.create(&command, &by)).await
    }

    /// The rule that a command would create, or why it would be refused. Nothing is changed or
    /// written.
    pub fn preview(&self, command: &Command, by: &str) -> Result<RuleStatus, CommandError> {
        let (state, now_ms) = (self.state(), now_ms());
        let namespace = command.namespace();
        let context = self.0.warning_context(&state);
        let known = &context.known(namespace, &command.service);
        let check_context = check::CheckContext { state: &state, fleet: &self.0.fleet, known, now_ms };
        let rule = check::rule(command, String::new(), by, &check_context)?;
        Ok(self.0.status(&RuleRecord { rule, revision: state.revision, created_ms: now_ms, ending: None }, now_ms))
    }

    /// Ends a rule. The end is on disk when this returns, and on its way to the pods.
    pub async fn withdraw(&self, id: &str, by: &str) -> Result<Arc<RuleStatus>, CommandError> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.blocking(move |inner| inner.withdraw(&id, &by)).await
    }

    /// A rule, in force or ended recently, with the receipt of each pod.
    pub fn status(&self, id: &str) -> Option<RuleStatus> {
        Some(self.0.status(self.state().record(id)?, now_ms()))
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

    /// The newest audit entries, newest first.
    pub fn audit(&self, newest_first_limit: usize) -> Vec<audit::AuditEntry> {
        self.state().audit().take(newest_first_limit).map(|entry| audit::AuditEntry::clone(entry)).collect()
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
        work: impl FnOnce(&RulesInner) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

impl RulesInner {
    fn create(&self, command: &Command, by: &str) -> Result<Arc<RuleStatus>, CommandError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, now_ms) = (self.state(), now_ms());
        let id = format!("r{}", state.revision + 1);
        let namespace = command.namespace();
        let context = self.warning_context(&state);
        let known = &context.known(namespace, &command.service);
        let check_context = check::CheckContext { state: &state, fleet: &self.fleet, known, now_ms };
        let rule = check::rule(command, id, by, &check_context).inspect_err(|refused| {
            self.record_refusal(&state, change::asked(command, now_ms), (by, &command.reason), refused, now_ms);
        })?;
        let note = context.note(&rule);
        let record = self.commit(&state, change::creation(&state, rule, note, now_ms), now_ms)?;
        let done = if record.rule.action == Action::Pin { "pinned" } else { "turned off" };
        tracing::info!(rule = record.rule.id, endpoint = %record.rule.endpoint, service = record.rule.selector.service, by, "{done}");
        Ok(Arc::new(self.status(&record, now_ms)))
    }

    fn withdraw(&self, id: &str, by: &str) -> Result<Arc<RuleStatus>, CommandError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, now_ms) = (self.state(), now_ms());
        let record = state.record(id).ok_or_else(|| CommandError::UnknownRule(id.to_owned()))?;
        if record.ending.is_some() {
            let refused = CommandError::Ended(id.to_owned());
            self.record_refusal(&state, AuditSubject::rule(&record.rule), (by, ""), &refused, now_ms);
            return Err(refused);
        }
        let outcome = CommandOutcome::from_status(&self.status(record, now_ms));
        let record = self.commit(&state, change::withdrawal(&state, record, outcome, by, now_ms), now_ms)?;
        tracing::info!(rule = record.rule.id, endpoint = %record.rule.endpoint, service = record.rule.selector.service, by, "withdrawn");
        Ok(Arc::new(self.status(&record, now_ms)))
    }

    fn expire(&self, now_ms: u64) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let expired = state.in_force().filter(|record| record.rule.has_lapsed(now_ms)).cloned();
        let expired: Vec<_> =
            expired.map(|record| (CommandOutcome::from_status(&self.status(&record, now_ms)), record)).collect();
        if expired.is_empty() {
            return Ok(());
        }
        for (_, record) in &expired {
            tracing::info!(rule = record.rule.id, endpoint = %record.rule.endpoint, "expired: endpoint turned on");
        }
        self.commit(&state, change::lapse(&state, &expired, now_ms), now_ms).map(drop)
    }

    /// Writes a change to disk, then publishes it; in this order, so that no pod obeys what a crash
    /// would forget.
    fn commit(&self, state: &RulesState, change: RuleChange, now_ms: u64) -> Result<RuleRecord, StoreError> {
        self.store.commit(&change)?;
        let first = change.put.first().cloned().expect("every change of the rules is about a rule");
        self.publish(state, change, now_ms);
        Ok(first)
    }

    /// Records a refused command in the audit log. If even that fails, the caller still gets the
    /// command's own error.
    fn record_refusal(
        &self,
        state: &RulesState,
        about: AuditSubject,
        (by, reason): (&str, &str),
        refused: &CommandError,
        now_ms: u64,
    ) {
        let change = change::refusal(state, about, (by, reason), refused, now_ms);
        match self.store.commit(&change) {
            Ok(()) => self.publish(state, change, now_ms),
            Err(error) => tracing::error!(%error, %refused, "a refused command could not be recorded"),
        }
    }

    fn publish(&self, state: &RulesState, change: RuleChange, now_ms: u64) {
        let next = state.after(change, now_ms);
        self.before_publish.run(&next);
        // A resend does not wait for the writer, so one may have been requested in between.
        self.publish_next(|published| next.resent(published.resends));
    }

    /// Publishes the successor of the published state, and wakes the streams that it concerns.
    fn publish_next(&self, next: impl FnOnce(&RulesState) -> RulesState) {
        let mut change = None;
        self.published.send_modify(|published| {
            let next = Arc::new(next(published));
            change = Some((std::mem::replace(published, Arc::clone(&next)), next));
        });
        if let Some((before, after)) = change {
            self.revision.fetch_max(after.revision, Ordering::AcqRel);
            self.watchers.notify(&before, &after);
        }
    }

    fn warning_context<'a>(&'a self, state: &'a RulesState) -> WarningContext<'a> {
        WarningContext { fleet: &self.fleet, counted: &self.counted, state }
    }

    fn status(&self, record: &RuleRecord, now_ms: u64) -> RuleStatus {
        let selector = &record.rule.selector;
        receipts::status(record, &self.fleet.pods_of(&selector.namespace, &selector.service, now_ms))
    }

    fn state(&self) -> Arc<RulesState> {
        Arc::clone(&self.published.borrow())
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
