//! Bodies of HTTP/2 on their way: counted as they pass, never held.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use crate::http2::account::Account;

/// The body of a request.
pub(crate) struct Sent {
    body: Incoming,
    bytes: Rc<Cell<u64>>,
}

/// The body of a response.
pub(super) enum Carried {
    /// The service's.
    Service(Response),
    /// The sidecar's own, until it was sent.
    Own(Option<Bytes>),
}

/// The rest of a response of the service.
pub(super) struct Response {
    body: Incoming,
    account: Account,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Why a response breaks off; a `hyper::Error` says with which code the service has reset the stream, and so do we.
pub(super) type BrokenOff = Box<dyn std::error::Error + Send + Sync>;

impl Sent {
    /// A body whose bytes are counted there.
    pub(super) fn new(body: Incoming, bytes: Rc<Cell<u64>>) -> Self {
        Self { body, bytes }
    }
}

impl Carried {
    /// The service's; it is counted when it is through, and broken off at the deadline, if there is one.
    pub(super) fn service(body: Incoming, account: Account, deadline: Option<Pin<Box<Sleep>>>) -> Self {
        let mut response = Response { body, account, deadline };
        response.note_end();
        Self::Service(response)
    }

    /// The sidecar's own.
    pub(super) fn own(body: Bytes) -> Self {
        Self::Own((!body.is_empty()).then_some(body))
    }
}

impl Response {
    /// The library does not ask again once the last piece has said that it is the last.
    fn note_end(&mut self) {
        if self.body.is_end_stream() {
            self.account.through();
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            self.bytes.set(self.bytes.get() + data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Response {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            self.account.broken_off();
            return Poll::Ready(Some(Err("the exchange takes too long".into())));
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => {
                self.account.through();
                return Poll::Ready(None);
            }
            Some(Err(error)) => {
                self.account.broken_off();
                return Poll::Ready(Some(Err(error.into())));
            }
            Some(Ok(frame)) => frame,
        };
        if let Some(data) = frame.data_ref() {
            self.account.received(data.len());
            self.note_end();
        } else if let Some(trailers) = frame.trailers_ref() {
            self.account.look_at(trailers);
            self.account.through();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Carried {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Service(response) => Pin::new(response).poll_frame(cx),
            Self::Own(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Service(response) => response.is_end_stream(),
            Self::Own(body) => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Service(response) => response.size_hint(),
            Self::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
        }
    }
}
