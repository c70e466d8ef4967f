//! The body of a request over HTTP/2: counted as it passes, and given up when nothing comes of it for too long.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::http2::body::BrokenOff;

/// How far a request's body is; the exchange and the connection to the service look at it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes so far.
    pub(super) bytes: Cell<u64>,
    /// Nothing came of it for the body timeout.
    pub(super) has_stalled: Cell<bool>,
    /// The service has begun to answer. Both sides may then send when they like, as in a stream of messages.
    pub(super) is_answered: Cell<bool>,
}

/// The body of a request.
pub(crate) struct Sent {
    body: Incoming,
    progress: Rc<Progress>,
    timeout: Option<Duration>,
    wait: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Sent {
    /// A body of which something must come within each `timeout`, until it is answered.
    pub(super) fn new(body: Incoming, progress: Rc<Progress>, timeout: Option<Duration>) -> Self {
        Self { body, progress, timeout, wait: None, is_waiting: false }
    }

    /// Whether nothing has come for too long. The library asks for more only once the service has taken what came before.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(within) = self.timeout.filter(|_| !self.progress.is_answered.get()) else { return Poll::Pending };
        let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            wait.as_mut().reset(Instant::now() + within);
        }
        wait.as_mut().poll(cx)
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            // The answer may have begun while this waited.
            if this.poll_stalled(cx).is_pending() || this.progress.is_answered.get() {
                return Poll::Pending;
            }
            this.progress.has_stalled.set(true);
            return Poll::Ready(Some(Err("nothing came of the request's body for too long".into())));
        };
        this.is_waiting = false;
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            this.progress.bytes.set(this.progress.bytes.get() + data.len() as u64);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BrokenOff::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
