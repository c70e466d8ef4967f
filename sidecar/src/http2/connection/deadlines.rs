//! The deadlines of a downstream connection and its exchanges, and its end when it is idle or the worker leaves.

use std::task::Context;
use std::time::{Duration, Instant};

use http2::error_code::ErrorCode;

use crate::exchange::error_response;
use crate::http2::connection::upstream_end::UpstreamEnd;
use crate::http2::connection::{CloseState, Ended, Http2Connection, TICK};
use crate::http2::own_response;
use crate::http2::proxied_exchange::{Overdue, ResponseProgress};
use crate::upstream::http2::{ServiceProtocol, poll_write_output};

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

impl Http2Connection<'_> {
    /// Ends what is overdue.
    pub(super) fn check_deadlines(&mut self, now: Instant) -> Result<(), Ended> {
        self.armed = None;
        self.timer.disarm();
        if self.head_deadline.is_some_and(|deadline| deadline <= now) {
            self.exchanges.count_refused(super::TOO_SLOW, self.caller, "".into());
            self.downstream.go_away(ErrorCode::ENHANCE_YOUR_CALM);
            return Err(Ended);
        }
        self.end_silent_upstreams(now);
        let timeouts = *self.worker.timeouts();
        let overdue = self.exchanges.open.iter().filter_map(|(stream, exchange)| {
            let (at, what) = exchange.deadline(&timeouts)?;
            (at <= now).then_some((*stream, what))
        });
        let overdue: Vec<_> = overdue.collect();
        for (stream, what) in overdue {
            self.end_overdue(stream, what);
        }
        self.finish_events();
        Ok(())
    }

    /// Ends connections on which a service that may not speak HTTP/2 says nothing.
    fn end_silent_upstreams(&mut self, now: Instant) {
        let is_unknown = self.worker.http2.protocol() == ServiceProtocol::Unknown;
        let mut position = 0;
        while let Some((_, upstream)) = self.upstreams.at(position) {
            if is_unknown && !upstream.is_proven && now.duration_since(upstream.opened) >= SETTINGS_TIMEOUT {
                self.end_upstream(position, UpstreamEnd::Foreign);
            } else {
                position += 1;
            }
        }
    }

    fn end_overdue(&mut self, stream: http2::frame::StreamId, what: Overdue) {
        let Some(exchange) = self.exchanges.open.get_mut(&stream) else { return };
        let is_awaited = exchange.progress == ResponseProgress::Awaited;
        match what {
            Overdue::Response if is_awaited => {
                let answer = error_response::timed_out(exchange.audience);
                self.exchanges.fail(&mut self.downstream, stream, &answer);
            }
            Overdue::Response => {
                let message = "The exchange took longer than SITIO_EXCHANGE_TIMEOUT.";
                self.exchanges.break_off(&mut self.downstream, stream, message);
            }
            Overdue::RequestBody if is_awaited => {
                let answer = error_response::for_request(error_response::STALLED, exchange.audience);
                exchange.record.answered_by_sitio(&answer);
                let response = own_response::plain(&self.worker, &answer, exchange.facts);
                self.exchanges.answer(&mut self.downstream, stream, &response);
            }
            // The response is whole, and the client leaves its request unfinished.
            Overdue::RequestBody => self.exchanges.detach(stream),
        }
        self.exchanges.note_changed(stream);
    }

    /// Begins to close the connection if the worker leaves or the client is idle.
    pub(super) fn check_lifecycle(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Ended> {
        let is_busy = !self.exchanges.open.is_empty();
        self.idle_since = if is_busy { None } else { self.idle_since.or(Some(now)) };
        let idle = self.idle_since.map_or(Duration::ZERO, |since| now.duration_since(since));
        if idle >= KEPT_FOR && self.upstreams.len() > 0 {
            self.upstreams.release_all(&self.worker, now);
        }
        // A client that connects while the sidecar prepares to leave does not know of it, so its first request is served.
        let is_leaving = self.worker.is_shut() || (self.worker.is_draining() && self.requests > 0);
        match self.close_state {
            CloseState::Open if is_leaving => {
                self.downstream.drain();
                self.downstream.ping(DRAIN_PING);
                self.close_state = CloseState::Draining { since: now };
            }
            CloseState::Open if !is_busy && idle >= self.worker.idle_timeout() => {
                self.downstream.go_away(ErrorCode::NO_ERROR);
                self.close_state = CloseState::GoawaySent;
            }
            CloseState::Draining { since } if self.is_drained || now.duration_since(since) >= DRAIN_GRACE => {
                self.downstream.go_away(ErrorCode::NO_ERROR);
                self.close_state = CloseState::GoawaySent;
            }
            _ => {}
        }
        poll_write_output(cx, &mut self.downstream, self.socket).map_err(|_| Ended)?;
        let is_over = self.close_state == CloseState::GoawaySent && !is_busy && self.downstream.output().is_empty();
        if is_over { Err(Ended) } else { Ok(()) }
    }

    /// Sets the timer for the next look at the deadlines.
    pub(super) fn arm_timer(&mut self, now: Instant) {
        let has_unfinished = self.downstream.has_unfinished_head();
        let deadline = self.head_deadline.unwrap_or_else(|| now + self.worker.timeouts().head);
        self.head_deadline = has_unfinished.then_some(deadline);
        let is_draining = matches!(self.close_state, CloseState::Draining { .. });
        let at = match self.idle_since {
            Some(since) if self.head_deadline.is_none() && !is_draining => {
                since + if self.upstreams.len() > 0 { KEPT_FOR } else { self.worker.idle_timeout() }
            }
            // All deadlines are looked at when the timer expires, so that no exchange has to set it.
            _ => now + TICK,
        };
        if self.armed.is_none_or(|armed| armed > at || armed < now) {
            self.armed = Some(at);
            self.timer.arm(at);
        }
    }
}
