//! Serves a downstream connection that uses HTTP/2, for example gRPC. Each stream is an exchange.

use std::borrow::Cow;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mesh::refusal::RefusalReason;
use tokio_util::task::TaskTracker;

use crate::exchange::context::WorkerContext;
use crate::head::{HeadFault, HeadLimits};
use crate::http2::exchange_record::Downstream;
use crate::http2::reset_limiter::ResetLimiter;
use crate::http2::resets::ResetObserver;
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::Deadline;
use crate::upstream::http2::{SEND_BUFFER_BYTES_MAX, STREAM_WINDOW_BYTES, Streams};

mod body;
mod exchange;
mod exchange_record;
mod fields;
mod grpc;
mod own_response;
mod reset_limiter;
mod resets;

/// Concurrent exchanges on one connection. RFC 9113, section 6.5.2, recommends no fewer. A downstream that
/// needs more opens another connection.
const STREAMS_MAX: u32 = 100;

/// The sum of all stream windows, so that one unread stream does not block the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;

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
const MALFORMED: HeadFault = HeadFault { status: 400, reason: RefusalReason::Http2, why: "the head is malformed" };

/// The state of the connection's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseState {
    Open,
    /// GOAWAY was sent. Exchanges in progress are finished.
    GoawaySent,
}

/// The downstream of a connection.
#[derive(Debug, Clone, Copy)]
pub struct DownstreamPeer<'a> {
    /// Its address.
    pub address: IpAddr,
    /// The header lines that describe the downstream to the service.
    pub forwarded: &'a str,
}

/// Serves the connection until it is closed. Bytes already read from it, such as the preface, come first.
pub async fn serve(worker: &Rc<WorkerContext>, downstream: &mut BufferedConn, timer: &Deadline, caller: DownstreamPeer<'_>) {
    let streams = TaskTracker::new();
    let reset_limiter = Rc::<ResetLimiter>::default();
    let forwarded = fields::forwarded(worker.forwarding(), caller.forwarded);
    let shared = Rc::new(Downstream {
        worker: Rc::clone(worker),
        reset_limiter: Rc::clone(&reset_limiter),
        forwarded,
        address: caller.address,
    });
    let service = service_fn(|request| exchange::carry(Rc::clone(&shared), request));
    {
        let observed = ResetObserver::new(downstream, Rc::clone(&reset_limiter));
        let mut connection = pin!(builder(&streams, worker.limits()).serve_connection(TokioIo::new(observed), service));
        timer.arm(Instant::now() + worker.idle_timeout());
        let mut close_state = CloseState::Open;
        poll_fn(|cx| {
            loop {
                let is_idle = timer.has_expired() && streams.is_empty();
                if worker.is_ending() || reset_limiter.is_hostile() || (is_idle && close_state == CloseState::GoawaySent) {
                    return Poll::Ready(());
                }
                if timer.has_expired() {
                    timer.arm(Instant::now() + worker.idle_timeout());
                }
                // The library has sent GOAWAY for any error, and each exchange records its own end.
                let polled = connection.as_mut().poll(cx);
                (0..reset_limiter.take_malformed())
                    .for_each(|_| worker.count_refused(MALFORMED, caller.address, Cow::Borrowed("")));
                if polled.is_ready() {
                    return Poll::Ready(());
                }
                // A downstream that connects while the sidecar prepares to leave does not know of it, so
                // its first request is served.
                let is_leaving = worker.is_shut() || (worker.is_draining() && reset_limiter.has_requests());
                if close_state == CloseState::GoawaySent || !(is_leaving || is_idle) {
                    return Poll::Pending;
                }
                close_state = CloseState::GoawaySent;
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
fn builder(streams: &TaskTracker, limits: HeadLimits) -> Builder<Streams> {
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
