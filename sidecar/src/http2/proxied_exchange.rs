//! The state of one exchange on an HTTP/2 stream of the downstream.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http2::frame::{EndStream, StreamId};

use crate::decorator::retry_policy::RetryCause;
use crate::http2::exchange_record::ExchangeRecord;
use crate::http2::kept_request::{KeptBytes, KeptHead};
use crate::http2::own_response::RequestFacts;
use crate::http2::transfer::Transfer;
use crate::timeouts::Timeouts;
use crate::upstream::http2::shared::{SharedId, SharedUpstream};

/// Identifies a connection to the service among those of one downstream connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UpstreamId(pub(super) u32);

/// One exchange.
pub(super) struct ProxiedExchange {
    pub(super) record: ExchangeRecord,
    pub(super) facts: RequestFacts,
    pub(super) is_idempotent: bool,
    /// The client waits for an interim response, and nothing of its body has arrived.
    pub(super) expects: bool,
    /// The request's head for the service, until the response begins.
    pub(super) head: KeptHead,
    pub(super) route: Route,
    /// The connection of `Route::Shared`.
    pub(super) shared: Option<Rc<SharedUpstream>>,
    pub(super) request: Transfer,
    pub(super) response: Transfer,
    pub(super) progress: ResponseProgress,
    /// Remaining bytes of the response, if its head states a length and no trailers matter.
    pub(super) left: Option<u64>,
    pub(super) interims: usize,
    /// The connection that is not used again, because the request has failed on it.
    pub(super) avoids: Option<UpstreamId>,
    /// How often the request was sent.
    pub(super) attempts: usize,
    /// When bytes of the request last arrived, or were last sent.
    pub(super) moved: Instant,
}

/// Where the service handles the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// The request waits for a connection.
    Waiting,
    /// A decorator holds the request.
    Held,
    /// On a stream of a connection.
    Upstream {
        upstream: UpstreamId,
        stream: StreamId,
        /// How often the connection had been read when the stream was opened.
        reads: u64,
    },
    /// On a stream of a connection that downstreams share.
    Shared { shared: SharedId, stream: StreamId },
    /// On a connection over HTTP/1, which the exchange has for itself.
    Http1,
    /// Nowhere: the sidecar answers, or the service has ended its part.
    None,
}

/// How far the response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseProgress {
    /// No final head was sent to the downstream.
    Awaited,
    /// It was sent.
    Begun,
}

/// Which deadline of an exchange has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The request's body has stopped arriving.
    RequestBody,
    /// The response has not begun, or the exchange takes too long.
    Response,
}

impl ProxiedExchange {
    /// An exchange whose request has arrived up to its head.
    pub(super) fn new(record: ExchangeRecord, facts: RequestFacts, end: EndStream, kept: &KeptBytes, now: Instant) -> Self {
        Self {
            record,
            facts,
            is_idempotent: false,
            expects: false,
            head: KeptHead::default(),
            route: Route::None,
            shared: None,
            request: Transfer::new(end).with_copy(kept),
            response: Transfer::new(EndStream::No),
            progress: ResponseProgress::Awaited,
            left: None,
            interims: 0,
            avoids: None,
            attempts: 0,
            moved: now,
        }
    }

    /// The wait before the request is sent again, if a decorator wants that, all of it is at hand, and nothing of a response has
    /// reached the client.
    pub(super) fn next_retry(&mut self, cause: RetryCause) -> Option<Duration> {
        let is_awaited = self.progress == ResponseProgress::Awaited && !self.response.is_complete() && self.interims == 0;
        let is_whole = self.request.is_complete() && self.request.has_copy();
        if self.is_idempotent && is_awaited && is_whole { self.record.next_retry(cause) } else { None }
    }

    /// The final response has begun.
    pub(super) fn begin_response(&mut self) {
        self.progress = ResponseProgress::Begun;
        self.forget_request();
    }

    /// The request is not sent again, and its buffer is free.
    pub(super) fn forget_request(&mut self) {
        self.request.forget_copy();
        let head = std::mem::take(&mut self.head);
        self.record.put_buffer(head.into_buffer());
    }

    /// Counts bytes of the response that were sent. The exchange is complete with the last byte that the head announced:
    /// an empty frame may follow, but a client need not wait for it.
    pub(super) fn count_response_bytes(&mut self, bytes: usize) {
        self.record.add_bytes(bytes);
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes as u64);
            if *left == 0 {
                self.record.complete();
            }
        }
    }

    /// The next deadline, if there is one, and what it means.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Option<(Instant, Overdue)> {
        let is_awaited = self.progress == ResponseProgress::Awaited && self.route != Route::None;
        let response = if is_awaited { self.record.response_deadline(timeouts) } else { self.record.end_deadline(timeouts) };
        let response = response.map(|deadline| (deadline, Overdue::Response));
        // A gRPC call may be silent for any time: its client has a deadline. After the response has begun, both sides
        // may send at any time, as in a stream of messages.
        let is_body_awaited = !self.request.is_complete() && !self.request.has_waiting_bytes();
        // A client may withhold its body until the service asks for it (RFC 9110, section 10.1.1).
        let is_withheld = self.expects && is_awaited;
        let has_limit = is_body_awaited && !is_withheld && !self.facts.grpc && (is_awaited || self.response.is_ended());
        let body = timeouts.body.filter(|_| has_limit).map(|within| (self.moved + within, Overdue::RequestBody));
        response.into_iter().chain(body).min_by_key(|(at, _)| *at)
    }
}
