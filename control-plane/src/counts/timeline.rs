//! Sums what the pods count by endpoint, and keeps the last hour of it in memory.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use mesh::endpoint::Endpoint;
use mesh::rule::{Action, Rule, Scope};

use crate::address_limiter::{AddressLimiter, AddressPermit};
use crate::counts::memory::Budget;
use crate::counts::timeline::pinned_patterns::PinnedPatterns;
use crate::counts::timeline::quota::{CountQuota, Quota};
use crate::counts::timeline::recent_minutes::RECENT_PAIRS_MAX;
use crate::counts::timeline::series::Series;
use crate::counts::timeline::series_service::SeriesService;
use crate::model::reporter::Reporter;
use crate::model::rules_state::RulesState;
use crate::store::metrics_store::SeriesName;

pub mod apply_pins;
pub mod apportion;
pub mod counted_span;
pub mod eviction;
pub mod history;
pub mod long_range;
pub mod news;
pub mod pinned_patterns;
pub mod quota;
pub mod recent_minutes;
pub mod resample;
pub mod resting_counts;
pub mod restore;
pub mod ring;
pub mod series;
mod series_service;
pub mod time_range;

/// Endpoints that one service may have: 16 times the limit of one sidecar, because pods may see
/// different endpoints.
pub const ENDPOINTS_MAX: usize = 4096;

/// One series for each endpoint that a pod has reported.
#[derive(Debug)]
pub struct Timeline {
    started_ms: u64,
    budget: Budget,
    services: DashMap<(String, String), Arc<ServiceSeries>>,
    series: AtomicUsize,
    /// Series ever created.
    numbers: AtomicUsize,
    counted_as_other: AtomicU64,
    evicted: AtomicU64,
    slot_quota: Arc<Quota>,
    process_quota: Arc<Quota>,
    pins: PinnedPatterns,
    /// Series by the address that created them.
    origins: AddressLimiter,
    recent_quota: Arc<CountQuota>,
    caller_quota: Arc<CountQuota>,
}

/// Shards of the table of one service, a power of two: only new endpoints lock one for long, and each takes memory.
const SHARDS: usize = 4;

/// The endpoints of one service.
#[derive(Debug)]
struct ServiceSeries {
    series: DashMap<Endpoint, Arc<Series>>,
    service: Arc<SeriesService>,
}

impl Deref for ServiceSeries {
    type Target = DashMap<Endpoint, Arc<Series>>;

    fn deref(&self) -> &Self::Target {
        &self.series
    }
}

impl Timeline {
    /// Creates an empty timeline that begins at `now_ms`, with the memory budget of the largest
    /// fleet.
    pub fn new(now_ms: u64) -> Self {
        Self::with_budget(Budget::default(), now_ms)
    }

    /// Creates an empty timeline that begins at `now_ms`, within a memory budget.
    pub fn with_budget(budget: Budget, now_ms: u64) -> Self {
        Self {
            started_ms: now_ms,
            budget,
            services: DashMap::new(),
            series: AtomicUsize::new(0),
            numbers: AtomicUsize::new(0),
            counted_as_other: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            slot_quota: Quota::new(budget.slots()),
            process_quota: Quota::new(budget.counts()),
            pins: PinnedPatterns::default(),
            origins: AddressLimiter::default(),
            recent_quota: CountQuota::new(RECENT_PAIRS_MAX),
            caller_quota: CountQuota::new(budget.caller_tables()),
        }
    }

    /// When the timeline began, milliseconds since the Unix epoch.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The memory quota for the slots of the last hour.
    pub fn slot_quota(&self) -> &Quota {
        &self.slot_quota
    }

    /// The memory quota for the counts of single processes.
    pub fn process_quota(&self) -> &Arc<Quota> {
        &self.process_quota
    }

    /// The quota for callers of single pods.
    pub fn caller_quota(&self) -> &Arc<CountQuota> {
        &self.caller_quota
    }

    /// Returns the series of an endpoint, or the shared `(other)` series over the limit.
    pub fn series(&self, reporter: Reporter<'_>, endpoint: &Endpoint) -> Arc<Series> {
        self.series_from(None, reporter, endpoint)
    }

    /// Like [`Timeline::series`], for an endpoint that a sidecar at this address reports. An
    /// address that has created its share of series gets no new ones: its other endpoints are
    /// counted under `(other)`.
    pub fn series_from(&self, origin: Option<IpAddr>, reporter: Reporter<'_>, endpoint: &Endpoint) -> Arc<Series> {
        let endpoints = self.endpoints(reporter);
        let renamed = self.pins.of_service(reporter).rename(endpoint);
        let endpoint = renamed.as_ref().unwrap_or(endpoint);
        if let Some(known) = endpoints.get(endpoint) {
            return Arc::clone(&known);
        }
        let is_full = endpoints.len() >= ENDPOINTS_MAX || self.series.load(Ordering::Relaxed) >= self.budget.series();
        if is_full && !endpoint.is_other() {
            self.counted_as_other.fetch_add(1, Ordering::Relaxed);
            return self.insert(&endpoints, &Endpoint::other(), None);
        }
        let share = self.budget.series_of_address();
        match origin.filter(|_| !endpoint.is_other()).map(|address| self.origins.acquire(address, share)) {
            Some(None) => {
                self.counted_as_other.fetch_add(1, Ordering::Relaxed);
                self.insert(&endpoints, &Endpoint::other(), None)
            }
            admitted => self.insert(&endpoints, endpoint, admitted.flatten()),
        }
    }

    /// Returns the series that counts a stored name now.
    pub fn stored_series(&self, name: &SeriesName) -> Arc<Series> {
        self.series(Reporter { namespace: &name.namespace, service: &name.service }, &name.endpoint)
    }

    /// Changes whenever endpoints get other names. Data that was read from disk under an older
    /// value is then invalid.
    pub fn naming_revision(&self) -> u64 {
        self.pins.naming_revision()
    }

    /// Adds the endpoints that these rules turn off, whether they were called or not: a rule is ended on the row of its endpoint.
    pub fn add_endpoints_of(&self, rules: &RulesState) {
        let is_of_one = |rule: &Rule| rule.action != Action::Pin && rule.scope == Scope::Endpoint;
        for record in rules.in_force().filter(|record| is_of_one(&record.rule)) {
            let selector = &record.rule.selector;
            self.series(Reporter { namespace: &selector.namespace, service: &selector.service }, &record.rule.endpoint);
        }
    }

    /// Returns the stored copy of an endpoint's name if the endpoint is known, so that all
    /// reporters share one allocation.
    pub fn intern(&self, reporter: Reporter<'_>, endpoint: Endpoint) -> Endpoint {
        let known = self.endpoints(reporter).get(&endpoint).map(|series| series.endpoint.clone());
        known.unwrap_or(endpoint)
    }

    /// Returns every series, in no particular order.
    pub fn all(&self) -> Vec<Arc<Series>> {
        let services: Vec<_> = self.services.iter().map(|endpoints| Arc::clone(endpoints.value())).collect();
        services
            .iter()
            .flat_map(|endpoints| endpoints.iter().map(|series| Arc::clone(series.value())).collect::<Vec<_>>())
            .collect()
    }

    /// The endpoints of a service that have counted at least one request, in memory or on disk.
    /// Endpoints that only a rule has named are left out.
    pub fn counted(&self, reporter: Reporter<'_>) -> Vec<Endpoint> {
        let name = (reporter.namespace.to_owned(), reporter.service.to_owned());
        let Some(endpoints) = self.services.get(&name).map(|endpoints| Arc::clone(endpoints.value())) else { return Vec::new() };
        let called =
            endpoints.iter().filter(|series| (series.has_counted() || series.in_flight() > 0) && !series.endpoint.is_other());
        called.map(|series| series.endpoint.clone()).collect()
    }

    /// Returns the namespace and service of every series.
    pub fn services(&self) -> Vec<(String, String)> {
        self.services.iter().map(|service| service.key().clone()).collect()
    }

    /// Number of series.
    pub fn len(&self) -> usize {
        self.series.load(Ordering::Relaxed)
    }

    /// Returns whether there are no series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often a pod reported an endpoint that is counted under `(other)` because there are too
    /// many.
    pub fn counted_as_other(&self) -> u64 {
        self.counted_as_other.load(Ordering::Relaxed)
    }

    /// Endpoints that were evicted because others needed their place.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn endpoints(&self, reporter: Reporter<'_>) -> Arc<ServiceSeries> {
        let name = (reporter.namespace.to_owned(), reporter.service.to_owned());
        let none = || {
            let (namespace, service) = (reporter.namespace.to_owned(), reporter.service.to_owned());
            let (slots, recent) = (self.slot_quota.share(), Arc::clone(&self.recent_quota));
            let service = SeriesService { namespace, service, started_ms: self.started_ms, slots, recent };
            Arc::new(ServiceSeries { series: DashMap::with_shard_amount(SHARDS), service: Arc::new(service) })
        };
        Arc::clone(self.services.entry(name).or_insert_with(none).value())
    }

    fn insert(&self, endpoints: &ServiceSeries, endpoint: &Endpoint, origin: Option<AddressPermit>) -> Arc<Series> {
        let make = || {
            self.series.fetch_add(1, Ordering::Relaxed);
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            Arc::new(Series::new(number, &endpoints.service, endpoint, origin))
        };
        Arc::clone(endpoints.entry(endpoint.clone()).or_insert_with(make).value())
    }
}

#[cfg(test)]
mod tests;
