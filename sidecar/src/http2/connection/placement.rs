//! Finds connections for the requests that wait for one, and opens them.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http2::frame::StreamId;

use crate::decorator::retry_policy::RetryCause;
use crate::exchange::error_response;
use crate::head::HeadFault;
use crate::http2::connection_state::ConnectionState;
use crate::http2::http1_upstream::Http1Upstream;
use crate::http2::own_response;
use crate::http2::proxied_exchange::Route;
use crate::http2::upstreams::Placed;
use crate::recorder::completed_exchange::Author;
use crate::upstream::http2::ServiceProtocol;
use crate::upstream::http2::connection::Http2Upstream;
use crate::upstream::service_pools::ServicePools;
use crate::upstream::{ConnectError, ReuseCheck, Upstream};

/// Connections to the service that one downstream connection may have at once. More requests wait for one of them. A
/// service that allows a single stream for each connection still gets this many requests of a client at a time.
const UPSTREAMS_MAX: usize = 128;

/// Sends the requests that wait for a connection, and opens connections for them.
pub(super) fn place_waiting(connection: &mut ConnectionState, cx: &mut Context<'_>, scratch: &mut [u8]) {
    let worker = Rc::clone(&connection.worker);
    while let Some(stream) = connection.upstreams.next_waiting() {
        let waiting = connection.exchanges.open.get_mut(&stream).filter(|exchange| exchange.route == Route::Waiting);
        let Some(exchange) = waiting else {
            connection.upstreams.pop_waiting();
            continue;
        };
        let care = if exchange.is_idempotent { ReuseCheck::Usual } else { ReuseCheck::Utmost };
        if let Some(service) = exchange.record.other_service() {
            if connection.over_http1.len() + connection.upstreams.waiting_elsewhere() >= UPSTREAMS_MAX {
                break;
            }
            let within = exchange.record.connect_within();
            connection.upstreams.pop_waiting();
            connection.upstreams.connect_elsewhere(stream, service, care, within);
            continue;
        }
        let protocol = worker.service.http2.protocol();
        if protocol == ServiceProtocol::Http1 {
            if connection.over_http1.len() >= UPSTREAMS_MAX {
                break;
            }
            let Some(upstream) = worker.service.http1.acquire(care).or_else(|| connect(connection, cx)) else { break };
            connection.upstreams.pop_waiting();
            start_over_http1(connection, cx, stream, (upstream, Rc::clone(&worker.service)));
            continue;
        }
        match connection.upstreams.place(protocol, stream, exchange) {
            Placed::Sent => drop(connection.upstreams.pop_waiting()),
            Placed::Later => break,
            Placed::NoRoom if connection.upstreams.len() >= UPSTREAMS_MAX => break,
            Placed::NoRoom if connection.upstreams.acquire(&worker, scratch) => {}
            Placed::NoRoom if connection.upstreams.has_unproven() => break,
            Placed::NoRoom => {
                let Some(upstream) = connect(connection, cx) else { break };
                connection.upstreams.insert(Http2Upstream::new(upstream.peer, Instant::now()));
            }
        }
    }
    if !connection.upstreams.has_waiting() {
        // Nothing polls it any more, and it would be old when it is needed.
        connection.upstreams.stop_connecting();
    }
    while let Some((stream, service, connected)) = connection.upstreams.poll_elsewhere(cx) {
        match connected {
            Ok(upstream) => start_over_http1(connection, cx, stream, (upstream, service)),
            Err(error) => fail_connect(connection, stream, &error),
        }
    }
    connection.finish_events();
}

/// A new connection, once it is open. If it cannot be opened, all requests that wait have failed.
fn connect(connection: &mut ConnectionState, cx: &mut Context<'_>) -> Option<Upstream> {
    let worker = Rc::clone(&connection.worker);
    match connection.upstreams.poll_connect(cx, &worker) {
        Poll::Pending => None,
        Poll::Ready(Ok(upstream)) => Some(upstream),
        Poll::Ready(Err(error)) => {
            fail_waiting(connection, &error);
            None
        }
    }
}

/// Ends all exchanges that wait for a connection. The service may speak another protocol when it is there again.
fn fail_waiting(connection: &mut ConnectionState, error: &ConnectError) {
    if connection.worker.service.http2.protocol() == ServiceProtocol::Http1 {
        connection.worker.service.http2.ask_again(Instant::now());
    }
    for stream in connection.upstreams.take_waiting() {
        // Those for another address do not depend on this one.
        let waiting = connection.exchanges.open.get(&stream);
        if waiting.is_some_and(|exchange| exchange.record.other_service().is_some()) {
            connection.upstreams.wait(stream);
        } else {
            fail_connect(connection, stream, error);
        }
    }
}

/// Ends an exchange for which there is no connection, unless a decorator lets it wait and be sent again.
fn fail_connect(connection: &mut ConnectionState, stream: StreamId, error: &ConnectError) {
    let waiting = connection.exchanges.open.get_mut(&stream).filter(|exchange| exchange.route == Route::Waiting);
    let Some(exchange) = waiting else { return };
    let author = error_response::author(error);
    if author == Author::Service
        && let Some(wait) = exchange.next_retry(RetryCause::Connect)
    {
        return connection.exchanges.retry_after(stream, wait);
    }
    exchange.record.set_author(author);
    let answer = error_response::for_connect_error(error, exchange.record.audience());
    connection.exchanges.fail(&mut connection.downstream, stream, &answer);
}

/// Sends a request that has waited over HTTP/1, unless its client has left.
fn start_over_http1(
    connection: &mut ConnectionState,
    cx: &mut Context<'_>,
    stream: StreamId,
    upstream: (Upstream, Rc<ServicePools>),
) {
    let waiting = connection.exchanges.open.get_mut(&stream).filter(|exchange| exchange.route == Route::Waiting);
    let Some(exchange) = waiting else { return };
    match Http1Upstream::start(cx, upstream, exchange) {
        Ok(http1) => {
            exchange.route = Route::Http1;
            connection.over_http1.push((stream, http1));
        }
        Err(fault) => refuse_translation(connection, stream, fault),
    }
}

fn refuse_translation(connection: &mut ConnectionState, stream: StreamId, fault: HeadFault) {
    let Some(exchange) = connection.exchanges.open.get_mut(&stream) else { return };
    let answer = error_response::for_request(fault, exchange.record.audience());
    exchange.record.answered_by_sitio(&answer);
    let response = own_response::plain(&connection.worker, &answer, exchange.facts);
    connection.exchanges.answer(&mut connection.downstream, stream, &response);
}
