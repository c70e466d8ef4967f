//! What one principal may see and command: every answer of the API and of the dashboard passes here.
//!
//! Handlers get a [`Reader`], and not the state of the control plane. So the scope of a principal is applied in this
//! file, and a new page or resource cannot forget it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use mesh::endpoint::Endpoint;
use mesh::rule::Rule;
use mesh::rule_totals::RuleTotals;
use mesh::tap::Filter;

use crate::counts::fleet::address_index::AddressIndex;
use crate::counts::timeline::long_range::LongRange;
use crate::counts::timeline::long_range::chart::{Chart, ChartRequest};
use crate::counts::timeline::recent_minutes::RecentTotals;
use crate::counts::timeline::series::Series;
use crate::history::request::{HistoryRequest, RememberedExchange};
use crate::history::{Busy, GatheredHistory};
use crate::model::audit::AuditEntry;
use crate::model::principal::{Forbidden, Namespaces, Principal};
use crate::model::rule_record::RuleRecord;
use crate::model::rule_status::RuleStatus;
use crate::model::rules_state::AUDIT_AT_HAND_MAX;
use crate::model::window::QueryWindow;
use crate::notifications::NoticeList;
use crate::notifications::outbox::ChannelCounts;
use crate::query::callers::CalledBy;
use crate::query::snapshot::{PodRow, Snapshot};
use crate::query::{long_windows, snapshot};
use crate::rules::outcome::RuleOutcome;
use crate::state::AppState;
use crate::store::StoreError;
use crate::tap::scope::TapScope;
use crate::tap::{TapReader, TooMany};

pub mod commands;

/// The mesh as one principal sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    mesh: Arc<AppState>,
    /// Who reads.
    pub principal: Arc<Principal>,
}

/// The request did not pass the access check. It is a fault of the program, and the request is refused.
pub type Unchecked = (StatusCode, &'static str);

impl Reader {
    /// The reader of a principal.
    pub fn new(mesh: Arc<AppState>, principal: Arc<Principal>) -> Self {
        Self { mesh, principal }
    }

    /// The reader of a request that has passed the access check.
    pub fn from_parts(parts: &Parts, mesh: &Arc<AppState>) -> Result<Self, Unchecked> {
        let principal = parts.extensions.get::<Arc<Principal>>();
        let unchecked = (StatusCode::INTERNAL_SERVER_ERROR, "the request has not passed the access check\n");
        Ok(Self::new(Arc::clone(mesh), Arc::clone(principal.ok_or(unchecked)?)))
    }

    /// The whole mesh, for what belongs to no namespace.
    pub fn whole_mesh(&self) -> Result<&Arc<AppState>, Forbidden> {
        self.principal.check_all_namespaces()?;
        Ok(&self.mesh)
    }

    /// The whole mesh, for the modules that answer queries.
    pub(in crate::query) fn mesh(&self) -> &Arc<AppState> {
        &self.mesh
    }

    /// The namespaces that are seen.
    pub fn namespaces(&self) -> &Namespaces {
        &self.principal.namespaces
    }

    /// Returns when what is open for long has to end, and why.
    pub async fn ended(&self) -> &'static str {
        tokio::select! {
            () = self.mesh.drain.cancelled() => "the control plane is shutting down",
            () = self.principal.sign_in.ended() => "the sign-in has ended",
        }
    }

    /// The address at which sidecars attach.
    pub fn stream_address(&self) -> std::net::SocketAddr {
        self.mesh.stream_address
    }

    /// The counts of a window that are on disk only; see [`long_windows::read`].
    pub async fn past(
        &self,
        window: QueryWindow,
        depth: long_windows::Depth,
        now_ms: u64,
    ) -> Result<Option<Arc<LongRange>>, StoreError> {
        long_windows::read(&self.mesh, window, depth, now_ms).await
    }

    /// The mesh at one instant; `past` is what [`past`](Self::past) returned for the window.
    pub fn snapshot(&self, window: QueryWindow, past: Option<&LongRange>, now_ms: u64) -> Snapshot {
        Snapshot::take_of(self, window, past, now_ms, |_| true)
    }

    /// The same, with the row of one endpoint only.
    pub fn snapshot_of_endpoint(&self, id: &str, window: QueryWindow, now_ms: u64) -> Snapshot {
        Snapshot::take_of(self, window, None, now_ms, |series| *series.id == *id)
    }

    /// Every pod, by name.
    pub fn pods(&self, now_ms: u64) -> Vec<PodRow> {
        snapshot::take::pods(self, now_ms)
    }

    /// Every endpoint.
    pub fn series(&self) -> Vec<Arc<Series>> {
        let mut all = self.mesh.timeline.all();
        if *self.namespaces() != Namespaces::All {
            all.retain(|series| self.namespaces().contain(series.namespace()));
        }
        all
    }

    /// One endpoint.
    pub fn one_series(&self, id: &str) -> Option<Arc<Series>> {
        self.series().into_iter().find(|series| *series.id == *id)
    }

    /// The number of endpoints.
    pub fn endpoints(&self) -> usize {
        match self.namespaces() {
            Namespaces::All => self.mesh.timeline.len(),
            Namespaces::Only(_) => self.series().len(),
        }
    }

    /// Changes whenever endpoints get other names.
    pub fn naming_revision(&self) -> u64 {
        self.mesh.timeline.naming_revision()
    }

    /// Since when anything is known, milliseconds since the Unix epoch.
    pub fn counting_since_ms(&self) -> u64 {
        self.mesh.timeline.started_ms()
    }

    /// Every service, by namespace and name.
    pub fn services(&self) -> BTreeSet<(String, String)> {
        let mut services = self.mesh.fleet.services();
        services.retain(|(namespace, _)| self.namespaces().contain(namespace));
        services
    }

    /// Reads a chart of some of the [`series`](Self::series) from disk.
    pub async fn chart(&self, wanted: ChartRequest, now_ms: u64) -> Result<Chart, StoreError> {
        let mesh = Arc::clone(&self.mesh);
        let reading = tokio::task::spawn_blocking(move || {
            Chart::read(mesh.window_queue.metrics_store.as_ref(), &mesh.timeline, &wanted, now_ms)
        });
        reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// The callers of some of the [`series`](Self::series) of one service, added up.
    pub fn callers(&self, series: &[Arc<Series>], now_ms: u64) -> CalledBy {
        CalledBy::from_several(&self.mesh.fleet, series, self.namespaces(), now_ms)
    }

    /// The callers of each endpoint, by endpoint id.
    pub fn callers_by_endpoint(&self, now_ms: u64) -> HashMap<String, CalledBy> {
        CalledBy::from_all(&self.mesh.fleet, &self.mesh.timeline, self.namespaces(), now_ms)
    }

    /// The pods by their address; an address of another namespace belongs to none.
    pub fn address_owners(&self, now_ms: u64) -> AddressIndex {
        AddressIndex::from_fleet(&self.mesh.fleet, self.namespaces(), now_ms)
    }

    /// The recent counts of an endpoint, by pod.
    pub fn recent_by_pod(
        &self,
        (namespace, service): (&str, &str),
        endpoint: &Endpoint,
        now_ms: u64,
    ) -> HashMap<String, RecentTotals> {
        if !self.namespaces().contain(namespace) {
            return HashMap::new();
        }
        self.mesh.fleet.recent_by_pod((namespace, service), endpoint, now_ms)
    }

    /// Asks the pods of a service for the exchanges that they remember.
    pub async fn gather_history(&self, wanted: &HistoryRequest<'_>, now_ms: u64) -> Result<GatheredHistory, Busy> {
        if !self.namespaces().contain(wanted.namespace) {
            return Ok(GatheredHistory::default());
        }
        self.mesh.histories.gather(wanted, &self.mesh.fleet, now_ms).await
    }

    /// The exchanges that the pods of a service have pushed without a query.
    pub fn pushed_history(&self, wanted: &HistoryRequest<'_>) -> Vec<RememberedExchange> {
        if !self.namespaces().contain(wanted.namespace) {
            return Vec::new();
        }
        self.mesh.histories.pushed.for_request(wanted, &[])
    }

    /// Opens a tap.
    pub fn open_tap(&self, scope: TapScope, filter: Filter, per_second_max: u32) -> Result<TapReader, TooMany> {
        self.mesh.taps.open(TapScope { sees: self.namespaces().clone(), ..scope }, filter, per_second_max)
    }

    /// What is wrong with services now, and what was lately.
    pub fn notices(&self) -> NoticeList {
        self.mesh.notifications.list(self.namespaces())
    }

    /// The channels of notifications, which belong to no namespace.
    pub fn notification_channels(&self) -> Vec<(String, &'static str, ChannelCounts)> {
        if *self.namespaces() == Namespaces::All { self.mesh.notifications.channels() } else { Vec::new() }
    }

    /// Why the notifications file cannot be used; `None` if it can, or if the reader sees some namespaces only.
    pub fn notifications_error(&self) -> Option<String> {
        self.mesh.notifications.file_error().filter(|_| *self.namespaces() == Namespaces::All)
    }

    /// The newest revision of the rules of all namespaces.
    pub fn revision(&self) -> u64 {
        self.mesh.rules.state().revision
    }

    /// The rules and pins in force, newest first.
    pub fn rules_in_force(&self) -> Vec<Arc<RuleRecord>> {
        let state = self.mesh.rules.state();
        let mut rules: Vec<_> = state.in_force().filter(|record| self.sees_rule(&record.rule)).cloned().collect();
        rules.sort_unstable_by(|a, b| (b.revision, &b.rule.id).cmp(&(a.revision, &a.rule.id)));
        rules
    }

    /// The rules and pins of a service in force, oldest first.
    pub fn rules_of(&self, namespace: &str, service: &str) -> Arc<[Arc<RuleRecord>]> {
        if !self.namespaces().contain(namespace) {
            return Arc::default();
        }
        self.mesh.rules.state().of_service(namespace, service).records
    }

    /// A rule, in force or ended recently, with the receipt of each pod.
    pub fn rule(&self, id: &str) -> Option<RuleStatus> {
        self.mesh.rules.status(id).filter(|status| self.sees_rule(&status.rule))
    }

    /// What a rule has done on the pods that run now.
    pub fn rule_totals(&self, rule: &Rule) -> RuleTotals {
        self.mesh.rules.totals(rule)
    }

    /// The newest audit entries that are at hand, newest first.
    pub fn audit(&self) -> Vec<Arc<AuditEntry>> {
        let state = self.mesh.rules.state();
        let seen = state.audit().filter(|entry| self.namespaces().contain(&entry.about.namespace));
        seen.take(AUDIT_AT_HAND_MAX).cloned().collect()
    }

    /// The number of audit entries: all that were ever written, or those at hand of some namespaces.
    pub fn audit_entries(&self) -> u64 {
        match self.namespaces() {
            Namespaces::All => self.mesh.rules.state().audit_entries,
            Namespaces::Only(_) => self.audit().len() as u64,
        }
    }

    /// The outcomes of the commands behind some of the [`audit`](Self::audit) entries, in the same order.
    pub fn outcomes(&self, entries: &[Arc<AuditEntry>]) -> Vec<RuleOutcome> {
        self.mesh.rules.outcomes(entries)
    }

    fn sees_rule(&self, rule: &Rule) -> bool {
        self.namespaces().contain(&rule.selector.namespace)
    }
}

impl FromRequestParts<Arc<AppState>> for Reader {
    type Rejection = Unchecked;

    async fn from_request_parts(parts: &mut Parts, mesh: &Arc<AppState>) -> Result<Self, Unchecked> {
        Self::from_parts(parts, mesh)
    }
}
