//! A body with a deadline, or one that marks its connection as active until it has been sent.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

use crate::connection_slots::ActiveRequest;

/// A body with an optional deadline and activity guard.
pub(super) struct Guarded<B> {
    body: B,
    deadline: Option<Pin<Box<Sleep>>>,
    _under_way: Option<ActiveRequest>,
}

/// The error of a body that missed its deadline.
#[derive(Debug)]
struct TooSlow;

impl std::fmt::Display for TooSlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request's body did not arrive in time")
    }
}

impl std::error::Error for TooSlow {}

impl<B> Guarded<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, deadline: None, _under_way: None }
    }

    /// Fails if the body's end has not arrived within this time.
    pub(super) fn within(self, time: Duration) -> Self {
        Self { deadline: Some(Box::pin(tokio::time::sleep(time))), ..self }
    }

    /// Holds the guard until the body is dropped.
    pub(super) fn holding(self, under_way: ActiveRequest) -> Self {
        Self { _under_way: Some(under_way), ..self }
    }
}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin> HttpBody for Guarded<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(TooSlow.into())));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
