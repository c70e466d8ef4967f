//! The deadlines of a downstream connection and its exchanges, and its end when it is idle or the worker leaves.

use std::task::Context;
use std::time::{Duration, Instant};

use http2::error_code::ErrorCode;
use mesh::refusal::RefusalReason;

use crate::exchange::error_response;
use crate::head::HeadFault;
use crate::http2::connection::upstream_end::end_upstream;
use crate::http2::connection_state::{CloseState, ConnectionState, Ended};
use crate::http2::own_response;
use crate::http2::proxied_exchange::{Overdue, ResponseProgress};
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::TICK;
use crate::upstream::http2::ServiceProtocol;
use crate::upstream::http2::connection::{UpstreamEnd, poll_write_output};

/// The refusal of a head, or of the connection's first frames, whose end does not arrive.
const TOO_SLOW: HeadFault = HeadFault { status: 408, reason: RefusalReason::Timeout, why: "the head did not arrive in time" };

/// How long an idle downstream keeps its connections to the service to itself. The next request then needs no look at
/// the worker's pool.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// How long a service may take to answer the preface of HTTP/2 before it is asked in HTTP/1.1. A service that speaks
/// HTTP/2 sends its SETTINGS at once; some others wait for more bytes.
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a client may take to answer the PING that follows GOAWAY.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// The opaque bytes of that PING.
const DRAIN_PING: [u8; 8] = *b"draining";

/// Ends what is overdue.
pub(super) fn check_deadlines(
    connection: &mut ConnectionState,
    socket: &mut BufferedConn,
    cx: &mut Context<'_>,
    now: Instant,
) -> Result<(), Ended> {
    connection.armed = None;
    connection.timer.disarm();
    if connection.head_deadline.is_some_and(|deadline| deadline <= now) {
        connection.exchanges.count_refused(TOO_SLOW, connection.caller, "".into());
        connection.downstream.go_away(ErrorCode::ENHANCE_YOUR_CALM);
        return Err(connection.end_with_output(socket, cx));
    }
    end_silent_upstreams(connection, now);
    let timeouts = *connection.worker.timeouts();
    let overdue = connection.exchanges.open.iter().filter_map(|(stream, exchange)| {
        let (at, what) = exchange.deadline(&timeouts)?;
        (at <= now).then_some((*stream, what))
    });
    let overdue: Vec<_> = overdue.collect();
    for (stream, what) in overdue {
        end_overdue(connection, stream, what);
    }
    connection.finish_events();
    Ok(())
}

/// Ends connections on which a service that may not speak HTTP/2 says nothing.
fn end_silent_upstreams(connection: &mut ConnectionState, now: Instant) {
    let is_unknown = connection.worker.service.http2.protocol() == ServiceProtocol::Unknown;
    let mut position = 0;
    while let Some((_, upstream)) = connection.upstreams.at(position) {
        if is_unknown && !upstream.is_proven && now.duration_since(upstream.opened) >= SETTINGS_TIMEOUT {
            end_upstream(connection, position, UpstreamEnd::Silent);
        } else {
            position += 1;
        }
    }
}

fn end_overdue(connection: &mut ConnectionState, stream: http2::frame::StreamId, what: Overdue) {
    let Some(exchange) = connection.exchanges.open.get_mut(&stream) else { return };
    let is_awaited = exchange.progress == ResponseProgress::Awaited;
    match what {
        Overdue::Response if is_awaited => {
            connection.exchanges.time_out(&mut connection.downstream, stream);
        }
        Overdue::Response => {
            let message = "The exchange took longer than its timeout.";
            connection.exchanges.break_off(&mut connection.downstream, stream, message);
        }
        Overdue::RequestBody if is_awaited => {
            let answer = error_response::for_request(error_response::STALLED, exchange.record.audience());
            exchange.record.answered_by_sitio(&answer);
            let response = own_response::plain(&connection.worker, &answer, exchange.facts);
            connection.exchanges.answer(&mut connection.downstream, stream, &response);
        }
        // The response is whole, and the client leaves its request unfinished.
        Overdue::RequestBody => connection.exchanges.detach(stream),
    }
    connection.exchanges.note_changed(stream);
}

/// Begins to close the connection if the worker leaves or the client is idle.
pub(super) fn check_lifecycle(
    connection: &mut ConnectionState,
    socket: &mut BufferedConn,
    cx: &mut Context<'_>,
    now: Instant,
) -> Result<(), Ended> {
    let is_busy = !connection.exchanges.open.is_empty();
    connection.idle_since = if is_busy { None } else { connection.idle_since.or(Some(now)) };
    let idle = connection.idle_since.map_or(Duration::ZERO, |since| now.duration_since(since));
    if idle >= KEPT_FOR && connection.upstreams.len() > 0 {
        connection.upstreams.release_all(&connection.worker, now);
    }
    // A client that connects while the sidecar prepares to leave does not know of it, so its first request is served.
    let is_leaving = connection.worker.refuses_requests() || (connection.worker.is_draining() && connection.requests > 0);
    match connection.close_state {
        CloseState::Open if is_leaving => {
            connection.downstream.drain();
            connection.downstream.ping(DRAIN_PING);
            connection.close_state = CloseState::Draining { since: now };
        }
        CloseState::Open if !is_busy && idle >= connection.worker.idle_timeout() => {
            connection.downstream.go_away(ErrorCode::NO_ERROR);
            connection.close_state = CloseState::GoawaySent;
        }
        CloseState::Draining { since } if connection.is_drained || now.duration_since(since) >= DRAIN_GRACE => {
            connection.downstream.go_away(ErrorCode::NO_ERROR);
            connection.close_state = CloseState::GoawaySent;
        }
        _ => {}
    }
    poll_write_output(cx, &mut connection.downstream, socket).map_err(|_| Ended)?;
    // A client that does not read what is left is not waited for.
    let is_read = connection.downstream.output().is_empty() || idle >= DRAIN_GRACE;
    let is_over = connection.close_state == CloseState::GoawaySent && !is_busy && is_read;
    if is_over { Err(Ended) } else { Ok(()) }
}

/// Sets the timer for the next look at the deadlines.
pub(super) fn arm_timer(connection: &mut ConnectionState, now: Instant) {
    let has_unfinished = connection.downstream.has_unfinished_head();
    let deadline = connection.head_deadline.unwrap_or_else(|| now + connection.worker.timeouts().head);
    connection.head_deadline = has_unfinished.then_some(deadline);
    let is_draining = connection.close_state != CloseState::Open;
    let at = match connection.idle_since {
        Some(since) if connection.head_deadline.is_none() && !is_draining => {
            since + if connection.upstreams.len() > 0 { KEPT_FOR } else { connection.worker.idle_timeout() }
        }
        // All deadlines are looked at when the timer expires, so that no exchange has to set it.
        _ => now + TICK,
    };
    if connection.armed.is_none_or(|armed| armed > at) {
        connection.armed = Some(at);
        connection.timer.arm(at);
    }
}
