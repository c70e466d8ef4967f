//! Serves a downstream connection that uses HTTP/2, for example gRPC. Each stream is an exchange.

use std::borrow::Cow;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mesh::refusal::Reason;
use tokio_util::task::TaskTracker;

use crate::head::{Fault, Limits};
use crate::http2::conduct::Conduct;
use crate::http2::resets::Watched;
use crate::tunnel::peer::Peer;
use crate::watch::Watch;
use crate::worker::state::Worker;

mod account;
mod body;
mod conduct;
mod exchange;
mod fields;
mod grpc;
mod request_body;
mod resets;
pub mod upstream;

/// Concurrent exchanges on one connection. RFC 9113, section 6.5.2, recommends no fewer. A downstream that
/// needs more opens another connection.
const STREAMS_MAX: u32 = 100;

/// Flow-control window of one stream: the bytes of a body that each direction may buffer. With half of
/// that, 10 MB took 7 s instead of 50 ms from a service whose sockets delay small pieces (Nagle's
/// algorithm). It waited 40 ms for a delayed acknowledgement each time it had filled the window.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// The sum of all stream windows, so that one unread stream does not block the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;

/// Bytes of a body that may wait to be written.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Streams reset before they were accepted (CVE-2023-44487, "rapid reset"). More at once is an attack, and
/// the connection is closed with ENHANCE_YOUR_CALM.
const RESETS_PENDING_MAX: usize = 20;

/// Streams that the sidecar may have to reset because of downstream errors, over the life of a connection.
const MISTAKES_MAX: usize = 256;

/// The bytes that the library counts for each field besides name and value (RFC 9113, section 6.5.2). The
/// library's limit is higher than ours by that much. A head over our limits is therefore mostly refused and
/// counted here.
const FIELD_BYTES: usize = 32;

/// The fault for a stream that the library has reset because its head is malformed. The library reports no reason.
const MALFORMED: Fault = Fault { status: 400, reason: Reason::Http2, why: "the head is malformed" };

/// The state of the connection's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Not,
    /// GOAWAY was sent. Exchanges in progress are finished.
    Told,
}

/// The downstream of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Its address.
    pub address: IpAddr,
    /// The header lines that describe the downstream to the service.
    pub forwarded: &'a str,
}

/// Serves the connection until it is closed. Bytes already read from it, such as the preface, come first.
pub async fn serve(worker: &Rc<Worker>, downstream: &mut Peer, watch: &Watch, caller: Caller<'_>) {
    let streams = TaskTracker::new();
    let conduct = Rc::<Conduct>::default();
    let forwarded = fields::forwarded(worker.forwarding(), caller.forwarded);
    let side = Rc::new(exchange::Downstream {
        worker: Rc::clone(worker),
        conduct: Rc::clone(&conduct),
        forwarded,
        address: caller.address,
    });
    let service = service_fn(|request| exchange::carry(Rc::clone(&side), request));
    {
        let watched = Watched::new(downstream, Rc::clone(&conduct));
        let mut connection = pin!(builder(&streams, worker.limits()).serve_connection(TokioIo::new(watched), service));
        watch.arm(Instant::now() + worker.idle_timeout());
        let mut ending = Ending::Not;
        poll_fn(|cx| {
            loop {
                let is_idle = watch.has_expired() && streams.is_empty();
                if worker.is_ending() || conduct.is_hostile() || (is_idle && ending == Ending::Told) {
                    return Poll::Ready(());
                }
                if watch.has_expired() {
                    watch.arm(Instant::now() + worker.idle_timeout());
                }
                // The library has sent GOAWAY for any error, and each exchange records its own end.
                let polled = connection.as_mut().poll(cx);
                (0..conduct.take_malformed()).for_each(|_| worker.count_refused(MALFORMED, caller.address, Cow::Borrowed("")));
                if polled.is_ready() {
                    return Poll::Ready(());
                }
                // A downstream that connects while the sidecar prepares to leave does not know of it, so
                // its first request is served.
                let is_leaving = worker.is_shut() || (worker.is_draining() && conduct.has_asked());
                if ending == Ending::Told || !(is_leaving || is_idle) {
                    return Poll::Pending;
                }
                ending = Ending::Told;
                connection.as_mut().graceful_shutdown();
            }
        })
        .await;
    }
    // The connection is closed, so each remaining stream notices and ends.
    streams.close();
    streams.wait().await;
}

/// The limits of one connection. `h2` itself ends a flood of CONTINUATION frames: it counts the frames that
/// a head within the limit can need.
fn builder(streams: &TaskTracker, limits: Limits) -> Builder<Streams> {
    let mut builder = Builder::new(Streams(streams.clone()));
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(u32::try_from(limits.head_bytes + limits.fields * FIELD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(MISTAKES_MAX);
    builder
}

/// The error code with which the service reset this stream; `None` if the whole connection ended or another
/// side reset it.
fn reset_code(error: &hyper::Error) -> Option<h2::Reason> {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.filter(|cause| cause.is_reset() && cause.is_remote()).and_then(h2::Error::reason)
}

/// Whether the service reset only this stream.
fn is_reset(error: &hyper::Error) -> bool {
    reset_code(error).is_some()
}

/// The executor of the library's tasks. It runs them on the worker's own thread and tracks them, so that a
/// caller can wait for their end.
#[derive(Debug, Clone)]
struct Streams(TaskTracker);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn_local(stream);
    }
}
