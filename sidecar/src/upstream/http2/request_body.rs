//! The body of an HTTP/2 request: counts its bytes, and aborts when the client stops sending for too long.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// The progress of a request's body. The exchange and the connection to the service read it.
#[derive(Debug, Default)]
pub(crate) struct BodyProgress {
    /// Bytes received so far.
    pub(crate) bytes: Cell<u64>,
    /// No bytes arrived within the body timeout.
    pub(crate) has_stalled: Cell<bool>,
    /// The service has begun to respond. Both sides may then send at any time, as in a message stream.
    pub(crate) is_answered: Cell<bool>,
}

/// The body of a request.
pub(crate) struct RequestBody {
    body: Incoming,
    progress: Rc<BodyProgress>,
    timeout: Option<Duration>,
    wait: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl RequestBody {
    /// A body that must deliver bytes within each `timeout` until the response begins.
    pub(crate) fn new(body: Incoming, progress: Rc<BodyProgress>, timeout: Option<Duration>) -> Self {
        Self { body, progress, timeout, wait: None, is_waiting: false }
    }

    /// Ready when no bytes have arrived for too long. The library asks for more only after the service has
    /// accepted the previous bytes.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(within) = self.timeout.filter(|_| !self.progress.is_answered.get()) else { return Poll::Pending };
        let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            wait.as_mut().reset(Instant::now() + within);
        }
        wait.as_mut().poll(cx)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            // The response may have begun during this wait.
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

/// Why a response is aborted. A `hyper::Error` contains the code with which the service reset the stream;
/// the downstream's stream is reset with the same code.
pub(crate) type BrokenOff = Box<dyn std::error::Error + Send + Sync>;
