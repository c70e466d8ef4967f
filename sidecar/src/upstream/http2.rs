//! The HTTP/2 connection to the service: one per worker, shared by all downstreams, reconnected when it ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use hyper::rt::Executor;

use crate::upstream::http2::request_body::RequestBody;
use crate::upstream::{ConnectError, UpstreamPool};

pub(crate) mod request_body;

/// The largest possible window (RFC 9113, section 6.9.1). Each stream has its own limit, and a stream that
/// its downstream does not read must not block the others.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// Reset streams that are remembered. Frames that the service still sends for them are then no protocol error.
const RESET_STREAMS_MAX: usize = 1024;

/// How long reset streams are remembered. The service is on the same machine.
const RESET_STREAMS_FOR: Duration = Duration::from_secs(1);

/// A connection may end just before a request is sent; the request then gets one more attempt.
const ATTEMPTS_MAX: usize = 2;

/// The connection that all requests of a worker share.
#[derive(Default)]
pub struct SharedConnection {
    current: RefCell<Rc<OnceCell<H2Connection>>>,
    tasks: TaskTracker,
}

#[derive(Clone)]
struct H2Connection {
    requests: SendRequest<RequestBody>,
    /// The service has answered at least once, so it supports HTTP/2.
    proven: Rc<Cell<bool>>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The service has reset this stream.
    #[error("the service has reset the stream")]
    Reset(#[source] hyper::Error),
    /// The head of the response is malformed, or exceeds the library's limit.
    #[error("the head of the service's answer is malformed or too large")]
    Malformed,
    /// The service does not speak HTTP/2.
    #[error("the service does not speak HTTP/2")]
    Foreign,
    /// The connection has ended.
    #[error("the service has closed the connection")]
    Closed,
}

impl SendError {
    /// The reason for a response whose head exceeds our limit.
    pub(crate) const TOO_LARGE: &'static str = "the head is over 512 KiB";
}

impl SharedConnection {
    /// Sends a request, and returns the head of its response.
    pub(crate) async fn send(
        &self,
        upstreams: &UpstreamPool,
        connect_timeout: Duration,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendError> {
        let mut is_proven = false;
        for _ in 0..ATTEMPTS_MAX {
            let mut connection = self.connection(upstreams, connect_timeout).await?;
            let mut error = match connection.requests.try_send_request(request).await {
                Ok(response) => {
                    connection.proven.set(true);
                    return Ok(response);
                }
                Err(error) => error,
            };
            is_proven = connection.proven.get();
            let unsent = error.take_message();
            let error = error.into_error();
            if is_reset(&error) {
                return Err(SendError::Reset(error));
            }
            if is_refused_here(&error) {
                return Err(SendError::Malformed);
            }
            match unsent {
                Some(unsent) if is_proven => request = unsent,
                _ => break,
            }
        }
        Err(if is_proven { SendError::Closed } else { SendError::Foreign })
    }

    /// Returns the current connection, or connects. Concurrent callers wait for the same attempt.
    async fn connection(&self, upstreams: &UpstreamPool, connect_timeout: Duration) -> Result<H2Connection, SendError> {
        let current = {
            let mut current = self.current.borrow_mut();
            if current.get().is_some_and(|connection| connection.requests.is_closed()) {
                *current = Rc::default();
            }
            Rc::clone(&current)
        };
        current.get_or_try_init(|| self.connect(upstreams, connect_timeout)).await.cloned()
    }

    async fn connect(&self, upstreams: &UpstreamPool, connect_timeout: Duration) -> Result<H2Connection, SendError> {
        let peer = upstreams.connect(connect_timeout).await?.peer;
        let mut builder = Builder::new(Streams(self.tasks.clone()));
        builder
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
            .max_header_list_size(2 * TRAILER_BYTES_MAX as u32)
            .max_concurrent_reset_streams(RESET_STREAMS_MAX)
            .reset_stream_duration(RESET_STREAMS_FOR)
            // They count streams that downstreams have cancelled. A limit would end the connection for all.
            .max_local_error_reset_streams(None);
        let (requests, connection) = builder.handshake(TokioIo::new(peer)).await.map_err(|_| SendError::Foreign)?;
        self.tasks.spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the service's HTTP/2 connection has ended");
            }
        });
        Ok(H2Connection { requests, proven: Rc::default() })
    }
}

/// Whether the library reset only this stream because it could not process the response's head.
fn is_refused_here(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_reset() && cause.is_library())
}

/// Bytes of trailers, or of a head, that are forwarded. gRPC sends error details there, sometimes 100 kB.
/// The library truncates what exceeds its own limit and reports no error. Our limit is lower, so that the
/// error names it.
pub(crate) const TRAILER_BYTES_MAX: usize = 512 * 1024;

/// The error code with which the service reset this stream; `None` if the whole connection ended or another
/// side reset it.
pub(crate) fn reset_code(error: &hyper::Error) -> Option<h2::Reason> {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.filter(|cause| cause.is_reset() && cause.is_remote()).and_then(h2::Error::reason)
}

/// Whether the service reset only this stream.
pub(crate) fn is_reset(error: &hyper::Error) -> bool {
    reset_code(error).is_some()
}

/// Flow-control window of one stream: the bytes of a body that each direction may buffer. With half of
/// that, 10 MB took 7 s instead of 50 ms from a service whose sockets delay small pieces (Nagle's
/// algorithm). It waited 40 ms for a delayed acknowledgement each time it had filled the window.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// Bytes of a body that may wait to be written.
pub(crate) const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The executor of the library's tasks. It runs them on the worker's own thread and tracks them, so that a
/// caller can wait for their end.
#[derive(Debug, Clone)]
pub(crate) struct Streams(pub(crate) TaskTracker);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn_local(stream);
    }
}
