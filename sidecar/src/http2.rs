//! Serves a downstream's connection that speaks HTTP/2, as gRPC does: each of its streams is an exchange.

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

/// Exchanges under way on one connection. Fewer are not recommended (RFC 9113, section 6.5.2);
/// a downstream that wants more connects again.
const STREAMS_MAX: u32 = 100;

/// Bytes of one body that may be under way before its receiver has taken some: what a stream can make us hold each way.
/// With half of that, a service whose sockets hold back small pieces (Nagle's algorithm) waits for a delayed
/// acknowledgement, 40 ms, each time it has filled the window: 10 MB took 7 s instead of 50 ms.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// As much as all streams of a connection may have under way together, so that one which nobody reads stops no other.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;

/// Bytes of a body that wait to be written.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Streams that were reset before they were looked at (CVE-2023-44487, "rapid reset"). More at once is no change of mind;
/// the connection is ended with ENHANCE_YOUR_CALM.
const RESETS_PENDING_MAX: usize = 20;

/// Streams that a downstream may make us reset by its own mistakes, for as long as its connection lasts.
const MISTAKES_MAX: usize = 256;

/// What the library counts for each field besides its name and value (RFC 9113, section 6.5.2). Its limit is higher than ours
/// by that, so that a head over our limits is mostly refused and counted here.
const FIELD_BYTES: usize = 32;

/// A stream that the library has reset because its head is malformed; it reports no reason.
const MALFORMED: Fault = Fault { status: 400, reason: Reason::Http2, why: "the head is malformed" };

/// How far the end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Not,
    /// GOAWAY was sent; exchanges under way are finished.
    Told,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Its address.
    pub address: IpAddr,
    /// The lines that tell the service of it.
    pub forwarded: &'a str,
}

/// Serves the connection until it is closed. Bytes that were read from it already, the preface above all, come first.
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
                // Whatever the error is, the downstream was told of it by GOAWAY, and its exchanges count themselves.
                let polled = connection.as_mut().poll(cx);
                (0..conduct.take_malformed()).for_each(|_| worker.count_refused(MALFORMED, caller.address, Cow::Borrowed("")));
                if polled.is_ready() {
                    return Poll::Ready(());
                }
                // Who connects while the sidecar is about to leave has not heard of it yet, and is served once.
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
    // The connection is gone, so each stream that is left finds that out and ends.
    streams.close();
    streams.wait().await;
}

/// The limits of one connection. A flood of CONTINUATION frames is ended by `h2` itself,
/// which counts those that a head within the limit can need.
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

/// The code with which the service has ended this stream, if only this stream was ended, and by the service.
fn reset_code(error: &hyper::Error) -> Option<h2::Reason> {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.filter(|cause| cause.is_reset() && cause.is_remote()).and_then(h2::Error::reason)
}

/// Whether only this stream was ended, and by the service.
fn is_reset(error: &hyper::Error) -> bool {
    reset_code(error).is_some()
}

/// Where the library's tasks run: on the worker's own thread, and known to whoever waits for their end.
#[derive(Debug, Clone)]
struct Streams(TaskTracker);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn_local(stream);
    }
}
