//! The connections to the service that one downstream connection uses, and on which of them a request is sent.
//!
//! They belong to this downstream alone until it is idle. What it does to them, such as cancelling its requests or not
//! reading their responses, therefore affects no other downstream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http2::error_code::ErrorCode;
use http2::frame::StreamId;

use crate::exchange::context::WorkerContext;
use crate::http2::exchanges::{Detached, DetachedFrom};
use crate::http2::proxied_exchange::{ProxiedExchange, Route, UpstreamId};
use crate::upstream::http2::ServiceProtocol;
use crate::upstream::http2::connection::Http2Upstream;
use crate::upstream::service_pools::ServicePools;
use crate::upstream::{ConnectError, ReuseCheck, Upstream};

/// A connection that is being opened.
type Connecting = Pin<Box<dyn Future<Output = Result<Upstream, ConnectError>>>>;

/// The connections of one downstream connection.
#[derive(Default)]
pub(super) struct Upstreams {
    open: Vec<(UpstreamId, Http2Upstream)>,
    last_id: u32,
    connecting: Option<Connecting>,
    /// The exchanges that wait for a connection to another address, each for one of its own.
    elsewhere: Vec<(StreamId, Rc<ServicePools>, Connecting)>,
    /// The exchanges that wait for a connection, in the order of their requests.
    waiting: VecDeque<StreamId>,
}

/// Whether a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// On a stream.
    Sent,
    /// No connection has room.
    NoRoom,
    /// One has room once it has written what waits.
    Later,
}

impl Upstreams {
    /// The number of connections.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The connection at this position.
    pub(super) fn at(&mut self, position: usize) -> Option<(UpstreamId, &mut Http2Upstream)> {
        self.open.get_mut(position).map(|(id, upstream)| (*id, upstream))
    }

    /// A connection by its identifier, unless it has ended.
    pub(super) fn get(&mut self, id: UpstreamId) -> Option<&mut Http2Upstream> {
        self.open.iter_mut().find(|(known, _)| *known == id).map(|(_, upstream)| upstream)
    }

    /// Takes a connection that has ended.
    pub(super) fn remove(&mut self, position: usize) -> Option<(UpstreamId, Http2Upstream)> {
        (position < self.open.len()).then(|| self.open.swap_remove(position))
    }

    /// Whether exchanges wait for a connection.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Lets an exchange wait for a connection.
    pub(super) fn wait(&mut self, stream: StreamId) {
        self.waiting.push_back(stream);
    }

    /// The next exchange that waits, and stays in the list.
    pub(super) fn next_waiting(&self) -> Option<StreamId> {
        self.waiting.front().copied()
    }

    /// Removes the next exchange that waits.
    pub(super) fn pop_waiting(&mut self) -> Option<StreamId> {
        self.waiting.pop_front()
    }

    /// Removes all exchanges that wait.
    pub(super) fn take_waiting(&mut self) -> VecDeque<StreamId> {
        std::mem::take(&mut self.waiting)
    }

    /// Sends the request on a connection with room. Before the service is known to speak HTTP/2, requests wait for
    /// its SETTINGS: another service might take their bytes for something else.
    pub(super) fn place(&mut self, protocol: ServiceProtocol, stream: StreamId, exchange: &mut ProxiedExchange) -> Placed {
        let is_known = matches!(protocol, ServiceProtocol::Http2 | ServiceProtocol::OnlyHttp2);
        let is_idempotent = exchange.is_idempotent;
        let is_ready = |upstream: &Http2Upstream| (upstream.is_proven || is_known) && (is_idempotent || !upstream.was_closed());
        let avoids = exchange.avoids;
        let is_usable =
            |(id, upstream): &&mut (UpstreamId, Http2Upstream)| Some(*id) != avoids && is_ready(upstream) && upstream.has_room();
        let with_room = self.open.iter_mut().find(is_usable);
        let Some((id, upstream)) = with_room else { return Placed::NoRoom };
        if upstream.has_long_output() {
            return Placed::Later;
        }
        let end = exchange.request.end_with_head();
        let Ok(opened) = upstream.connection.open(exchange.head.fields().iter(), end) else { return Placed::NoRoom };
        upstream.streams.insert(opened, stream);
        exchange.attempts += 1;
        if exchange.head.is_too_much() {
            exchange.forget_request();
        }
        exchange.route = Route::Upstream { upstream: *id, stream: opened, reads: upstream.reads };
        if exchange.request.has_waiting() {
            exchange.request.is_queued = true;
            upstream.backlog.push_back(stream);
        }
        Placed::Sent
    }

    /// Takes an idle connection of the worker, if there is one.
    pub(super) fn acquire(&mut self, worker: &WorkerContext, scratch: &mut [u8]) -> bool {
        let Some(upstream) = worker.service.http2.acquire(scratch) else { return false };
        self.insert(upstream);
        true
    }

    /// Whether a connection may have room for the exchanges that wait, once the service has shown that it speaks HTTP/2.
    pub(super) fn has_unproven(&self) -> bool {
        self.open.iter().any(|(_, upstream)| !upstream.is_proven && upstream.has_room())
    }

    /// Continues to open a connection, or begins to. One at a time: the next request may fit on it.
    pub(super) fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Rc<WorkerContext>,
    ) -> Poll<Result<Upstream, ConnectError>> {
        let connecting = self.connecting.get_or_insert_with(|| {
            let worker = Rc::clone(worker);
            Box::pin(async move { worker.service.http1.connect(worker.timeouts().connect).await })
        });
        match connecting.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(connected) => {
                self.connecting = None;
                Poll::Ready(connected)
            }
        }
    }

    /// Takes an idle connection to another address, or begins to open one.
    pub(super) fn connect_elsewhere(&mut self, stream: StreamId, service: Rc<ServicePools>, care: ReuseCheck, within: Duration) {
        let owner = Rc::clone(&service);
        let connecting = async move {
            match owner.http1.acquire(care) {
                Some(upstream) => Ok(upstream),
                None => owner.http1.connect(within).await,
            }
        };
        self.elsewhere.push((stream, service, Box::pin(connecting)));
    }

    /// The exchanges that wait for a connection to another address.
    pub(super) fn waiting_elsewhere(&self) -> usize {
        self.elsewhere.len()
    }

    /// The next exchange whose connection to another address is open, or cannot be opened.
    pub(super) fn poll_elsewhere(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<(StreamId, Rc<ServicePools>, Result<Upstream, ConnectError>)> {
        for position in 0..self.elsewhere.len() {
            if let Poll::Ready(connected) = self.elsewhere[position].2.as_mut().poll(cx) {
                let (stream, service, _) = self.elsewhere.swap_remove(position);
                return Some((stream, service, connected));
            }
        }
        None
    }

    /// Gives up a connection that is being opened.
    pub(super) fn stop_connecting(&mut self) {
        self.connecting = None;
    }

    /// Gives up a stream of the service. It is reset if it is still open.
    pub(super) fn detach(&mut self, detached: Detached) {
        let Detached { from, stream, owed } = detached;
        let id = match from {
            DetachedFrom::Own(id) => id,
            DetachedFrom::Shared(shared) => return shared.detach(stream, owed),
        };
        let Some(upstream) = self.get(id) else { return };
        upstream.connection.release_connection(owed);
        if upstream.connection.is_open(stream) {
            upstream.connection.reset(stream, ErrorCode::CANCEL);
            upstream.resets += 1;
        }
        upstream.streams.remove(&stream);
    }

    /// Gives the connections back to the worker, for other downstreams. Those in use are closed.
    pub(super) fn release_all(&mut self, worker: &WorkerContext, now: Instant) {
        for (_, upstream) in self.open.drain(..) {
            worker.service.http2.release(upstream, now);
        }
    }

    /// Adds a connection.
    pub(super) fn insert(&mut self, upstream: Http2Upstream) {
        self.last_id = self.last_id.wrapping_add(1);
        self.open.push((UpstreamId(self.last_id), upstream));
    }
}
