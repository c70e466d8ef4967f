//! How a connection begins: with HTTP/1, with HTTP/2, with something else, or with silence in which the service may speak.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::protocol::{self, Greeting, Looks, Protocol, greeting};
use crate::tunnel::passage::Guard;
use crate::tunnel::peer::Peer;
use crate::tunnel::{Next, Tunnel};
use crate::worker::state::Worker;

/// How long a downstream may say nothing before it is looked whether the service speaks first.
/// Whoever speaks HTTP has a request when it connects, but for a browser that connects ahead.
const SILENCE: Duration = Duration::from_millis(300);

/// How long the service is then listened to. A mail server or a database greets as soon as it has accepted;
/// and one that serves a single connection at a time must not be held up by somebody who says nothing.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections of one worker for which the service is listened to at once. A service that greets does so within
/// milliseconds, and after the first time it is not waited for any more; others must not be dialled for every caller.
pub const LISTENERS_MAX: usize = 32;

/// How long a connection that was made but has said nothing is kept open when the worker drains. Its downstream has not
/// been told that we leave, and its first request may be on its way, or its thread waiting for a processor. A browser
/// that connects ahead holds a drain up by no more than this.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);

/// How far the beginning of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Nothing has come, and it may be that the service speaks first.
    Silent,
    /// Nothing that was understood has come.
    First,
    /// Nothing has come, and the worker drains: its downstream has a last moment to say something.
    Last,
    /// There was a request.
    Later,
}

/// Who has spoken first.
enum Heard {
    Downstream,
    Service,
    Nobody,
}

impl Opening {
    /// How a connection of this worker begins, and how long its first silence may be.
    pub(super) fn of(worker: &Worker) -> (Self, Duration) {
        let head = worker.timeouts().head;
        if worker.protocol() == Protocol::Auto && !worker.speaks_http() && head > SILENCE {
            (Self::Silent, SILENCE)
        } else {
            (Self::First, head)
        }
    }
}

impl Tunnel {
    /// What comes before the first request.
    pub(super) async fn open(&mut self) -> Next {
        match self.worker.protocol() {
            Protocol::Tcp => Box::pin(self.pass(None, Guard::Off)).await,
            // Nothing was judged of this connection, so it ends if the service turns out to be another by now.
            Protocol::Auto if self.worker.speaks_first() => Box::pin(self.pass(None, Guard::On)).await,
            Protocol::Auto | Protocol::Http => Next::Request,
        }
    }

    /// What bytes are that are no head of HTTP/1. Only the first bytes of a connection can be anything else,
    /// and no service that speaks HTTP is ever handed bytes that nobody has judged.
    pub(super) fn look(&self, bytes: &[u8]) -> Looks {
        if self.opening == Opening::Later {
            return Looks::Http1;
        }
        match protocol::look(bytes) {
            Looks::Foreign if self.worker.protocol() != Protocol::Auto || self.worker.speaks_http() => Looks::Http1,
            looks => looks,
        }
    }

    /// The downstream says nothing: gives the service the word for a moment. Whoever speaks HTTP loses nothing by it,
    /// and finds a connection to the service made.
    pub(super) async fn listen(&mut self) -> Next {
        self.opening = Opening::First;
        let worker = Rc::clone(&self.worker);
        let deadline = Instant::now() + worker.timeouts().head.saturating_sub(SILENCE);
        if let Some(upstream) = self.hear_service(&worker).await {
            worker.note_speaks_first();
            return Box::pin(self.pass(Some(upstream), Guard::Off)).await;
        }
        self.watch.arm(deadline);
        Next::Request
    }

    /// The connection on which the service has spoken first, if it has.
    async fn hear_service(&mut self, worker: &Worker) -> Option<Peer> {
        let _listener = worker.listeners.try_acquire().ok()?;
        let mut upstream = worker.upstreams.connect(worker.timeouts().connect).await.ok()?.peer;
        self.watch.arm(Instant::now() + LISTEN_TIMEOUT);
        match poll_fn(|cx| self.poll_heard(cx, &mut upstream)).await {
            Heard::Service => return Some(upstream),
            Heard::Downstream => worker.upstreams.give_back(upstream, Instant::now()),
            Heard::Nobody => {}
        }
        None
    }

    fn poll_heard(&mut self, cx: &mut Context<'_>, upstream: &mut Peer) -> Poll<Heard> {
        if self.watch.has_expired() || self.worker.is_shut() {
            return Poll::Ready(Heard::Nobody);
        }
        let worker = Rc::clone(&self.worker);
        let scratch = &mut *worker.scratch.borrow_mut();
        match self.downstream.poll_fill(cx, &mut scratch.input) {
            Poll::Ready(Ok(filled)) => {
                self.downstream.keep_next(&scratch.input[..filled.length]);
                return Poll::Ready(Heard::Downstream);
            }
            Poll::Ready(Err(_)) => return Poll::Ready(Heard::Nobody),
            Poll::Pending => {}
        }
        while let Poll::Ready(filled) = upstream.poll_fill(cx, &mut scratch.input) {
            let Ok(filled) = filled else { return Poll::Ready(Heard::Nobody) };
            let first = &scratch.input[..filled.length];
            match greeting(first) {
                // A server of HTTP/1 that has waited long enough says 408.
                Greeting::Http => return Poll::Ready(Heard::Nobody),
                Greeting::Undecided if filled.ended => return Poll::Ready(Heard::Nobody),
                Greeting::Undecided => upstream.keep_partial(first),
                Greeting::Foreign => {
                    upstream.keep_next(first);
                    return Poll::Ready(Heard::Service);
                }
            }
        }
        Poll::Pending
    }
}
