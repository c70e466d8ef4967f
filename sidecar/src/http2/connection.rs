//! Serves one downstream connection over HTTP/2: moves bytes between its socket and those of the service.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http2::error_code::ErrorCode;
use http2::frame::StreamId;
use mesh::refusal::RefusalReason;

use crate::decorator::Released;
use crate::exchange::context::Scratch;
use crate::head::HeadFault;
use crate::http2::connection_state::{ConnectionState, Ended, OUTPUT_BYTES_MAX, Progress};
use crate::http2::downstream_events::DownstreamEvents;
use crate::http2::own_response;
use crate::http2::proxied_exchange::Route;
use crate::http2::transfer::Leg;
use crate::socket::buffered_conn::BufferedConn;
use crate::upstream::http2::connection::{Flushed, poll_write_output};

mod deadlines;
mod over_http1;
mod over_http2;
mod placement;
mod upstream_end;

/// The fault of a request over the limit of open streams. It was refused so that the client can send it again.
const TOO_MANY: HeadFault =
    HeadFault { status: 503, reason: RefusalReason::Http2, why: "the connection has more streams than SITIO_STREAMS_MAX" };

/// Serves the connection until it is over.
pub(super) fn poll(connection: &mut ConnectionState, socket: &mut BufferedConn, cx: &mut Context<'_>) -> Poll<()> {
    connection.set_waker(cx.waker());
    let worker = Rc::clone(&connection.worker);
    let ended = {
        let scratch = &mut *worker.scratch.borrow_mut();
        serve(connection, socket, cx, scratch).is_err()
    };
    if ended { Poll::Ready(()) } else { Poll::Pending }
}

fn serve(
    connection: &mut ConnectionState,
    socket: &mut BufferedConn,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
) -> Result<(), Ended> {
    let now = Instant::now();
    if connection.worker.is_ending() {
        return Err(Ended);
    }
    if connection.timer.has_expired() {
        deadlines::check_deadlines(connection, socket, cx, now)?;
    }
    loop {
        let mut progress = read_downstream(connection, socket, cx, &mut scratch.input, now)?;
        release_held(connection, cx);
        placement::place_waiting(connection, cx, &mut scratch.input);
        progress = progress.or(over_http2::serve_upstreams(connection, cx, &mut scratch.input));
        progress = progress.or(over_http1::serve_http1(connection, cx, scratch));
        progress = progress.or(write_downstream(connection, socket, cx)?);
        if progress == Progress::None {
            break;
        }
    }
    deadlines::check_lifecycle(connection, socket, cx, now)?;
    deadlines::arm_timer(connection, now);
    Ok(())
}

fn read_downstream(
    connection: &mut ConnectionState,
    socket: &mut BufferedConn,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
    now: Instant,
) -> Result<Progress, Ended> {
    if connection.downstream.output().len() > OUTPUT_BYTES_MAX {
        return Ok(Progress::None);
    }
    let filled = match socket.poll_fill(cx, scratch) {
        Poll::Pending => return Ok(Progress::None),
        Poll::Ready(filled) => filled.map_err(|_| Ended)?,
    };
    let input = &scratch[..filled.length];
    let mut events = DownstreamEvents {
        exchanges: &mut connection.exchanges,
        upstreams: &mut connection.upstreams,
        caller: connection.caller,
        forwarded: &connection.forwarded,
        requests: &mut connection.requests,
        is_drained: &mut connection.is_drained,
        receiver: connection.receiver.as_ref(),
        now,
    };
    let received = connection.downstream.receive(input, &mut events);
    connection.finish_events();
    for _ in 0..connection.take_refused() {
        connection.exchanges.count_refused(TOO_MANY, connection.caller, "".into());
    }
    match received {
        Ok(_) if filled.ended => return Err(Ended),
        Ok(read) => socket.unread_partial(&input[read..]),
        Err(error) => {
            tracing::debug!(%error, caller = %connection.caller, "the client breaks HTTP/2");
            return Err(connection.end_with_output(socket, cx));
        }
    }
    if connection.check_conduct(now).is_err() {
        connection.downstream.go_away(ErrorCode::ENHANCE_YOUR_CALM);
        return Err(connection.end_with_output(socket, cx));
    }
    Ok(Progress::Some)
}

/// Sends on the requests that decorators hold no longer, or answers them.
fn release_held(connection: &mut ConnectionState, cx: &mut Context<'_>) {
    while let Some((stream, released)) = connection.exchanges.held.poll_decided(cx) {
        let held = connection.exchanges.open.get_mut(&stream).filter(|exchange| exchange.route == Route::Held);
        let Some(exchange) = held else { continue };
        match released {
            Released::Pass(fields) => {
                exchange.head.add(&fields);
                exchange.route = Route::Waiting;
                connection.upstreams.wait(stream);
            }
            Released::Answer(answer) => {
                exchange.route = Route::None;
                exchange.record.answered_by_sitio(&answer);
                let response = own_response::of_decorator(&connection.worker, &answer, exchange.facts);
                connection.exchanges.answer(&mut connection.downstream, stream, &response);
            }
        }
    }
    connection.finish_events();
}

/// Sends what waits of the responses, in turns, and writes the output.
fn write_downstream(
    connection: &mut ConnectionState,
    socket: &mut BufferedConn,
    cx: &mut Context<'_>,
) -> Result<Progress, Ended> {
    let before = connection.downstream.output().len();
    loop {
        while connection.downstream.connection_send_room() > 0 {
            let Some(stream) = connection.exchanges.next_response() else { break };
            send_response(connection, stream);
        }
        let flushed = poll_write_output(cx, &mut connection.downstream, socket).map_err(|_| Ended)?;
        if flushed == Flushed::Partly
            || !connection.exchanges.has_queued_responses()
            || connection.downstream.connection_send_room() == 0
        {
            break;
        }
    }
    connection.finish_events();
    Ok(if before > 0 && connection.downstream.output().len() < before { Progress::Some } else { Progress::None })
}

fn send_response(connection: &mut ConnectionState, stream: StreamId) {
    let Some(exchange) = connection.exchanges.open.get(&stream) else { return };
    let to = Leg::new(&mut connection.downstream, stream);
    match (exchange.route, exchange.shared.clone()) {
        (Route::Upstream { upstream, stream, .. }, _) => {
            let from = connection.upstreams.get(upstream).map(|upstream| Leg::new(&mut upstream.connection, stream));
            connection.exchanges.resume_response(from, to);
        }
        (Route::Shared { stream, .. }, Some(shared)) => shared.with_connection(|from| {
            connection.exchanges.resume_response(Some(Leg::shared(from, stream)), to);
        }),
        _ => connection.exchanges.resume_response(None, to),
    }
}

/// Counts the exchanges that are under way as aborted, and gives the connections to the service back.
pub(super) fn close(connection: &mut ConnectionState, cx: &mut Context<'_>) {
    let streams: Vec<_> = connection.exchanges.open.keys().copied().collect();
    for stream in streams {
        connection.exchanges.detach(stream);
    }
    connection.exchanges.open.clear();
    connection.finish_events();
    for position in 0..connection.upstreams.len() {
        if let Some((_, upstream)) = connection.upstreams.at(position) {
            // The service learns that its responses are no longer wanted, if not by this, by the end of the connection.
            let _ = poll_write_output(cx, &mut upstream.connection, &mut upstream.socket);
        }
    }
    connection.upstreams.release_all(&connection.worker, Instant::now());
}
