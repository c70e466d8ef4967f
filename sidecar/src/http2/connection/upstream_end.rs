//! What becomes of the exchanges on a connection to the service that has ended.

use std::time::Instant;

use http2::frame::StreamId;

use crate::decorator::retry_policy::RetryCause;
use crate::exchange::error_response;
use crate::head::answer::Answer;
use crate::head::answer::Audience;
use crate::http2::connection_state::ConnectionState;
use crate::http2::proxied_exchange::{ProxiedExchange, ResponseProgress, Route};
use crate::upstream::http2::ServiceProtocol;
use crate::upstream::http2::connection::UpstreamEnd;

/// Removes a connection, and ends its exchanges or sends their requests again.
pub(super) fn end_upstream(connection: &mut ConnectionState, position: usize, end: UpstreamEnd) {
    let Some((id, upstream)) = connection.upstreams.remove(position) else { return };
    let is_foreign = !upstream.is_proven && upstream.connection.received_go_away().is_none() && end != UpstreamEnd::Spent;
    if is_foreign {
        let pool = &connection.worker.service.http2;
        match (pool.protocol(), end) {
            (_, UpstreamEnd::Foreign) => pool.set_protocol(ServiceProtocol::Http1),
            // It may have been restarted, or speak another protocol: the next requests find out.
            (ServiceProtocol::Unknown, _) => pool.assume_http1(Instant::now()),
            _ => pool.set_protocol(ServiceProtocol::Unknown),
        }
    }
    let mut streams: Vec<(StreamId, StreamId)> = upstream.streams.iter().map(|(from, to)| (*from, *to)).collect();
    // The requests are sent again in the order in which they came.
    streams.sort_unstable();
    for (from, to) in streams {
        let Some(exchange) = connection.exchanges.open.get_mut(&to) else { continue };
        let Route::Upstream { upstream: served, stream, reads } = exchange.route else { continue };
        if (served, stream) != (id, from) {
            continue;
        }
        exchange.route = Route::None;
        exchange.response.detach_sender(&mut connection.exchanges.ahead);
        // A service that answers the preface in another protocol has not processed the requests behind it. Another end says
        // nothing about them.
        let is_silent = (upstream.reads == reads && exchange.is_idempotent) || end == UpstreamEnd::Foreign;
        if exchange.response.is_complete() {
            exchange.request.discard(&mut connection.downstream, &mut connection.exchanges.ahead);
            connection.exchanges.note_changed(to);
        } else if is_silent && may_be_sent_again(exchange) {
            exchange.route = Route::Waiting;
            connection.upstreams.wait(to);
        } else if is_reset(end)
            && let Some(wait) = exchange.next_retry(RetryCause::Reset)
        {
            connection.exchanges.retry_after(to, wait);
        } else {
            let answer = answer_to(end, exchange.record.audience());
            connection.exchanges.fail(&mut connection.downstream, to, &answer);
        }
    }
}

/// The service closes idle connections at any time, perhaps just when a request is on its way.
fn may_be_sent_again(exchange: &mut ProxiedExchange) -> bool {
    exchange.progress == ResponseProgress::Awaited && exchange.attempts < 2 && exchange.request.rewind()
}

/// Whether the service has closed the connection, or is silent. Otherwise it breaks the protocol, and would again.
fn is_reset(end: UpstreamEnd) -> bool {
    matches!(end, UpstreamEnd::Closed | UpstreamEnd::Silent | UpstreamEnd::Spent)
}

fn answer_to(end: UpstreamEnd, audience: Audience) -> Answer {
    match end {
        UpstreamEnd::Foreign => error_response::invalid_response("it does not speak HTTP/2", audience),
        UpstreamEnd::Closed | UpstreamEnd::Silent | UpstreamEnd::Spent => error_response::reset(audience),
        UpstreamEnd::Faulty(error) => error_response::invalid_response(error.reason, audience),
    }
}
