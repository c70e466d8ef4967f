//! Forwards the bodies of HTTP/2 responses; counts them and never buffers them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use crate::http2::exchange_record::ExchangeRecord;
use crate::http2::{fields, grpc};
use crate::upstream::http2::TRAILER_BYTES_MAX;
use crate::upstream::http2::request_body::BrokenOff;

/// The body of a response.
pub(super) enum DownstreamBody {
    /// From the service.
    Service(UpstreamBody),
    /// From the sidecar, until it is sent.
    Own(Option<Bytes>),
}

/// The rest of a service's response.
pub(super) struct UpstreamBody {
    body: Incoming,
    record: ExchangeRecord,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Remaining bytes, if the head declares a length and trailers do not matter.
    left: Option<u64>,
    is_over: bool,
}

impl DownstreamBody {
    /// A body of the service. It is counted when it is complete, and aborted at the deadline, if there is
    /// one. With a declared length it is complete after that many bytes. An empty frame may follow, but a
    /// client need not wait for it.
    pub(super) fn service(
        body: Incoming,
        record: ExchangeRecord,
        deadline: Option<Pin<Box<Sleep>>>,
        length: Option<u64>,
    ) -> Self {
        let mut response = UpstreamBody { body, record, deadline, left: length, is_over: false };
        response.note_end(0);
        Self::Service(response)
    }

    /// A body of the sidecar.
    pub(super) fn own(body: Bytes) -> Self {
        Self::Own((!body.is_empty()).then_some(body))
    }
}

/// The bytes of all names and values.
pub(super) fn field_bytes(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

impl UpstreamBody {
    /// Counts bytes and detects the end. The library does not poll again after the piece that is marked as the last.
    fn note_end(&mut self, bytes: usize) {
        self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
        if self.left == Some(0) || self.body.is_end_stream() {
            self.record.complete();
        }
    }

    /// Ends a gRPC response that the service has not ended, and returns its trailers. Without trailers, the
    /// client would see a protocol error and not retry.
    fn end_grpc(&mut self, error: BrokenOff, message: &'static str) -> Frame<Bytes> {
        tracing::debug!(%error, "a gRPC response was aborted");
        self.is_over = true;
        self.record.unavailable();
        Frame::trailers(grpc::unavailable_trailers(message))
    }

    fn take_trailers(&mut self, mut trailers: HeaderMap) -> Result<Frame<Bytes>, BrokenOff> {
        if field_bytes(&trailers) > TRAILER_BYTES_MAX {
            self.is_over = true;
            self.record.set_too_large("trailers too large");
            self.record.close();
            let is_grpc = self.record.is_grpc();
            return is_grpc.then(|| Frame::trailers(grpc::trailers_too_large())).ok_or("the trailers are over 512 KiB".into());
        }
        fields::drop_ours(&mut trailers);
        self.record.read_grpc_status(&trailers);
        self.record.complete();
        Ok(Frame::trailers(trailers))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            let error = BrokenOff::from("the exchange timed out");
            if this.record.is_grpc() {
                let trailers = this.end_grpc(error, "The exchange took longer than SITIO_EXCHANGE_TIMEOUT.");
                return Poll::Ready(Some(Ok(trailers)));
            }
            this.record.abort();
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            None => {
                this.record.complete();
                return Poll::Ready(None);
            }
            // The service reset only this stream, and its code states the reason.
            Some(Err(error)) if !this.record.is_grpc() || crate::upstream::http2::is_reset(&error) => {
                this.record.abort_by_reset(&error);
                return Poll::Ready(Some(Err(error.into())));
            }
            Some(Err(error)) => {
                return Poll::Ready(Some(Ok(
                    this.end_grpc(error.into(), "The service behind this sidecar closed the connection.")
                )));
            }
            Some(Ok(frame)) => frame,
        };
        Poll::Ready(Some(match frame.into_trailers() {
            Ok(trailers) => this.take_trailers(trailers),
            Err(frame) => {
                if let Some(data) = frame.data_ref() {
                    this.record.add_bytes(data.len());
                    this.note_end(data.len());
                }
                Ok(frame)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for DownstreamBody {
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
