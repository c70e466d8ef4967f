//! The state of the control plane in one place, shared by the gRPC streams, the API and the dashboard.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::counts::fleet::Fleet;
use crate::counts::timeline::Timeline;
use crate::counts::timeline::apply_pins::apply_pins;
use crate::counts::timeline::eviction::evict;
use crate::counts::timeline::long_range::range_cache::RangeCache;
use crate::counts::timeline::restore::restore;
use crate::counts::window_writer::{WindowQueue, WindowWriter};
use crate::exposed::Exposed;
use crate::history::Histories;
use crate::model::replicas::{ReplicaMonitor, Replicas};
use crate::model::reporter::Reporter;
use crate::model::stream_counts::StreamCounts;
use crate::notifications::Notifications;
use crate::notifications::evidence::Sources;
use crate::notifications::lifecycle::Absence;
use crate::recovery::Recovery;
use crate::recovery::attached::AttachedLog;
use crate::rules::Rules;
use crate::store::metrics_store::{MetricsStore, StoreSize, StoredSeries};
use crate::store::notice_store::NoticeStore;
use crate::store::{Store, StoreError};
use crate::tap::OpenTaps;

/// Half of the threads on which the runtime runs what may block: the writers need some, too.
const MARK_READS_MAX: usize = 256;

/// The state of the control plane.
#[derive(Debug)]
pub struct AppState {
    /// When this process started, milliseconds since the Unix epoch; the restored state may be
    /// older.
    pub started_ms: u64,
    /// Every known pod.
    pub fleet: Arc<Fleet>,
    /// What they counted, by endpoint and time.
    pub timeline: Arc<Timeline>,
    /// The rules that they should obey, and the audit log.
    pub rules: Rules,
    /// The window queue, which brings their counts to disk.
    pub window_queue: Arc<WindowQueue>,
    /// A cache of what was read from the store recently.
    pub range_cache: RangeCache,
    /// Queries for the exchanges that pods remember.
    pub histories: Histories,
    /// What is wrong with services, and the messages about it.
    pub notifications: Arc<Notifications>,
    /// The taps through which users watch exchanges as they happen.
    pub taps: Arc<OpenTaps>,
    /// Counters of the gRPC streams.
    pub stream_counts: StreamCounts,
    /// The address at which sidecars attach.
    pub stream_address: SocketAddr,
    /// Why the store is not the expected one, as a message for users; `None` if it is.
    store_replaced: OnceLock<String>,
    /// The sidecars that have to report again since the restart.
    pub recovery: Recovery,
    /// The sidecars that the next control plane has to wait for.
    pub attached: AttachedLog,
    /// The counters that `/metrics` has exposed.
    pub exposed: Exposed,
    /// Reports on the replicas, if there are several control planes.
    pub replica_monitor: Option<Arc<dyn ReplicaMonitor>>,
    /// Bounds the attaching sidecars whose mark is read at a time: each of them holds a thread, until it is known.
    pub mark_reads: Semaphore,
    /// Cancelled at shutdown: everything that is open for long, such as an event stream, ends then.
    pub drain: CancellationToken,
}

impl AppState {
    /// Restores state from `store` and returns the task that writes to it. It reads from disk, so
    /// it may block.
    pub fn open<Disk: Store + MetricsStore + NoticeStore + 'static>(
        store: Arc<Disk>,
        fleet: Fleet,
        stream_address: SocketAddr,
        drain: CancellationToken,
    ) -> Result<(Self, WindowWriter), StoreError> {
        let (fleet, now_ms) = (Arc::new(fleet), now_ms());
        let rules = Rules::open(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&fleet), now_ms)?;
        let timeline = Arc::new(restore(store.as_ref(), &rules.state(), fleet.budget(), now_ms)?);
        let (names, metrics_store) = (Arc::clone(&timeline), Arc::clone(&store) as Arc<dyn MetricsStore>);
        fleet.add_services(timeline.services());
        fleet.add_services(rules.state().services().map(|(service, _)| service.clone()));
        timeline.add_endpoints_of(&rules.state());
        rules.set_before_publish(move |rules| {
            apply_pins(&names, rules, || all_kept(metrics_store.as_ref()));
            names.add_endpoints_of(rules);
        });
        let names = Arc::clone(&timeline);
        rules.set_endpoint_lookup(move |namespace, service| names.counted(Reporter { namespace, service }));
        let notifications = Arc::new(Notifications::open(Arc::clone(&store) as Arc<dyn NoticeStore>, now_ms)?);
        let (attached, exposed) = (store.attached()?, store.exposed()?);
        let (window_queue, window_writer) = WindowQueue::open(store);
        let state = Self {
            started_ms: now_ms,
            fleet,
            timeline,
            rules,
            window_queue,
            range_cache: RangeCache::default(),
            histories: Histories::default(),
            notifications,
            taps: Arc::default(),
            stream_counts: StreamCounts::default(),
            stream_address,
            store_replaced: OnceLock::new(),
            recovery: Recovery::begin(attached.clone(), Instant::now()),
            attached: AttachedLog::begin(attached),
            exposed: Exposed::begin(exposed),
            replica_monitor: None,
            mark_reads: Semaphore::new(MARK_READS_MAX),
            drain,
        };
        Ok((state, window_writer))
    }

    /// Records and logs why this store is not the expected one. Only the first reason is kept: it explains the others.
    pub fn warn_store_replaced(&self, why: String) {
        if self.store_replaced.set(why.clone()).is_ok() {
            tracing::error!("{why}");
        }
    }

    /// The control planes that share this state; `None` if this is the only one.
    pub fn replicas(&self) -> Option<Replicas> {
        self.replica_monitor.as_ref().map(|monitor| monitor.replicas())
    }

    /// Why this store is not the expected one, as a message for users; `None` if it is.
    pub fn store_replaced(&self) -> Option<&str> {
        self.store_replaced.get().map(String::as_str)
    }

    /// The size of the store; `None` if it cannot be read now.
    pub async fn store_size(&self) -> Option<StoreSize> {
        let metrics_store = Arc::clone(&self.window_queue.metrics_store);
        tokio::task::spawn_blocking(move || metrics_store.size()).await.ok()?.ok()
    }

    /// Forgets pods and endpoints that have been silent for long. It may write to disk, so it may
    /// block.
    pub fn evict(&self, now_ms: u64) {
        self.fleet.evict_gone(now_ms);
        let names = evict(&self.timeline, now_ms);
        self.timeline.add_endpoints_of(&self.rules.state());
        if names.is_empty() {
            return;
        }
        tracing::warn!(endpoints = names.len(), "too many endpoints: the longest idle ones are removed");
        if let Err(error) = self.window_queue.metrics_store.forget(&names) {
            tracing::error!(%error, "removed endpoints are still on disk and will return after a restart");
        }
    }

    /// Watches the conditions of all services. It may write to disk, so it may block.
    pub fn watch_conditions(&self, now_ms: u64) {
        let sources = Sources { fleet: &self.fleet, timeline: &self.timeline, pushed: &self.histories.pushed };
        let absence = if self.recovery.waiting(Instant::now()).is_some() { Absence::Unknown } else { Absence::Known };
        self.notifications.observe(sources, absence, now_ms);
    }

    /// Records the attached sidecars for the next control plane. It may write to disk, so it may
    /// block.
    pub fn record_attached(&self, now_ms: u64, now: Instant) -> Result<(), StoreError> {
        self.attached.record((&self.fleet, &self.recovery), self.window_queue.metrics_store.as_ref(), (now_ms, now))
    }
}

/// Everything on disk; empty if it cannot be read now.
fn all_kept(metrics_store: &dyn MetricsStore) -> Vec<StoredSeries> {
    let mut all = Vec::new();
    let reading = metrics_store.view(&mut |view| {
        all = view.series()?.into_values().collect();
        Ok(())
    });
    if let Err(error) = reading {
        tracing::error!(%error, "endpoints merged by a withdrawn pin stay merged until the next start");
    }
    all
}
