//! Detects how a connection begins: HTTP/1, HTTP/2, another protocol, or a service that sends first.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::exchange::context::WorkerContext;
use crate::http1::connection::{AfterExchange, Http1Connection, Opening};
use crate::http1::tcp_passthrough;
use crate::http1::upgraded::ResponseCheck;
use crate::protocol;
use crate::protocol::{Detected, Protocol, ServerFirstBytes, greeting};
use crate::socket::buffered_conn::BufferedConn;

/// How long a downstream may be silent before the sidecar checks whether the service sends first. An HTTP
/// client has a request when it connects, except for a browser that connects ahead.
const SILENCE: Duration = Duration::from_millis(300);

/// How long to wait for the service to send first. A mail server or a database sends its greeting
/// immediately. A service that handles one connection at a time must not be blocked by a silent client.
const SERVER_FIRST_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a silent new connection is kept open when the worker drains. Its downstream does not know of
/// the drain, and its first request may be in transit, or its thread may be waiting for a CPU. A browser
/// that connects ahead delays a drain by no more than this.
pub(super) const DRAIN_IDLE_GRACE: Duration = Duration::from_secs(2);

/// Which side has sent first.
enum FirstSender {
    Downstream,
    Service,
    Neither,
}

/// The initial state of a connection of this worker, and how long it may be silent.
pub(super) fn initial(worker: &WorkerContext) -> (Opening, Duration) {
    let head = worker.timeouts().head;
    if worker.protocol() == Protocol::Auto && !worker.speaks_http() && head > SILENCE {
        (Opening::Silent, SILENCE)
    } else {
        (Opening::First, head)
    }
}

/// Decides how to serve the connection before its first request.
pub(super) async fn open(connection: &mut Http1Connection) -> AfterExchange {
    match connection.worker.protocol() {
        Protocol::Tcp => Box::pin(tcp_passthrough::run(connection, None, ResponseCheck::Off)).await,
        // No request was parsed on this connection. It is closed if the service turns out to speak HTTP.
        Protocol::Auto if connection.worker.speaks_first() => {
            Box::pin(tcp_passthrough::run(connection, None, ResponseCheck::On)).await
        }
        Protocol::Auto | Protocol::Http => AfterExchange::Request,
    }
}

/// Classifies bytes that are not an HTTP/1 head. Only the first bytes of a connection can be another
/// protocol. A service that speaks HTTP never gets unparsed bytes.
pub(super) fn classify(connection: &Http1Connection, bytes: &[u8]) -> Detected {
    let worker = &connection.worker;
    if connection.opening == Opening::Later {
        return Detected::Http1;
    }
    match protocol::look(bytes) {
        Detected::Foreign if worker.protocol() != Protocol::Auto || worker.speaks_http() => Detected::Http1,
        detected => detected,
    }
}

/// The client is silent: connect to the service and wait briefly for it to send first. An HTTP client loses
/// nothing, and later finds an open connection to the service.
pub(super) async fn wait_for_service(connection: &mut Http1Connection) -> AfterExchange {
    connection.opening = Opening::First;
    let worker = Rc::clone(&connection.worker);
    let deadline = Instant::now() + worker.timeouts().head.saturating_sub(SILENCE);
    if let Some(upstream) = connect_and_wait(connection, &worker).await {
        worker.note_speaks_first();
        return Box::pin(tcp_passthrough::run(connection, Some(upstream), ResponseCheck::Off)).await;
    }
    connection.timer.arm(deadline);
    AfterExchange::Request
}

/// Returns the connection on which the service has sent first, if it has.
async fn connect_and_wait(connection: &mut Http1Connection, worker: &WorkerContext) -> Option<BufferedConn> {
    let _permit = worker.server_first_permits.try_acquire().ok()?;
    let mut upstream = worker.service.http1.connect(worker.timeouts().connect).await.ok()?.peer;
    connection.timer.arm(Instant::now() + SERVER_FIRST_TIMEOUT);
    match poll_fn(|cx| poll_first_sender(connection, cx, &mut upstream)).await {
        FirstSender::Service => return Some(upstream),
        FirstSender::Downstream => worker.service.http1.release(upstream, Instant::now()),
        FirstSender::Neither => {}
    }
    None
}

fn poll_first_sender(connection: &mut Http1Connection, cx: &mut Context<'_>, upstream: &mut BufferedConn) -> Poll<FirstSender> {
    if connection.timer.has_expired() || connection.worker.refuses_requests() {
        return Poll::Ready(FirstSender::Neither);
    }
    let worker = Rc::clone(&connection.worker);
    let scratch = &mut *worker.scratch.borrow_mut();
    match connection.downstream.poll_fill(cx, &mut scratch.input) {
        Poll::Ready(Ok(filled)) => {
            connection.downstream.unread(&scratch.input[..filled.length]);
            return Poll::Ready(FirstSender::Downstream);
        }
        Poll::Ready(Err(_)) => return Poll::Ready(FirstSender::Neither),
        Poll::Pending => {}
    }
    while let Poll::Ready(filled) = upstream.poll_fill(cx, &mut scratch.input) {
        let Ok(filled) = filled else { return Poll::Ready(FirstSender::Neither) };
        let first = &scratch.input[..filled.length];
        match greeting(first) {
            // An HTTP/1 server sends a 408 when it has waited long enough.
            ServerFirstBytes::Http => return Poll::Ready(FirstSender::Neither),
            ServerFirstBytes::Undecided if filled.ended => return Poll::Ready(FirstSender::Neither),
            ServerFirstBytes::Undecided => upstream.unread_partial(first),
            ServerFirstBytes::Foreign => {
                upstream.unread(first);
                return Poll::Ready(FirstSender::Service);
            }
        }
    }
    Poll::Pending
}
