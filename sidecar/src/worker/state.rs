//! What all connections of one worker share; only its own thread ever touches it.

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

use crate::decorator::Decorator;
use crate::forwarding::Forwarding;
use crate::head::date::DateCache;
use crate::head::{Fault, Limits};
use crate::http2::upstream::Shared;
use crate::protocol::Protocol;
use crate::recorder::finished::{Author, Finished};
use crate::recorder::{Placed, Recorder};
use crate::rulebook::{InForce, TimedRule};
use crate::timeouts::Timeouts;
use crate::tunnel::exchange::Exchange;
use crate::tunnel::opening::LISTENERS_MAX;
use crate::tunnel::peer::SCRATCH_BYTES;
use crate::upstream::Upstreams;
use crate::watch::Watches;
use crate::worker::options::TunnelOptions;
use crate::worker::tally::Tally;
use crate::worker::wall::Wall;

/// Finished exchanges whose buffers are kept for the next. As many as are busy at once, rarely more.
const SPARE_EXCHANGES_MAX: usize = 128;

/// Room that the output scratch keeps; a larger body is rare enough to ask the allocator.
const OUTPUT_BYTES: usize = 16 * 1024;

/// The longest that a service's word keeps idle connections for. Balancers are set to minutes; each holds a descriptor.
const KEPT_FOR_MAX: Duration = Duration::from_secs(60 * 60);

/// A worker.
pub struct Worker {
    /// Where bytes are while they pass.
    pub scratch: RefCell<Scratch>,
    /// Connections to the service.
    pub upstreams: Upstreams,
    /// The connection to a service that speaks HTTP/2.
    pub http2: Shared,
    /// Leave to wait whether the service speaks first.
    pub listeners: Semaphore,
    /// What time it is, for answers that do not say.
    pub dates: DateCache,
    /// Deadlines of connections.
    pub watches: Watches,
    recorder: RefCell<Recorder>,
    #[expect(clippy::vec_box, reason = "a connection takes the box, so that it holds nothing while it is idle")]
    spare: RefCell<Vec<Box<Exchange>>>,
    options: Arc<TunnelOptions>,
    host: String,
    stage: Cell<Stage>,
    /// What time it is for people.
    wall: Cell<Wall>,
    tally: Arc<Tally>,
    /// For how long the service says that it keeps an idle connection.
    kept_for: Cell<Duration>,
}

/// How far a worker's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It serves.
    Open,
    /// It serves, and each exchange is the last of its connection.
    Leaving,
    /// It finishes what is under way.
    Draining,
    /// It breaks off what is still under way.
    Ending,
}

/// Room shared by all connections of a worker. Whoever borrows it gives it back before waiting for anything.
pub struct Scratch {
    /// What was read.
    pub input: Box<[u8]>,
    /// What is about to be written.
    pub output: Vec<u8>,
}

impl Worker {
    /// A worker that has carried nothing yet.
    pub fn new(options: Arc<TunnelOptions>, tally: Arc<Tally>) -> Self {
        Self {
            scratch: RefCell::new(Scratch {
                input: vec![0; SCRATCH_BYTES].into_boxed_slice(),
                output: Vec::with_capacity(OUTPUT_BYTES),
            }),
            upstreams: Upstreams::new(options.target.clone()),
            http2: Shared::default(),
            listeners: Semaphore::new(LISTENERS_MAX),
            dates: DateCache::new(SystemTime::now()),
            watches: Watches::default(),
            recorder: RefCell::new(Recorder::new(Arc::clone(&tally.register), &options.routes, &options.protected)),
            spare: RefCell::default(),
            host: options.target.host(),
            options,
            stage: Cell::new(Stage::Open),
            wall: Cell::new(Wall::read()),
            tally,
            kept_for: Cell::default(),
        }
    }

    /// An exchange that begins now, counted as under way, and the rule in force for it.
    pub fn begin(&self, method: &str, target: &str, now: Instant) -> (Box<Exchange>, Option<Rc<InForce>>) {
        let mut recorder = self.recorder.borrow_mut();
        let Placed { place, endpoint, rule } = recorder.place(method, target, now);
        recorder.begin(place);
        let mut exchange = match self.spare.borrow_mut().pop() {
            Some(mut exchange) => {
                exchange.begin(place, endpoint, now);
                exchange
            }
            None => Box::new(Exchange::new(place, endpoint, now)),
        };
        exchange.set_path(target, self.options.queries);
        (exchange, rule)
    }

    /// Counts an exchange under its own name, if it is not yet: its answer has begun, and may last.
    pub fn settle(&self, exchange: &mut Exchange) {
        exchange.place = self.recorder.borrow_mut().settle(exchange.place, &exchange.endpoint, exchange.path(), exchange.status);
    }

    /// Counts an exchange that is over.
    pub fn finish(&self, exchange: Box<Exchange>, now: Instant) {
        let finished = exchange.finished(now, self.wall.get().unix_ms(exchange.started));
        self.recorder.borrow_mut().finish(exchange.place, &exchange.endpoint, &finished);
        self.options.outlet.pass(&exchange.endpoint, &finished);
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_EXCHANGES_MAX {
            spare.push(exchange);
        }
    }

    /// What was counted since the last call. It comes every second, which is when the wall clock is looked at.
    pub fn collect(&self) -> Vec<EndpointReport> {
        self.wall.set(Wall::read());
        self.recorder.borrow_mut().collect()
    }

    /// Puts other rules in force.
    pub fn obey(&self, rules: &[TimedRule]) {
        self.recorder.borrow_mut().obey(rules);
    }

    /// The decorators in their order.
    pub fn decorators(&self) -> &[Arc<dyn Decorator>] {
        &self.options.decorators
    }

    /// How long things may take.
    pub fn timeouts(&self) -> &Timeouts {
        &self.options.timeouts
    }

    /// How long a downstream's connection may be idle: no shorter than the service keeps its own.
    pub fn idle_timeout(&self) -> Duration {
        self.options.timeouts.idle.max(self.kept_for.get())
    }

    /// The service has announced for how long it keeps an idle connection.
    pub fn note_kept_for(&self, announced: Duration) {
        self.kept_for.set(announced.min(KEPT_FOR_MAX));
    }

    /// What a head may have.
    pub fn limits(&self) -> Limits {
        self.options.limits
    }

    /// What the service is told of the downstream.
    pub fn forwarding(&self) -> Forwarding {
        self.options.forwarding
    }

    /// From now on it is at this stage; every connection looks at it.
    pub fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.watches.wake_all();
    }

    /// Whether it is about to end, and no connection is kept beyond its exchange.
    pub fn is_draining(&self) -> bool {
        self.stage.get() != Stage::Open
    }

    /// Whether it takes no more requests than those under way.
    pub fn is_shut(&self) -> bool {
        matches!(self.stage.get(), Stage::Draining | Stage::Ending)
    }

    /// Whether even what is under way has to end now.
    pub fn is_ending(&self) -> bool {
        self.stage.get() == Stage::Ending
    }

    /// What stands in for the Host that an HTTP/1.0 downstream has not named.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What connections are taken for.
    pub fn protocol(&self) -> Protocol {
        self.options.protocol
    }

    /// Whether the service was seen to speak HTTP.
    pub fn speaks_http(&self) -> bool {
        self.tally.speaks_http.load(Ordering::Relaxed)
    }

    /// The service has spoken HTTP. It is written once, so all workers keep reading their own copy of it.
    pub fn note_http(&self) {
        if !self.speaks_http() {
            self.tally.speaks_http.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the service was heard to speak first, and is not known to speak HTTP.
    pub fn speaks_first(&self) -> bool {
        self.tally.speaks_first.load(Ordering::Relaxed) && !self.speaks_http()
    }

    /// The service has spoken before it was asked.
    pub fn note_speaks_first(&self) {
        self.tally.speaks_first.store(true, Ordering::Relaxed);
    }

    /// What all workers count in one place.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A request was refused before it had an endpoint.
    pub fn count_refused(&self, fault: Fault, caller: IpAddr, path: Cow<'_, str>) {
        self.tally.count_refused(fault.reason);
        let finished = Finished {
            path: cut_path(&path, PATH_BYTES_MAX),
            started_ms: self.wall.get().unix_ms(Instant::now()),
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
        self.options.outlet.pass_refusal(&finished);
    }

    /// A decorator was passed over because it panicked.
    pub fn count_panic(&self, decorator: &'static str) {
        Tally::count(&self.tally.panics);
        tracing::error!(decorator, "the decorator panicked and was passed over");
    }
}
