//! State shared by all connections of one worker. Only the worker's own thread accesses it.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use mesh::exchange::{Outcome, PATH_BYTES_MAX, cut_path};
use mesh::report::EndpointReport;
use tokio::sync::Semaphore;

use crate::exchange::clock_anchor::ClockAnchor;
use crate::exchange::decorate::Decorators;
use crate::exchange::options::ProxyOptions;
use crate::exchange::shared_counters::SharedCounters;
use crate::exchange::{AbortCause, Exchange, decorate};
use crate::forwarding::Forwarding;
use crate::head::date::DateCache;
use crate::head::{HeadFault, HeadLimits};
use crate::protocol::Protocol;
use crate::recorder::completed_exchange::{Author, CompletedExchange};
use crate::recorder::{PlacedRequest, Recorder};
use crate::rulebook::{MatchedRules, TimedRule};
use crate::socket::buffered_conn::SCRATCH_BYTES;
use crate::socket::deadlines::Deadlines;
use crate::timeouts::Timeouts;
use crate::upstream::service_pools::{OtherServices, ServicePools};

/// Finished exchanges whose buffers are kept for reuse. Rarely are more in progress at once.
const SPARE_EXCHANGES_MAX: usize = 128;

/// Capacity of the output scratch buffer. A larger body is rare enough for an allocation.
const OUTPUT_BYTES: usize = 16 * 1024;

/// The longest idle time that a service's Keep-Alive can set. Load balancers use minutes, and each
/// connection holds a descriptor.
const KEPT_FOR_MAX: Duration = Duration::from_secs(60 * 60);

/// A worker.
pub struct WorkerContext {
    /// Buffers for bytes in transit.
    pub scratch: RefCell<Scratch>,
    /// Connections to the service.
    pub service: Rc<ServicePools>,
    /// Permits to wait for the service to send first.
    pub server_first_permits: Semaphore,
    /// The Date for responses without one.
    pub dates: DateCache,
    /// Deadlines of connections.
    pub timers: Deadlines,
    /// Connections to where splits send requests.
    others: OtherServices,
    recorder: RefCell<Recorder>,
    #[expect(clippy::vec_box, reason = "a connection takes the box, so that it holds nothing while it is idle")]
    spare: RefCell<Vec<Box<Exchange>>>,
    options: Arc<ProxyOptions>,
    host: String,
    stage: Cell<Lifecycle>,
    /// The wall clock, for timestamps.
    clock_anchor: Cell<ClockAnchor>,
    counters: Arc<SharedCounters>,
    /// How long the service keeps an idle connection, by its own announcement.
    kept_for: Cell<Duration>,
}

/// The lifecycle of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// It serves normally.
    Open,
    /// It serves, but closes each connection after its exchange.
    NoKeepAlive,
    /// It finishes exchanges in progress.
    Draining,
    /// It aborts exchanges in progress.
    Aborting,
}

/// Buffers shared by all connections of a worker. A borrow must end before the next await point.
pub struct Scratch {
    /// Bytes that were read.
    pub input: Box<[u8]>,
    /// Bytes that will be written.
    pub output: Vec<u8>,
}

impl WorkerContext {
    /// A worker without any traffic yet.
    pub fn new(options: Arc<ProxyOptions>, counters: Arc<SharedCounters>) -> Self {
        Self {
            scratch: RefCell::new(Scratch {
                input: vec![0; SCRATCH_BYTES].into_boxed_slice(),
                output: Vec::with_capacity(OUTPUT_BYTES),
            }),
            service: Rc::new(ServicePools::new(options.target.clone())),
            others: OtherServices::default(),
            server_first_permits: Semaphore::new(SERVER_FIRST_WAITS_MAX),
            dates: DateCache::new(SystemTime::now()),
            timers: Deadlines::default(),
            recorder: RefCell::new(Recorder::new(Arc::clone(&counters.endpoint_limiter), &options.routes, &options.protected)),
            spare: RefCell::default(),
            host: options.target.host(),
            options,
            stage: Cell::new(Lifecycle::Open),
            clock_anchor: Cell::new(ClockAnchor::read()),
            counters,
            kept_for: Cell::default(),
        }
    }

    /// Starts an exchange and counts it as in progress. Returns it with the rules for its endpoint.
    pub fn begin(&self, method: &str, target: &str, now: Instant) -> (Box<Exchange>, Option<MatchedRules>) {
        let mut recorder = self.recorder.borrow_mut();
        let PlacedRequest { place, endpoint, covering } = recorder.place(method, target);
        recorder.begin(place);
        let mut exchange = match self.spare.borrow_mut().pop() {
            Some(mut exchange) => {
                exchange.begin(place, endpoint, now);
                exchange
            }
            None => Box::new(Exchange::new(place, endpoint, now)),
        };
        exchange.set_path(target, self.options.queries);
        (exchange, covering)
    }

    /// Assigns an exchange to its own endpoint, if it is not assigned yet. Its response has begun, and may take long.
    pub fn settle(&self, exchange: &mut Exchange) {
        exchange.place = self.recorder.borrow_mut().settle(exchange.place, &exchange.endpoint, exchange.path(), exchange.status);
    }

    /// Counts a finished exchange and publishes it.
    pub fn finish(&self, mut exchange: Box<Exchange>, now: Instant) {
        let finished = exchange.finished(now, self.clock_anchor.get().unix_ms(exchange.started));
        decorate::ended(self.decorators(), &exchange, &finished);
        self.recorder.borrow_mut().finish(exchange.place, &exchange.endpoint, &finished);
        self.options.exchange_bus.pass(&exchange.endpoint, &finished);
        // A rule that has ended is not kept alive by a spare exchange.
        exchange.rules.clear();
        exchange.plan = None;
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_EXCHANGES_MAX {
            spare.push(exchange);
        }
    }

    /// Returns the counts since the last call. It is called every second, so it also reads the wall clock.
    pub fn collect(&self) -> Vec<EndpointReport> {
        self.clock_anchor.set(ClockAnchor::read());
        self.recorder.borrow_mut().collect()
    }

    /// Replaces the rules.
    pub fn apply_rules(&self, rules: &[TimedRule]) {
        self.recorder.borrow_mut().apply_rules(rules);
    }

    /// The decorators of the program.
    pub fn decorators(&self) -> Decorators<'_> {
        Decorators { of_program: &self.options.decorators, counters: &self.counters }
    }

    /// The connections to where an exchange is sent.
    pub fn service_of(&self, exchange: &Exchange) -> Rc<ServicePools> {
        self.other_service(exchange).unwrap_or_else(|| Rc::clone(&self.service))
    }

    /// The connections to where a split sends this exchange, if one does.
    pub fn other_service(&self, exchange: &Exchange) -> Option<Rc<ServicePools>> {
        let address = exchange.plan.as_ref()?.address()?;
        Some(self.others.at(address, Instant::now()))
    }

    /// The connections to all addresses that are in use.
    pub fn services(&self, now: Instant) -> Vec<Rc<ServicePools>> {
        std::iter::once(Rc::clone(&self.service)).chain(self.others.in_use(now)).collect()
    }

    /// The timeouts.
    pub fn timeouts(&self) -> &Timeouts {
        &self.options.timeouts
    }

    /// How long a downstream connection may be idle: at least as long as the service keeps its own.
    pub fn idle_timeout(&self) -> Duration {
        self.options.timeouts.idle.max(self.kept_for.get())
    }

    /// Stores how long the service says that it keeps an idle connection.
    pub fn note_kept_for(&self, announced: Duration) {
        self.kept_for.set(announced.min(KEPT_FOR_MAX));
    }

    /// Limits of a message head.
    pub fn limits(&self) -> HeadLimits {
        self.options.limits
    }

    /// Streams that a downstream may have open at once on one connection.
    pub fn streams_max(&self) -> u32 {
        self.options.streams_max
    }

    /// Which fields describe the downstream to the service.
    pub fn forwarding(&self) -> Forwarding {
        self.options.forwarding
    }

    /// Changes the lifecycle state, and wakes every connection so that it checks the state.
    pub fn enter(&self, stage: Lifecycle) {
        self.stage.set(stage);
        self.timers.wake_all();
    }

    /// Whether the worker will end, so that no connection is kept after its exchange.
    pub fn is_draining(&self) -> bool {
        self.stage.get() != Lifecycle::Open
    }

    /// Whether it accepts no new requests.
    pub fn refuses_requests(&self) -> bool {
        matches!(self.stage.get(), Lifecycle::Draining | Lifecycle::Aborting)
    }

    /// Whether exchanges in progress must end now.
    pub fn is_ending(&self) -> bool {
        self.stage.get() == Lifecycle::Aborting
    }

    /// Why an exchange that ends early at this moment is aborted.
    pub fn abort_cause(&self) -> AbortCause {
        match self.is_ending() {
            _ if std::thread::panicking() => AbortCause::Panic,
            true => AbortCause::Drain,
            false => AbortCause::Downstream,
        }
    }

    /// The Host for an HTTP/1.0 request without one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The protocol of downstream connections.
    pub fn protocol(&self) -> Protocol {
        self.options.protocol
    }

    /// Whether the service is known to speak HTTP.
    pub fn speaks_http(&self) -> bool {
        self.counters.speaks_http.load(Ordering::Relaxed)
    }

    /// Records that the service speaks HTTP. It is written only once, so that all workers keep the value in
    /// their CPU caches.
    pub fn note_http(&self) {
        if !self.speaks_http() {
            self.counters.speaks_http.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the service sends first and is not known to speak HTTP.
    pub fn speaks_first(&self) -> bool {
        self.counters.speaks_first.load(Ordering::Relaxed) && !self.speaks_http()
    }

    /// Records that the service sends first.
    pub fn note_speaks_first(&self) {
        self.counters.speaks_first.store(true, Ordering::Relaxed);
    }

    /// The counters shared by all workers.
    pub fn counters(&self) -> &SharedCounters {
        &self.counters
    }

    /// Counts a request that was refused before it had an endpoint, and publishes it.
    pub fn count_refused(&self, fault: HeadFault, caller: IpAddr, path: Cow<'_, str>) {
        self.counters.count_refused(fault.reason);
        let finished = CompletedExchange {
            path: cut_path(&path, PATH_BYTES_MAX),
            started_ms: self.clock_anchor.get().unix_ms(Instant::now()),
            took_us: 0,
            first_byte_us: 0,
            status: fault.status,
            author: Author::Sitio,
            reason: fault.reason.word(),
            outcome: Outcome::BadRequest,
            bytes_in: 0,
            bytes_out: 0,
            rule: None,
            caller: Some(caller),
            trace: None,
        };
        self.options.exchange_bus.pass_refusal(&finished);
    }
}

/// Connections of one worker that may wait for the service to send first. A service that does so answers
/// within milliseconds, and is recognized after the first time. Other services should not get a connection
/// for every silent client.
pub const SERVER_FIRST_WAITS_MAX: usize = 32;
