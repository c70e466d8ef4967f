//! Detects how a connection begins: HTTP/1, HTTP/2, another protocol, or a service that sends first.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::exchange::context::WorkerContext;
use crate::http1::upgraded::Guard;
use crate::http1::{AfterExchange, Tunnel};
use crate::protocol;
use crate::protocol::{Detected, Protocol, ServerFirstBytes, greeting};
use crate::socket::buffered_conn::BufferedConn;

/// How long a downstream may be silent before the sidecar checks whether the service sends first. An HTTP
/// client has a request when it connects, except for a browser that connects ahead.
const SILENCE: Duration = Duration::from_millis(300);

/// How long to wait for the service to send first. A mail server or a database sends its greeting
/// immediately. A service that handles one connection at a time must not be blocked by a silent client.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a silent new connection is kept open when the worker drains. Its downstream does not know of
/// the drain, and its first request may be in transit, or its thread may be waiting for a CPU. A browser
/// that connects ahead delays a drain by no more than this.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);

/// The detection state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// No bytes have arrived, and the service may send first.
    Silent,
    /// No request has been recognized yet.
    First,
    /// No bytes have arrived, and the worker drains: the downstream has a last chance to send.
    Last,
    /// There was a request.
    Later,
}

/// Which side has sent first.
enum FirstSpeaker {
    Downstream,
    Service,
    Nobody,
}

impl Opening {
    /// The initial state of a connection of this worker, and how long it may be silent.
    pub(super) fn of(worker: &WorkerContext) -> (Self, Duration) {
        let head = worker.timeouts().head;
        if worker.protocol() == Protocol::Auto && !worker.speaks_http() && head > SILENCE {
            (Self::Silent, SILENCE)
        } else {
            (Self::First, head)
        }
    }
}

impl Tunnel {
    /// Decides how to serve the connection before its first request.
    pub(super) async fn open(&mut self) -> AfterExchange {
        match self.worker.protocol() {
            Protocol::Tcp => Box::pin(self.pass(None, Guard::Off)).await,
            // No request was parsed on this connection. It is closed if the service turns out to speak HTTP.
            Protocol::Auto if self.worker.speaks_first() => Box::pin(self.pass(None, Guard::On)).await,
            Protocol::Auto | Protocol::Http => AfterExchange::Request,
        }
    }

    /// Classifies bytes that are not an HTTP/1 head. Only the first bytes of a connection can be another
    /// protocol. A service that speaks HTTP never gets unparsed bytes.
    pub(super) fn look(&self, bytes: &[u8]) -> Detected {
        if self.opening == Opening::Later {
            return Detected::Http1;
        }
        match protocol::look(bytes) {
            Detected::Foreign if self.worker.protocol() != Protocol::Auto || self.worker.speaks_http() => Detected::Http1,
            looks => looks,
        }
    }

    /// The client is silent: connect to the service and wait briefly for it to send first. An HTTP client
    /// loses nothing, and later finds an open connection to the service.
    pub(super) async fn listen(&mut self) -> AfterExchange {
        self.opening = Opening::First;
        let worker = Rc::clone(&self.worker);
        let deadline = Instant::now() + worker.timeouts().head.saturating_sub(SILENCE);
        if let Some(upstream) = self.hear_service(&worker).await {
            worker.note_speaks_first();
            return Box::pin(self.pass(Some(upstream), Guard::Off)).await;
        }
        self.watch.arm(deadline);
        AfterExchange::Request
    }

    /// Returns the connection on which the service has sent first, if it has.
    async fn hear_service(&mut self, worker: &WorkerContext) -> Option<BufferedConn> {
        let _listener = worker.listeners.try_acquire().ok()?;
        let mut upstream = worker.upstreams.connect(worker.timeouts().connect).await.ok()?.peer;
        self.watch.arm(Instant::now() + LISTEN_TIMEOUT);
        match poll_fn(|cx| self.poll_heard(cx, &mut upstream)).await {
            FirstSpeaker::Service => return Some(upstream),
            FirstSpeaker::Downstream => worker.upstreams.give_back(upstream, Instant::now()),
            FirstSpeaker::Nobody => {}
        }
        None
    }

    fn poll_heard(&mut self, cx: &mut Context<'_>, upstream: &mut BufferedConn) -> Poll<FirstSpeaker> {
        if self.watch.has_expired() || self.worker.is_shut() {
            return Poll::Ready(FirstSpeaker::Nobody);
        }
        let worker = Rc::clone(&self.worker);
        let scratch = &mut *worker.scratch.borrow_mut();
        match self.downstream.poll_fill(cx, &mut scratch.input) {
            Poll::Ready(Ok(filled)) => {
                self.downstream.keep_next(&scratch.input[..filled.length]);
                return Poll::Ready(FirstSpeaker::Downstream);
            }
            Poll::Ready(Err(_)) => return Poll::Ready(FirstSpeaker::Nobody),
            Poll::Pending => {}
        }
        while let Poll::Ready(filled) = upstream.poll_fill(cx, &mut scratch.input) {
            let Ok(filled) = filled else { return Poll::Ready(FirstSpeaker::Nobody) };
            let first = &scratch.input[..filled.length];
            match greeting(first) {
                // An HTTP/1 server sends a 408 when it has waited long enough.
                ServerFirstBytes::Http => return Poll::Ready(FirstSpeaker::Nobody),
                ServerFirstBytes::Undecided if filled.ended => return Poll::Ready(FirstSpeaker::Nobody),
                ServerFirstBytes::Undecided => upstream.keep_partial(first),
                ServerFirstBytes::Foreign => {
                    upstream.keep_next(first);
                    return Poll::Ready(FirstSpeaker::Service);
                }
            }
        }
        Poll::Pending
    }
}
