//! Serves a downstream's connection that speaks HTTP/2, as gRPC does: each of its streams is an exchange.

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
use tokio_util::task::TaskTracker;

use crate::head::HEAD_BYTES_MAX;
use crate::http2::conduct::Conduct;
use crate::tunnel::peer::Peer;
use crate::watch::Watch;
use crate::worker::state::Worker;

mod account;
mod body;
mod conduct;
mod exchange;
mod fields;
mod grpc;
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
        let mut connection = pin!(builder(&streams).serve_connection(TokioIo::new(downstream), service));
        let idle = worker.timeouts().idle;
        watch.arm(Instant::now() + idle);
        let mut ending = Ending::Not;
        poll_fn(|cx| {
            loop {
                let is_idle = watch.has_expired() && streams.is_empty();
                if worker.is_ending() || conduct.is_hostile() || (is_idle && ending == Ending::Told) {
                    return Poll::Ready(());
                }
                if watch.has_expired() {
                    watch.arm(Instant::now() + idle);
                }
                // Whatever the error is, the downstream was told of it by GOAWAY, and its exchanges count themselves.
                if connection.as_mut().poll(cx).is_ready() {
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
fn builder(streams: &TaskTracker) -> Builder<Streams> {
    let mut builder = Builder::new(Streams(streams.clone()));
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(MISTAKES_MAX);
    builder
}

/// Where the library's tasks run: on the worker's own thread, and known to whoever waits for their end.
#[derive(Debug, Clone)]
struct Streams(TaskTracker);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn_local(stream);
    }
}
