//! Moves the exchanges that the service handles over HTTP/2.

use std::task::{Context, Poll};
use std::time::Instant;

use http2::connection::handler::Writable;
use http2::limits::ExtendedConnect;

use crate::http2::connection::upstream_end::end_upstream;
use crate::http2::connection_state::{ConnectionState, OUTPUT_BYTES_MAX, Progress};
use crate::http2::proxied_exchange::Route;
use crate::http2::transfer::{Leg, TransferState};
use crate::http2::upstream_events::{Source, UpstreamEvents, UpstreamState};
use crate::upstream::http2::connection::{Flushed, UpstreamEnd, poll_write_output};

/// Serves all connections to the service.
pub(super) fn serve_upstreams(connection: &mut ConnectionState, cx: &mut Context<'_>, scratch: &mut [u8]) -> Progress {
    let (mut progress, mut position) = (Progress::None, 0);
    while position < connection.upstreams.len() {
        match serve_upstream(connection, position, cx, scratch) {
            Ok(served) => {
                progress = progress.or(served);
                position += 1;
            }
            Err(end) => {
                end_upstream(connection, position, end);
                progress = Progress::Some;
            }
        }
        connection.finish_events();
    }
    progress
}

/// Writes the requests, and reads the responses, of one connection to the service.
fn serve_upstream(
    connection: &mut ConnectionState,
    position: usize,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
) -> Result<Progress, UpstreamEnd> {
    let written = write_requests(connection, position, cx);
    let Some((id, upstream)) = connection.upstreams.at(position) else { return Ok(Progress::None) };
    if upstream.is_spent() {
        return Err(UpstreamEnd::Spent);
    }
    if connection.downstream.output().len() > OUTPUT_BYTES_MAX {
        return Ok(Progress::None);
    }
    let filled = match upstream.socket.poll_fill(cx, scratch) {
        // After a write error, the service's last responses may still be there to read.
        Poll::Pending => return written,
        Poll::Ready(filled) => filled?,
    };
    upstream.reads += u64::from(filled.length > 0 && !filled.ended);
    let input = &scratch[..filled.length];
    let mut state = UpstreamState::default();
    let mut events = UpstreamEvents {
        exchanges: &mut connection.exchanges,
        downstream: &mut connection.downstream,
        source: Source::Own { id, streams: &mut upstream.streams },
        state: &mut state,
    };
    let received = upstream.connection.receive(input, &mut events);
    upstream.is_proven |= state.settings;
    upstream.refused_at = if state.settings { None } else { state.refused_at.or(upstream.refused_at) };
    upstream.resets += state.resets;
    let is_proven = upstream.is_proven;
    if let Ok(read) = received {
        upstream.socket.unread_partial(&input[read..]);
    }
    // They are no longer on this connection, and go on even if it has failed after that.
    state.unprocessed.into_iter().for_each(|stream| connection.upstreams.wait(stream));
    match received {
        Ok(_) if filled.ended => return Err(UpstreamEnd::Closed),
        Ok(_) => {}
        Err(error) if is_proven => return Err(UpstreamEnd::Faulty(error)),
        Err(_) => return Err(UpstreamEnd::Foreign),
    }
    if connection.worker.service.http2.extended_connect() == ExtendedConnect::Announced {
        connection.downstream.announce_extended_connect();
    }
    state.writable.into_iter().for_each(|writable| queue_requests(connection, position, writable));
    Ok(Progress::Some)
}

/// Writes what waits for one connection to the service, and lets request bodies fill the room.
fn write_requests(connection: &mut ConnectionState, position: usize, cx: &mut Context<'_>) -> Result<Progress, UpstreamEnd> {
    let mut progress = Progress::None;
    loop {
        send_requests(connection, position);
        let Some((_, upstream)) = connection.upstreams.at(position) else { return Ok(progress) };
        let before = upstream.connection.output().len();
        let flushed = poll_write_output(cx, &mut upstream.connection, &mut upstream.socket)?;
        if upstream.connection.output().len() < before {
            progress = Progress::Some;
        }
        if flushed == Flushed::Partly || upstream.backlog.is_empty() || upstream.connection.connection_send_room() == 0 {
            return Ok(progress);
        }
    }
}

/// Lets request bodies go on whose window is open again.
fn queue_requests(connection: &mut ConnectionState, position: usize, writable: Writable) {
    let Some((id, upstream)) = connection.upstreams.at(position) else { return };
    let mut queue = |stream| {
        if let Some(exchange) = connection.exchanges.open.get_mut(&stream)
            && matches!(exchange.route, Route::Upstream { upstream, .. } if upstream == id)
            && exchange.request.has_waiting()
            && !std::mem::replace(&mut exchange.request.is_queued, true)
        {
            upstream.backlog.push_back(stream);
        }
    };
    match writable {
        Writable::Stream(stream) => upstream.streams.get(&stream).copied().into_iter().for_each(&mut queue),
        Writable::Connection => upstream.streams.values().copied().for_each(&mut queue),
    }
}

/// Sends what waits of the requests on one connection to the service, in turns.
fn send_requests(connection: &mut ConnectionState, position: usize) {
    let Some((id, upstream)) = connection.upstreams.at(position) else { return };
    while let Some(stream) = upstream.backlog.pop_front() {
        let Some(exchange) = connection.exchanges.open.get_mut(&stream) else { continue };
        let Route::Upstream { upstream: served, stream: to, .. } = exchange.route else { continue };
        if served != id {
            continue;
        }
        if upstream.connection.connection_send_room() == 0 {
            upstream.backlog.push_front(stream);
            break;
        }
        exchange.request.is_queued = false;
        let from = Leg::new(&mut connection.downstream, stream);
        let to = Leg::new(&mut upstream.connection, to);
        let moved = exchange.request.resume(Some(from), to, &mut connection.exchanges.ahead);
        if moved.bytes > 0 {
            exchange.moved = Instant::now();
        }
        match moved.state {
            TransferState::Turn | TransferState::Connection => {
                exchange.request.is_queued = true;
                upstream.backlog.push_back(stream);
            }
            TransferState::Ended => connection.exchanges.note_changed(stream),
            TransferState::Content | TransferState::StreamWindow | TransferState::Closed => {}
        }
    }
}
