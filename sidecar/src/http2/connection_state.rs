//! The state of one downstream connection over HTTP/2.

use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use http2::connection::Connection;
use http2::frame::StreamId;

use crate::exchange::context::WorkerContext;
use crate::http2::exchanges::Exchanges;
use crate::http2::http1_upstream::Http1Upstream;
use crate::http2::proxied_exchange::Route;
use crate::http2::upstreams::Upstreams;
use crate::http2::{limits, request_head};
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::Deadline;
use crate::upstream::http2::connection::poll_write_output;
use crate::upstream::http2::field_list::FieldList;
use crate::upstream::http2::shared::ExchangeEvents;

/// Bytes in the downstream's output above which nothing more is read for it. A client that does not read must not make
/// the sidecar keep responses.
pub(super) const OUTPUT_BYTES_MAX: usize = 128 * 1024;

/// How long cancelled requests and mistakes of a client count. Calls that stream events usually end by being cancelled.
const CONDUCT_PERIOD: Duration = Duration::from_secs(60);

/// Requests that a client may cancel in a period before the ratio to all its requests is checked. A user who closes a page
/// cancels a dozen.
const CANCELLED_MAX: u64 = 200;

/// Streams that the sidecar may have to reset in a period because of the client's errors (CVE-2025-8671).
const MISTAKES_MAX: u64 = 256;

/// A downstream connection.
pub(super) struct ConnectionState {
    pub(super) worker: Rc<WorkerContext>,
    pub(super) timer: Rc<Deadline>,
    pub(super) caller: IpAddr,
    pub(super) forwarded: FieldList,
    pub(super) downstream: Connection,
    pub(super) exchanges: Exchanges,
    pub(super) upstreams: Upstreams,
    /// The exchanges that the service handles over HTTP/1, with their connections.
    pub(super) over_http1: Vec<(StreamId, Http1Upstream)>,
    pub(super) requests: u64,
    pub(super) close_state: CloseState,
    /// The client has answered the PING that followed GOAWAY.
    pub(super) is_drained: bool,
    pub(super) armed: Option<Instant>,
    pub(super) head_deadline: Option<Instant>,
    /// Since when no exchange is under way.
    pub(super) idle_since: Option<Instant>,
    /// Takes the events of a connection that downstreams share.
    pub(super) receiver: Option<Rc<dyn ExchangeEvents>>,
    waker: Option<Waker>,
    conduct: Conduct,
    /// Refused streams that were counted.
    refused: u64,
}

/// What the client had done when the current period began.
#[derive(Debug, Clone, Copy)]
struct Conduct {
    since: Instant,
    requests: u64,
    cancelled: u64,
    mistakes: u64,
}

/// The state of the connection's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseState {
    Open,
    /// The client knows that it shall open no more streams. Those on their way are accepted until it has answered PING.
    Draining {
        since: Instant,
    },
    /// The client knows the last stream that is served.
    GoawaySent,
}

/// The connection is over.
pub(super) struct Ended;

/// Whether bytes were read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    None,
    Some,
}

impl ConnectionState {
    /// Begins to serve a connection whose preface has been seen.
    pub(super) fn new(worker: &Rc<WorkerContext>, timer: &Rc<Deadline>, caller: IpAddr, forwarded: &str) -> Self {
        worker.service.http2.add_downstream();
        Self {
            worker: Rc::clone(worker),
            timer: Rc::clone(timer),
            caller,
            forwarded: request_head::forwarded(worker.forwarding(), forwarded),
            downstream: Connection::server(limits::downstream(worker)),
            exchanges: Exchanges::new(Rc::clone(worker)),
            upstreams: Upstreams::default(),
            over_http1: Vec::new(),
            requests: 0,
            close_state: CloseState::Open,
            is_drained: false,
            armed: None,
            head_deadline: None,
            idle_since: None,
            receiver: None,
            waker: None,
            conduct: Conduct { since: Instant::now(), requests: 0, cancelled: 0, mistakes: 0 },
            refused: 0,
        }
    }

    /// Streams that were refused since the last call, because too many were open.
    pub(super) fn take_refused(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.refused, self.downstream.refused());
        self.refused - before
    }

    /// Ends the connection of a client that has cancelled most of its requests, or sent many malformed ones, in a period.
    pub(super) fn check_conduct(&mut self, now: Instant) -> Result<(), Ended> {
        let cancelled = self.downstream.resets() - self.conduct.cancelled;
        let mistakes = self.downstream.failures() - self.conduct.mistakes;
        let requests = self.requests - self.conduct.requests;
        if now.duration_since(self.conduct.since) >= CONDUCT_PERIOD {
            let (cancelled, mistakes) = (self.downstream.resets(), self.downstream.failures());
            self.conduct = Conduct { since: now, requests: self.requests, cancelled, mistakes };
        }
        let is_hostile = (cancelled > CANCELLED_MAX && cancelled > requests / 2) || mistakes > MISTAKES_MAX;
        if is_hostile { Err(Ended) } else { Ok(()) }
    }

    /// Remembers the task that serves the connection.
    pub(super) fn set_waker(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    /// Wakes that task, because another one has added to the output.
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Writes the output, such as GOAWAY, as far as the socket accepts it now.
    pub(super) fn end_with_output(&mut self, socket: &mut BufferedConn, cx: &mut Context<'_>) -> Ended {
        let _ = poll_write_output(cx, &mut self.downstream, socket);
        Ended
    }

    /// Does what the events of a connection could not do while it was being read.
    pub(super) fn finish_events(&mut self) {
        self.exchanges.remove_ended(&mut self.downstream);
        while let Some(detached) = self.exchanges.take_detached() {
            self.upstreams.detach(detached);
        }
    }
}

impl Drop for ConnectionState {
    fn drop(&mut self) {
        // After a panic, `close` has not run: the shared connection must not keep streams of this one.
        for exchange in self.exchanges.open.values() {
            if let (Route::Shared { stream, .. }, Some(shared)) = (exchange.route, &exchange.shared) {
                shared.detach(stream, 0);
            }
        }
        self.worker.service.http2.remove_downstream();
    }
}

impl Progress {
    /// Whether either has moved bytes.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::Some { self } else { other }
    }
}
