//! State of one exchange, from the request's head to the end of the response.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh::endpoint::Endpoint;
use mesh::exchange::{Outcome, REASON_BYTES_MAX, cut_path};
use mesh::golden::CLIENT_GONE;
use mesh::trace::Traceparent;

use crate::body::Body;
use crate::decorator::forward_plan::{ForwardPlan, ResponseLimits};
use crate::decorator::retry_policy::RetryCause;
use crate::exchange::options::Queries;
use crate::head::answer::Audience;
use crate::head::response::ResponseTo;
use crate::head::write::Persistence;
use crate::head::{Version, write};
use crate::recorder::completed_exchange::{Author, CompletedExchange};
use crate::recorder::row_index::RowIndex;
use crate::rulebook::ActiveRule;
use crate::timeouts::Timeouts;

pub(crate) mod clock_anchor;
pub mod context;
pub mod decide;
pub mod decorate;
pub mod error_response;
mod hold;
pub(crate) mod max_forwards;
pub mod options;
pub mod shared_counters;

/// Capacity that an exchange's buffers keep for the next one.
pub(crate) const KEPT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of the path that are recorded. The history keeps fewer.
const RECORDED_PATH_BYTES_MAX: usize = 512;

/// An exchange. Workers reuse these objects to reuse their buffers.
pub struct Exchange {
    /// The row of the recorder's table that counts it.
    pub place: RowIndex,
    /// The endpoint, for decorators.
    pub endpoint: Rc<Endpoint>,
    /// When the request's head was complete.
    pub started: Instant,
    /// The HTTP version of the downstream.
    pub version: Version,
    /// Whether a body may follow the response's head.
    pub asked: ResponseTo,
    /// The audience of the response.
    pub audience: Audience,
    /// Whether to keep the downstream connection.
    pub keep_alive: KeepAlive,
    /// Whether the request may be sent again, as long as `wire` contains all of it.
    pub repeatable: Repeatable,
    /// Whether the downstream may wait for an interim response before it sends the body.
    pub expects: bool,
    /// Whether the downstream has asked for a protocol upgrade.
    pub wants_upgrade: bool,
    /// The request as sent to the upstream, including the body bytes that arrived with its head.
    pub wire: Vec<u8>,
    /// The rest of the request's body.
    pub body: Body,
    /// The status sent downstream; 0 before there is one.
    pub status: u16,
    /// The author of the response.
    pub author: Author,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The caller's address.
    pub caller: Option<IpAddr>,
    /// The trace context of the request.
    pub trace: Option<Traceparent>,
    /// How the exchange ended.
    pub outcome: Outcome,
    /// The rules whose decorators see it.
    pub rules: Vec<AppliedRule>,
    /// How they want it to be forwarded, where that differs from the settings.
    pub plan: Option<Box<ForwardPlan>>,
    /// The status of the service's response, if decorators have seen it.
    pub service_status: Option<u16>,
    first_byte: Option<Instant>,
    path: String,
    reason: String,
    rule: Option<Box<str>>,
}

/// A rule whose decorator sees an exchange.
pub struct AppliedRule {
    /// The rule.
    pub rule: Rc<ActiveRule>,
    /// Whether it has acted on the exchange.
    pub has_acted: Cell<bool>,
}

/// Whether to keep the downstream connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// Both sides want to keep it.
    Yes,
    /// The sidecar is draining.
    Draining,
    /// The downstream has asked to close.
    ClientClosed,
}

/// Whether a request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// It is idempotent, and all of it arrived at once.
    Yes,
    /// A second copy might do harm.
    No,
}

/// Who aborted an exchange before its response was complete, other than the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortCause {
    /// The downstream has disconnected.
    Downstream,
    /// The worker's drain timeout has passed.
    Drain,
    /// The code that handled it has panicked.
    Panic,
}

impl Exchange {
    /// An exchange that has just started.
    pub fn new(place: RowIndex, endpoint: Rc<Endpoint>, started: Instant) -> Self {
        Self {
            place,
            endpoint,
            started,
            version: Version::Http11,
            asked: ResponseTo::Whole,
            audience: Audience::Program,
            keep_alive: KeepAlive::Yes,
            repeatable: Repeatable::No,
            expects: false,
            wants_upgrade: false,
            wire: Vec::new(),
            body: Body::new(crate::head::Framing::Empty, crate::body::To::Plain),
            status: 0,
            author: Author::Service,
            bytes_out: 0,
            caller: None,
            trace: None,
            outcome: Outcome::Answered,
            rules: Vec::new(),
            plan: None,
            service_status: None,
            first_byte: None,
            path: String::new(),
            reason: String::new(),
            rule: None,
        }
    }

    /// Resets it for another request, and keeps the capacity of its buffers.
    pub fn begin(&mut self, place: RowIndex, endpoint: Rc<Endpoint>, started: Instant) {
        let (mut wire, mut path, mut reason) =
            (std::mem::take(&mut self.wire), std::mem::take(&mut self.path), std::mem::take(&mut self.reason));
        wire.clear();
        wire.shrink_to(KEPT_BYTES_MAX);
        path.clear();
        reason.clear();
        let mut rules = std::mem::take(&mut self.rules);
        rules.clear();
        *self = Self { wire, rules, path, reason, ..Self::new(place, endpoint, started) };
    }

    /// Stores the requested path.
    pub fn set_path(&mut self, target: &str, queries: Queries) {
        let target = match queries {
            Queries::Kept => target,
            Queries::Dropped => target.split('?').next().unwrap_or_default(),
        };
        self.path.push_str(cut_path(target, RECORDED_PATH_BYTES_MAX));
    }

    /// Whether the connection is kept after a response of the sidecar itself. The rest of a body would be taken for a request.
    pub fn persistence_of_answer(&self) -> Persistence {
        let keeps = self.keep_alive == KeepAlive::Yes && self.body.is_done();
        if keeps { write::keep_connection(self.version) } else { Persistence::Close }
    }

    /// The requested path, truncated if it is long.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How long the service may take, by the plan or else by the settings.
    pub fn limits(&self, settings: &Timeouts) -> ResponseLimits {
        ResponseLimits::new(self.plan.as_deref(), settings)
    }

    /// The wait before the request is sent again, if decorators want that. The caller has checked that it may be, and sends it.
    pub fn next_retry(&mut self, cause: RetryCause, settings: &Timeouts) -> Option<Duration> {
        // Nearly every exchange ends here.
        self.plan.as_ref().filter(|plan| plan.may_retry())?;
        let deadline = self.limits(settings).until_response(self.started);
        self.plan.as_mut()?.next_retry(cause, deadline, Instant::now())
    }

    /// How long a connection to the service may take to open.
    pub fn connect_within(&self, settings: &Timeouts, now: Instant) -> Duration {
        let left = self.limits(settings).until_response(self.started).map(|until| until.saturating_duration_since(now));
        left.map_or(settings.connect, |left| left.min(settings.connect))
    }

    /// Stores the status and reason of the response.
    pub fn answered(&mut self, status: u16, reason: &str) {
        self.status = status;
        self.reason.clear();
        self.reason.push_str(&reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]);
    }

    /// Stores when the response began, once. An exchange that ends at once does not need it.
    pub fn record_first_byte(&mut self) {
        self.first_byte.get_or_insert_with(Instant::now);
    }

    /// Records that the exchange was aborted, whatever status was already set.
    pub fn abort(&mut self, cause: AbortCause) {
        let (status, author, outcome) = match cause {
            AbortCause::Downstream => (CLIENT_GONE, Author::Service, Outcome::ClientGone),
            AbortCause::Drain => (503, Author::Sitio, Outcome::Draining),
            AbortCause::Panic => (500, Author::Sitio, Outcome::Panicked),
        };
        self.answered(status, "");
        (self.author, self.outcome) = (author, outcome);
    }

    /// Records that a rule has answered.
    pub fn answered_by_rule(&mut self, rule: &str) {
        self.outcome = Outcome::Rule;
        self.rule = Some(rule.into());
    }

    /// The values for the recorder when the exchange is over.
    pub fn finished(&self, now: Instant, started_ms: u64) -> CompletedExchange<'_> {
        let since = |then: Instant| then.duration_since(self.started).as_micros() as u64;
        CompletedExchange {
            path: &self.path,
            started_ms,
            took_us: since(now),
            first_byte_us: since(self.first_byte.unwrap_or(now)),
            status: self.status,
            author: self.author,
            reason: &self.reason,
            outcome: self.outcome,
            bytes_in: self.body.bytes,
            bytes_out: self.bytes_out,
            rule: self.rule.as_deref(),
            caller: self.caller,
            trace: self.trace,
        }
    }
}
