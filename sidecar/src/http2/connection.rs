//! Serves one downstream connection over HTTP/2: moves bytes between its socket and those of the service.

use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http2::connection::Connection;
use http2::error_code::ErrorCode;
use http2::frame::StreamId;
use mesh::refusal::RefusalReason;

use crate::exchange::context::{Scratch, WorkerContext};
use crate::head::HeadFault;
use crate::http2::downstream_events::DownstreamEvents;
use crate::http2::exchanges::Exchanges;
use crate::http2::field_list::FieldList;
use crate::http2::http1_upstream::Http1Upstream;
use crate::http2::proxied_exchange::Route;
use crate::http2::transfer::Leg;
use crate::http2::upstreams::Upstreams;
use crate::http2::{limits, request_head};
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::{Deadline, TICK};
use crate::upstream::http2::{Flushed, poll_write_output};

mod deadlines;
mod over_http1;
mod over_http2;
mod placement;
mod upstream_end;

/// Bytes in the downstream's output above which nothing more is read for it. A client that does not read must not make
/// the sidecar keep responses.
const OUTPUT_BYTES_MAX: usize = 128 * 1024;

/// Requests that a client may cancel before the ratio to all its requests is checked. A user who closes a page cancels
/// a dozen.
const CANCELLED_MAX: u64 = 200;

/// Streams that the sidecar may have to reset because of the client's errors (CVE-2025-8671).
const MISTAKES_MAX: u64 = 256;

/// The refusal of a head, or of the connection's first frames, whose end does not arrive.
const TOO_SLOW: HeadFault = HeadFault { status: 408, reason: RefusalReason::Timeout, why: "the head did not arrive in time" };

/// A downstream connection.
pub(super) struct Http2Connection<'a> {
    worker: Rc<WorkerContext>,
    socket: &'a mut BufferedConn,
    timer: &'a Deadline,
    caller: IpAddr,
    forwarded: FieldList,
    downstream: Connection,
    exchanges: Exchanges,
    upstreams: Upstreams,
    /// The exchanges that the service handles over HTTP/1, with their connections.
    over_http1: Vec<(StreamId, Http1Upstream)>,
    requests: u64,
    close_state: CloseState,
    /// The client has answered the PING that followed GOAWAY.
    is_drained: bool,
    armed: Option<Instant>,
    head_deadline: Option<Instant>,
    /// Since when no exchange is under way.
    idle_since: Option<Instant>,
}

/// The state of the connection's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseState {
    Open,
    /// The client knows that it shall open no more streams. Those on their way are accepted until it has answered PING.
    Draining {
        since: Instant,
    },
    /// The client knows the last stream that is served.
    GoawaySent,
}

/// The connection is over.
struct Ended;

/// Whether bytes were read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    Some,
}

impl<'a> Http2Connection<'a> {
    /// Begins to serve a connection whose preface has been seen.
    pub(super) fn new(
        worker: &Rc<WorkerContext>,
        socket: &'a mut BufferedConn,
        timer: &'a Deadline,
        caller: IpAddr,
        forwarded: &str,
    ) -> Self {
        Self {
            worker: Rc::clone(worker),
            socket,
            timer,
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
        }
    }

    /// Serves the connection until it is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let worker = Rc::clone(&self.worker);
        let ended = {
            let scratch = &mut *worker.scratch.borrow_mut();
            self.serve(cx, scratch).is_err()
        };
        if ended { Poll::Ready(()) } else { Poll::Pending }
    }

    fn serve(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), Ended> {
        let now = Instant::now();
        if self.worker.is_ending() {
            return Err(Ended);
        }
        if self.timer.has_expired() {
            self.check_deadlines(now)?;
        }
        loop {
            let mut progress = self.read_downstream(cx, &mut scratch.input, now)?;
            self.place_waiting(cx, &mut scratch.input);
            progress = progress.or(self.serve_upstreams(cx, &mut scratch.input));
            progress = progress.or(self.serve_http1(cx, scratch));
            progress = progress.or(self.write_downstream(cx)?);
            if progress == Progress::None {
                break;
            }
        }
        self.check_lifecycle(cx, now)?;
        self.arm_timer(now);
        Ok(())
    }

    fn read_downstream(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], now: Instant) -> Result<Progress, Ended> {
        if self.downstream.output().len() > OUTPUT_BYTES_MAX {
            return Ok(Progress::None);
        }
        let filled = match self.socket.poll_fill(cx, scratch) {
            Poll::Pending => return Ok(Progress::None),
            Poll::Ready(filled) => filled.map_err(|_| Ended)?,
        };
        let input = &scratch[..filled.length];
        let mut events = DownstreamEvents {
            exchanges: &mut self.exchanges,
            upstreams: &mut self.upstreams,
            caller: self.caller,
            forwarded: &self.forwarded,
            requests: &mut self.requests,
            is_drained: &mut self.is_drained,
            now,
        };
        match self.downstream.receive(input, &mut events) {
            Ok(_) if filled.ended => return Err(Ended),
            Ok(read) => self.socket.unread_partial(&input[read..]),
            Err(error) => {
                tracing::debug!(%error, caller = %self.caller, "the client breaks HTTP/2");
                return Err(self.end_with_output(cx));
            }
        }
        self.finish_events();
        let cancelled = self.downstream.resets();
        if (cancelled > CANCELLED_MAX && cancelled > self.requests / 2) || self.downstream.failures() > MISTAKES_MAX {
            self.downstream.go_away(ErrorCode::ENHANCE_YOUR_CALM);
            return Err(self.end_with_output(cx));
        }
        Ok(Progress::Some)
    }

    /// Does what the events of a connection could not do while it was being read.
    fn finish_events(&mut self) {
        self.exchanges.remove_ended(&mut self.downstream);
        while let Some(detached) = self.exchanges.take_detached() {
            self.upstreams.detach(detached);
        }
    }

    /// Sends what waits of the responses, in turns, and writes the output.
    fn write_downstream(&mut self, cx: &mut Context<'_>) -> Result<Progress, Ended> {
        let before = self.downstream.output().len();
        loop {
            while self.downstream.connection_send_room() > 0 {
                let Some(stream) = self.exchanges.next_response() else { break };
                self.send_response(stream);
            }
            let flushed = poll_write_output(cx, &mut self.downstream, self.socket).map_err(|_| Ended)?;
            if flushed == Flushed::Partly || !self.exchanges.has_queued_responses() || self.downstream.connection_send_room() == 0
            {
                break;
            }
        }
        self.finish_events();
        Ok(if before > 0 && self.downstream.output().len() < before { Progress::Some } else { Progress::None })
    }

    fn send_response(&mut self, stream: StreamId) {
        let Some(exchange) = self.exchanges.open.get(&stream) else { return };
        let from = match exchange.route {
            Route::Upstream { upstream, stream, .. } => self.upstreams.get(upstream).map(|upstream| (upstream, stream)),
            Route::Waiting | Route::Http1 | Route::None => None,
        };
        let from = from.map(|(upstream, stream)| Leg { connection: &mut upstream.connection, stream });
        self.exchanges.resume_response(from, Leg { connection: &mut self.downstream, stream });
    }

    /// Writes GOAWAY, as far as the socket accepts it now.
    fn end_with_output(&mut self, cx: &mut Context<'_>) -> Ended {
        let _ = poll_write_output(cx, &mut self.downstream, self.socket);
        Ended
    }

    /// Counts the exchanges that are under way as aborted, and gives the connections to the service back.
    pub(super) fn close(mut self, cx: &mut Context<'_>) {
        let streams: Vec<_> = self.exchanges.open.keys().copied().collect();
        for stream in streams {
            self.exchanges.detach(stream);
        }
        self.exchanges.open.clear();
        self.finish_events();
        for position in 0..self.upstreams.len() {
            if let Some((_, upstream)) = self.upstreams.at(position) {
                // The service learns that its responses are no longer wanted, if not by this, by the end of the connection.
                let _ = poll_write_output(cx, &mut upstream.connection, &mut upstream.socket);
            }
        }
        self.upstreams.release_all(&self.worker, Instant::now());
    }
}

impl Progress {
    fn or(self, other: Self) -> Self {
        if self == Self::Some { self } else { other }
    }
}
