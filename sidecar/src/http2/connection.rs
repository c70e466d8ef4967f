//! Serves one downstream connection over HTTP/2: moves bytes between its socket and those of the service.

use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http2::connection::Connection;
use http2::connection::handler::Writable;
use http2::error_code::ErrorCode;
use mesh::refusal::RefusalReason;

use crate::exchange::context::WorkerContext;
use crate::exchange::error_response;
use crate::head::HeadFault;
use crate::http2::DownstreamPeer;
use crate::http2::downstream_events::DownstreamEvents;
use crate::http2::exchanges::Exchanges;
use crate::http2::field_list::FieldList;
use crate::http2::proxied_exchange::Route;
use crate::http2::transfer::{Leg, TransferState};
use crate::http2::upstream_events::{UpstreamEvents, UpstreamState};
use crate::http2::upstreams::{Placed, Upstreams};
use crate::http2::{limits, request_head};
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::{Deadline, TICK};
use crate::upstream::http2::{Flushed, poll_write_output};

mod deadlines;
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
        peer: DownstreamPeer<'_>,
    ) -> Self {
        Self {
            worker: Rc::clone(worker),
            socket,
            timer,
            caller: peer.address,
            forwarded: request_head::forwarded(worker.forwarding(), peer.forwarded),
            downstream: Connection::server(limits(worker)),
            exchanges: Exchanges::new(Rc::clone(worker)),
            upstreams: Upstreams::default(),
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
            self.serve(cx, &mut scratch.input).is_err()
        };
        if ended { Poll::Ready(()) } else { Poll::Pending }
    }

    fn serve(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Result<(), Ended> {
        let now = Instant::now();
        if self.worker.is_ending() {
            return Err(Ended);
        }
        if self.timer.has_expired() {
            self.check_deadlines(now)?;
        }
        loop {
            let mut progress = self.read_downstream(cx, scratch, now)?;
            self.place_waiting(cx, scratch);
            progress = progress.or(self.serve_upstreams(cx, scratch));
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

    /// Sends the requests that wait for a connection, and opens connections for them.
    fn place_waiting(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) {
        let worker = Rc::clone(&self.worker);
        while let Some(stream) = self.upstreams.next_waiting() {
            let waiting = self.exchanges.open.get_mut(&stream).filter(|exchange| exchange.route == Route::Waiting);
            let Some(exchange) = waiting else {
                self.upstreams.pop_waiting();
                continue;
            };
            if self.upstreams.place(worker.http2.protocol(), stream, exchange) == Placed::Sent {
                self.upstreams.pop_waiting();
                continue;
            }
            if self.upstreams.acquire(&worker, scratch) {
                continue;
            }
            match self.upstreams.poll_connect(cx, &worker) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => self.fail_waiting(|exchange| {
                    exchange.record.set_author(error_response::author(&error));
                    error_response::for_connect_error(&error, exchange.audience)
                }),
            }
        }
        self.finish_events();
    }

    fn serve_upstreams(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Progress {
        let (mut progress, mut position) = (Progress::None, 0);
        while position < self.upstreams.len() {
            match self.serve_upstream(position, cx, scratch) {
                Ok(served) => {
                    progress = progress.or(served);
                    position += 1;
                }
                Err(end) => {
                    self.end_upstream(position, end);
                    progress = Progress::Some;
                }
            }
            self.finish_events();
        }
        progress
    }

    /// Writes the requests, and reads the responses, of one connection to the service.
    fn serve_upstream(
        &mut self,
        position: usize,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Result<Progress, upstream_end::UpstreamEnd> {
        self.send_requests(position);
        let Some((id, upstream)) = self.upstreams.at(position) else { return Ok(Progress::None) };
        poll_write_output(cx, &mut upstream.connection, &mut upstream.socket)?;
        if upstream.is_unused() && upstream.connection.can_open().is_err() {
            return Err(upstream_end::UpstreamEnd::Closed);
        }
        if self.downstream.output().len() > OUTPUT_BYTES_MAX {
            return Ok(Progress::None);
        }
        let filled = match upstream.socket.poll_fill(cx, scratch) {
            Poll::Pending => return Ok(Progress::None),
            Poll::Ready(filled) => filled?,
        };
        upstream.reads += 1;
        let input = &scratch[..filled.length];
        let mut state = UpstreamState::default();
        let mut events = UpstreamEvents {
            exchanges: &mut self.exchanges,
            downstream: &mut self.downstream,
            id,
            streams: &mut upstream.streams,
            state: &mut state,
        };
        let received = upstream.connection.receive(input, &mut events);
        upstream.is_proven |= state.settings;
        upstream.refused_at = if state.settings { None } else { state.refused_at.or(upstream.refused_at) };
        upstream.resets += state.resets;
        match received {
            Ok(_) if filled.ended => return Err(upstream_end::UpstreamEnd::Closed),
            Ok(read) => upstream.socket.unread_partial(&input[read..]),
            Err(error) if upstream.is_proven => return Err(upstream_end::UpstreamEnd::Faulty(error)),
            Err(_) => return Err(upstream_end::UpstreamEnd::Foreign),
        }
        state.unprocessed.into_iter().for_each(|stream| self.upstreams.wait(stream));
        state.writable.into_iter().for_each(|writable| self.queue_requests(position, writable));
        Ok(Progress::Some)
    }

    /// Lets request bodies go on whose window is open again.
    fn queue_requests(&mut self, position: usize, writable: Writable) {
        let Some((id, upstream)) = self.upstreams.at(position) else { return };
        let mut queue = |stream| {
            if let Some(exchange) = self.exchanges.open.get_mut(&stream)
                && matches!(exchange.route, Route::Upstream { upstream, .. } if upstream == id)
                && exchange.request.has_waiting()
                && !std::mem::replace(&mut exchange.request.is_queued, true)
            {
                upstream.backlog.push_back(stream);
            }
        };
        match writable {
            Writable::Stream(stream) => upstream.streams.get(&stream).copied().into_iter().for_each(&mut queue),
            Writable::Connection => upstream.streams.values().copied().for_each(&mut queue),
        }
    }

    /// Sends what waits of the requests on one connection to the service, in turns.
    fn send_requests(&mut self, position: usize) {
        let Some((id, upstream)) = self.upstreams.at(position) else { return };
        while let Some(stream) = upstream.backlog.pop_front() {
            let Some(exchange) = self.exchanges.open.get_mut(&stream) else { continue };
            let Route::Upstream { upstream: served, stream: to, .. } = exchange.route else { continue };
            if served != id {
                continue;
            }
            if upstream.connection.connection_send_room() == 0 {
                upstream.backlog.push_front(stream);
                break;
            }
            exchange.request.is_queued = false;
            let from = Leg { connection: &mut self.downstream, stream };
            let to = Leg { connection: &mut upstream.connection, stream: to };
            match exchange.request.resume(Some(from), to, &mut self.exchanges.ahead).state {
                TransferState::Turn | TransferState::Connection => {
                    exchange.request.is_queued = true;
                    upstream.backlog.push_back(stream);
                }
                TransferState::Ended => self.exchanges.note_changed(stream),
                TransferState::Content | TransferState::StreamWindow | TransferState::Closed => {}
            }
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

    fn send_response(&mut self, stream: http2::frame::StreamId) {
        let Some(exchange) = self.exchanges.open.get(&stream) else { return };
        let from = match exchange.route {
            Route::Upstream { upstream, stream, .. } => self.upstreams.get(upstream).map(|upstream| (upstream, stream)),
            Route::Waiting | Route::None => None,
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
