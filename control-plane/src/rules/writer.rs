//! Makes revisions of the rules: decides on the published state, writes to disk, then publishes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mesh::rule::Action;
use tokio::sync::watch;

use crate::clock::now_ms;
use crate::counts::fleet::Fleet;
use crate::model::audit::{AuditSubject, CommandOutcome};
use crate::model::principal::Author;
use crate::model::rule_record::{RuleChange, RuleRecord};
use crate::model::rule_status::RuleStatus;
use crate::model::rules_state::RulesState;
use crate::rules::command::{Command, CommandError};
use crate::rules::hooks::{BeforePublish, CountedEndpoints};
use crate::rules::service_watchers::ServiceWatchers;
use crate::rules::warnings::WarningContext;
use crate::rules::{change, check, receipts};
use crate::store::{Store, StoreError};

/// How often a command is decided while other control planes commit before it. They seldom have a leader each at all.
const DECISIONS_MAX: usize = 8;

/// Whether an error means that something else was committed since the decision.
trait MaybeStale {
    fn is_stale(&self) -> bool;
}

impl MaybeStale for StoreError {
    fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }
}

impl MaybeStale for CommandError {
    fn is_stale(&self) -> bool {
        matches!(self, Self::Store(StoreError::Stale { .. }))
    }
}

/// The published rules, and all that a change of them needs.
#[derive(Debug)]
pub(super) struct RuleWriter {
    store: Arc<dyn Store>,
    pub(super) fleet: Arc<Fleet>,
    /// Held from the decision to the publication, always by a thread that may block, so that
    /// revisions follow each other.
    writing: Mutex<()>,
    pub(super) published: watch::Sender<Arc<RulesState>>,
    /// The published revision, for readers that only compare it with theirs.
    pub(super) revision: AtomicU64,
    pub(super) watchers: ServiceWatchers,
    pub(super) before_publish: BeforePublish,
    pub(super) counted: CountedEndpoints,
}

impl RuleWriter {
    /// Publishes this state, which the store holds.
    pub(super) fn new(store: Arc<dyn Store>, fleet: Arc<Fleet>, state: RulesState) -> Self {
        Self {
            store,
            fleet,
            writing: Mutex::new(()),
            revision: AtomicU64::new(state.revision),
            published: watch::Sender::new(Arc::new(state)),
            watchers: ServiceWatchers::default(),
            before_publish: BeforePublish::default(),
            counted: CountedEndpoints::default(),
        }
    }

    pub(super) fn create(&self, command: &Command, by: &Author) -> Result<Arc<RuleStatus>, CommandError> {
        self.decided(|| self.try_create(command, by))
    }

    fn try_create(&self, command: &Command, by: &Author) -> Result<Arc<RuleStatus>, CommandError> {
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
        let record = self.commit(&state, change::creation(&state, rule, note, by, now_ms), now_ms)?;
        let done = match record.rule.turns_off() {
            Some(_) => "turned off",
            None if record.rule.action == Action::Pin => "pinned",
            None => "a rule for some requests or a decorator is in force",
        };
        tracing::info!(rule = record.rule.id, kind = record.rule.kind(), endpoint = %record.rule.endpoint, service = record.rule.selector.service, by = by.name, address = by.address.map(tracing::field::display), "{done}");
        Ok(Arc::new(self.status(&record, now_ms)))
    }

    pub(super) fn withdraw(&self, id: &str, by: &Author) -> Result<Arc<RuleStatus>, CommandError> {
        self.decided(|| self.try_withdraw(id, by))
    }

    fn try_withdraw(&self, id: &str, by: &Author) -> Result<Arc<RuleStatus>, CommandError> {
        let (state, now_ms) = (self.state(), now_ms());
        let record = state.record(id).ok_or_else(|| CommandError::UnknownRule(id.to_owned()))?;
        if record.ending.is_some() {
            let refused = CommandError::Ended(id.to_owned());
            self.record_refusal(&state, AuditSubject::rule(&record.rule), (by, ""), &refused, now_ms);
            return Err(refused);
        }
        let outcome = CommandOutcome::from_status(&self.status(record, now_ms));
        let record = self.commit(&state, change::withdrawal(&state, record, outcome, by, now_ms), now_ms)?;
        tracing::info!(rule = record.rule.id, endpoint = %record.rule.endpoint, service = record.rule.selector.service, by = by.name, address = by.address.map(tracing::field::display), "withdrawn");
        Ok(Arc::new(self.status(&record, now_ms)))
    }

    pub(super) fn expire(&self, now_ms: u64) -> Result<(), StoreError> {
        self.decided(|| self.try_expire(now_ms))
    }

    fn try_expire(&self, now_ms: u64) -> Result<(), StoreError> {
        let state = self.state();
        let expired = state.in_force().filter(|record| record.rule.has_lapsed(now_ms)).cloned();
        let expired: Vec<_> =
            expired.map(|record| (CommandOutcome::from_status(&self.status(&record, now_ms)), record)).collect();
        if expired.is_empty() {
            return Ok(());
        }
        for (_, record) in &expired {
            tracing::info!(rule = record.rule.id, endpoint = %record.rule.endpoint, "expired");
        }
        self.commit(&state, change::lapse(&state, &expired, now_ms), now_ms).map(drop)
    }

    /// Publishes what another control plane has committed, if there is anything.
    pub(super) fn refresh(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.reload()
    }

    /// Decides on the published state and commits the change. If another control plane has committed one meanwhile, it
    /// is published, and the decision made again.
    fn decided<T, E: From<StoreError> + MaybeStale>(&self, attempt: impl Fn() -> Result<T, E>) -> Result<T, E> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 1..DECISIONS_MAX {
            match attempt() {
                Err(error) if error.is_stale() => self.reload()?,
                decided => return decided,
            }
        }
        attempt()
    }

    fn reload(&self) -> Result<(), StoreError> {
        let (state, stored) = (self.state(), self.store.load()?);
        if (stored.revision, stored.audit_entries) == (state.revision, state.audit_entries) {
            return Ok(());
        }
        let next = RulesState::load(stored, now_ms());
        self.before_publish.run(&next);
        self.publish_next(|published| next.resent(published.resends));
        Ok(())
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
        (by, reason): (&Author, &str),
        refused: &CommandError,
        now_ms: u64,
    ) {
        let change = change::refusal(state, about.clone(), (by, reason), refused, now_ms);
        let committed = self.store.commit(&change);
        // The refusal was decided on rules that another control plane has changed; only the entry's number depends on that.
        if committed.as_ref().is_err_and(MaybeStale::is_stale)
            && self.reload().is_ok()
            && self.state().audit_entries != state.audit_entries
        {
            return self.record_refusal(&self.state(), about, (by, reason), refused, now_ms);
        }
        match committed {
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
    pub(super) fn publish_next(&self, next: impl FnOnce(&RulesState) -> RulesState) {
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

    pub(super) fn warning_context<'a>(&'a self, state: &'a RulesState) -> WarningContext<'a> {
        WarningContext { fleet: &self.fleet, counted: &self.counted, state }
    }

    pub(super) fn status(&self, record: &RuleRecord, now_ms: u64) -> RuleStatus {
        let selector = &record.rule.selector;
        receipts::status(record, &self.fleet.pods_of(&selector.namespace, &selector.service, now_ms))
    }

    pub(super) fn state(&self) -> Arc<RulesState> {
        Arc::clone(&self.published.borrow())
    }
}
