//! One exchange under way: what must be remembered of the request until its response is through.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use mesh::endpoint::Endpoint;
use mesh::exchange::{Outcome, REASON_BYTES_MAX, cut_path};
use mesh::golden::CLIENT_GONE;
use mesh::trace::Traceparent;

use crate::body::Body;
use crate::head::Version;
use crate::head::response::Asked;
use crate::recorder::finished::{Author, Finished};
use crate::recorder::table::Place;
use crate::tunnel::refusal::Reader;
use crate::worker::options::Queries;
use crate::worker::state::Worker;

/// Room that an exchange's buffers may keep for the next one.
const KEPT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of the path that are remembered; the history keeps fewer.
const PATH_BYTES_MAX: usize = 512;

/// An exchange. Workers use these again and again, so that the next one finds its buffers ready.
pub struct Exchange {
    /// Where it is counted.
    pub place: Place,
    /// The endpoint, for decorators.
    pub endpoint: Rc<Endpoint>,
    /// When the request's head had arrived.
    pub started: Instant,
    /// The downstream's version.
    pub version: Version,
    /// Whether a body may follow the response's head.
    pub asked: Asked,
    /// Who reads the answer.
    pub reader: Reader,
    /// Whether its connection is to be kept.
    pub keeps: Keeps,
    /// Whether the request may be sent a second time, as long as all of it is in `wire`.
    pub repeatable: Repeatable,
    /// Whether the downstream may wait for an interim response before it sends the body.
    pub expects: bool,
    /// Whether the downstream has asked to change the protocol.
    pub wants_upgrade: bool,
    /// The request as the upstream reads it, up to what arrived with its head.
    pub wire: Vec<u8>,
    /// The rest of the request's body.
    pub body: Body,
    /// The status sent downstream, 0 before there is one.
    pub status: u16,
    /// Whose answer that is.
    pub author: Author,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// Who has asked.
    pub caller: Option<IpAddr>,
    /// What the request said of its trace.
    pub trace: Option<Traceparent>,
    /// Who has ended it, and how.
    pub outcome: Outcome,
    first_byte: Option<Instant>,
    path: String,
    reason: String,
    rule: Option<Box<str>>,
}

/// Whether the downstream's connection is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// The downstream wants it, and so do we.
    Yes,
    /// We are about to leave.
    No,
    /// The downstream has asked for the end.
    Declined,
}

/// Whether a request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// It is idempotent and was wholly there from the beginning.
    Yes,
    /// Twice might do harm.
    No,
}

/// Who has ended an exchange before its answer was through, if it was not the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// The downstream has left.
    Downstream,
    /// The time of the worker's drain is over.
    Drain,
    /// What carried it has panicked.
    Panic,
}

impl Breaker {
    /// Who it was, if an exchange of this worker ends unasked.
    pub fn of(worker: &Worker) -> Self {
        match worker.is_ending() {
            _ if std::thread::panicking() => Self::Panic,
            true => Self::Drain,
            false => Self::Downstream,
        }
    }
}

impl Exchange {
    /// An exchange that has not begun.
    pub fn new(place: Place, endpoint: Rc<Endpoint>, started: Instant) -> Self {
        Self {
            place,
            endpoint,
            started,
            version: Version::Http11,
            asked: Asked::Whole,
            reader: Reader::Program,
            keeps: Keeps::Yes,
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
            first_byte: None,
            path: String::new(),
            reason: String::new(),
            rule: None,
        }
    }

    /// Makes it ready for another request, keeping the room of its buffers.
    pub fn begin(&mut self, place: Place, endpoint: Rc<Endpoint>, started: Instant) {
        let (mut wire, mut path, mut reason) =
            (std::mem::take(&mut self.wire), std::mem::take(&mut self.path), std::mem::take(&mut self.reason));
        wire.clear();
        wire.shrink_to(KEPT_BYTES_MAX);
        path.clear();
        reason.clear();
        *self = Self { wire, path, reason, ..Self::new(place, endpoint, started) };
    }

    /// Remembers what was asked for.
    pub fn set_path(&mut self, target: &str, queries: Queries) {
        let target = match queries {
            Queries::Kept => target,
            Queries::Dropped => target.split('?').next().unwrap_or_default(),
        };
        self.path.push_str(cut_path(target, PATH_BYTES_MAX));
    }

    /// What was asked for, cut if it is long.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Remembers what was answered.
    pub fn answered(&mut self, status: u16, reason: &str) {
        self.status = status;
        self.reason.clear();
        self.reason.push_str(&reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]);
    }

    /// Remembers when the response began, if that is not remembered yet. An exchange that is over at once needs it not.
    pub fn has_begun(&mut self) {
        self.first_byte.get_or_insert_with(Instant::now);
    }

    /// Remembers that it was broken off, whatever was answered so far.
    pub fn broken_off(&mut self, by: Breaker) {
        let (status, author, outcome) = match by {
            Breaker::Downstream => (CLIENT_GONE, Author::Service, Outcome::ClientGone),
            Breaker::Drain => (503, Author::Sitio, Outcome::Draining),
            Breaker::Panic => (500, Author::Sitio, Outcome::Panicked),
        };
        self.answered(status, "");
        (self.author, self.outcome) = (author, outcome);
    }

    /// Remembers that a rule has answered.
    pub fn answered_by_rule(&mut self, rule: &str) {
        self.outcome = Outcome::Rule;
        self.rule = Some(rule.into());
    }

    /// What the recorder is told when it is over.
    pub fn finished(&self, now: Instant, started_ms: u64) -> Finished<'_> {
        let since = |then: Instant| then.duration_since(self.started).as_micros() as u64;
        Finished {
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
