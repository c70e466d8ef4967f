//! Records one HTTP/2 exchange and counts it, however it ends.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http2::hpack::Field;
use httparse::Header;
use mesh::exchange::Outcome;

use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::WorkerContext;
use crate::exchange::decide::{Action, decide};
use crate::exchange::{Exchange, KEPT_BYTES_MAX, decorate, error_response};
use crate::head::answer::{Answer, Audience, Edit, reason_of};
use crate::head::request::RequestHead;
use crate::http2::grpc;
use crate::recorder::completed_exchange::Author;
use crate::rulebook::MatchedRules;
use crate::timeouts::Timeouts;
use crate::upstream::service_pools::ServicePools;

/// An exchange in progress. If it is dropped before it is closed, the downstream has disconnected.
pub(super) struct ExchangeRecord {
    worker: Rc<WorkerContext>,
    exchange: Option<Box<Exchange>>,
    grpc: Grpc,
}

/// Whether `grpc-status` decides the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grpc {
    /// No: the request is not gRPC.
    No,
    /// Yes, but it has not arrived yet. It comes at the latest in the trailers.
    Awaited,
    /// Yes, and it has arrived.
    Received,
}

impl ExchangeRecord {
    /// Starts an exchange. Returns its record and the rules for its endpoint.
    pub(super) fn open(
        worker: &Rc<WorkerContext>,
        caller: IpAddr,
        head: &RequestHead<'_, '_>,
        grpc: Grpc,
        now: Instant,
    ) -> (Self, Option<MatchedRules>) {
        let (mut exchange, covering) = worker.begin(head.method, head.target, now);
        exchange.caller = Some(caller);
        exchange.trace = head.traceparent();
        exchange.audience = if head.connectivity.accepts_html { Audience::Person } else { Audience::Program };
        (Self { worker: Rc::clone(worker), exchange: Some(exchange), grpc }, covering)
    }

    /// A request that was refused and counted as such: it has no endpoint.
    pub(super) fn refused(worker: &Rc<WorkerContext>) -> Self {
        Self { worker: Rc::clone(worker), exchange: None, grpc: Grpc::No }
    }

    /// When the response must have begun.
    pub(super) fn response_deadline(&self, settings: &Timeouts) -> Option<Instant> {
        self.exchange.as_ref().and_then(|exchange| exchange.limits(settings).until_response(exchange.started))
    }

    /// When the exchange must have ended.
    pub(super) fn end_deadline(&self, settings: &Timeouts) -> Option<Instant> {
        self.exchange.as_ref().and_then(|exchange| exchange.limits(settings).until_end(exchange.started))
    }

    /// The wait before the request is sent again, if decorators want that.
    pub(super) fn next_retry(&mut self, cause: RetryCause) -> Option<Duration> {
        self.exchange.as_mut()?.next_retry(cause, self.worker.timeouts())
    }

    /// The connections to where a split sends the request, if one does.
    pub(super) fn other_service(&self) -> Option<Rc<ServicePools>> {
        self.worker.other_service(self.exchange.as_ref()?)
    }

    /// How long a connection to the service may take to open.
    pub(super) fn connect_within(&self) -> Duration {
        let timeouts = self.worker.timeouts();
        self.exchange.as_ref().map_or(timeouts.connect, |exchange| exchange.connect_within(timeouts, Instant::now()))
    }

    /// Whether decorators have planned how the request is sent.
    pub(super) fn has_plan(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.plan.is_some())
    }

    /// The buffer for the request's head, which the next exchange uses again.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        self.exchange.as_mut().map(|exchange| std::mem::take(&mut exchange.wire)).unwrap_or_default()
    }

    /// Returns the buffer, unless it has grown.
    pub(super) fn put_buffer(&mut self, buffer: Vec<u8>) {
        if let Some(exchange) = self.exchange.as_mut().filter(|_| buffer.capacity() <= KEPT_BYTES_MAX) {
            exchange.wire = buffer;
        }
    }

    /// Counts bytes of the request's body.
    pub(super) fn add_request_bytes(&mut self, bytes: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.body.bytes += bytes as u64;
        }
    }

    /// Whether the request is a gRPC call.
    pub(super) fn is_grpc(&self) -> bool {
        self.grpc != Grpc::No
    }

    /// Counts bytes of the response's body.
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.bytes_out += bytes as u64;
        }
    }

    /// Decides whether to forward the request, and records who answers it.
    pub(super) fn decide(&mut self, covering: Option<&MatchedRules>, head: &RequestHead<'_, '_>) -> Action {
        let Some(exchange) = &mut self.exchange else { return Action::Forward(Vec::new()) };
        decide(&self.worker, exchange, covering, head)
    }

    /// Calls the decorators with the head of the service's response: returns their edits, or the response in its place.
    /// `view` returns the fields, if any decorator sees them.
    pub(super) fn after<'a>(
        &mut self,
        status: (u16, &str),
        view: impl FnOnce() -> Cow<'a, [Header<'a>]>,
    ) -> Result<Vec<Edit>, Answer> {
        match &mut self.exchange {
            Some(exchange) if decorate::has_decorators(self.worker.decorators(), exchange) => {
                decorate::after(self.worker.decorators(), exchange, status, &view())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whether a decorator guards the exchange.
    pub(super) fn is_guarded(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| decorate::is_guarded(self.worker.decorators(), exchange))
    }

    /// The audience of the response.
    pub(super) fn audience(&self) -> Audience {
        self.exchange.as_ref().map_or(Audience::Program, |exchange| exchange.audience)
    }

    /// Records that the service's response has begun.
    pub(super) fn record_response_start(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.record_first_byte();
        }
    }

    /// Assigns the exchange to its endpoint. The status is known, and the body may take long.
    pub(super) fn settle(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            self.worker.settle(exchange);
        }
    }

    /// Records the status of the response.
    pub(super) fn set_status(&mut self, status: u16, reason: &str) {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(status, reason);
        }
    }

    /// Records that the sidecar itself answers, and is responsible for the result.
    pub(super) fn answered_by_sitio(&mut self, answer: &Answer) {
        self.set_status(answer.status, reason_of(answer.status));
        self.set_outcome(error_response::outcome(answer));
        self.set_author(Author::Sitio);
    }

    /// Records the author of the response.
    pub(super) fn set_author(&mut self, author: Author) {
        if let Some(exchange) = &mut self.exchange {
            exchange.author = author;
        }
    }

    /// Records the outcome of an exchange that the service did not end itself.
    pub(super) fn set_outcome(&mut self, outcome: Outcome) {
        if let Some(exchange) = &mut self.exchange {
            exchange.outcome = outcome;
        }
    }

    /// Reads the outcome of a gRPC call from these fields, which are a head or trailers.
    pub(super) fn read_grpc_status<'a>(&mut self, fields: impl Iterator<Item = Field<'a>>) {
        if self.grpc == Grpc::No {
            return;
        }
        if let Some(code) = grpc::code(fields) {
            self.grpc = Grpc::Received;
            self.set_status(grpc::http_status(code), grpc::name(code));
        }
    }

    /// Records that the service's response is complete.
    pub(super) fn complete(&mut self) {
        let status = self.exchange.as_ref().map_or(0, |exchange| exchange.status);
        if self.grpc == Grpc::Awaited && status < 400 {
            self.set_status(grpc::http_status(grpc::UNKNOWN), "no grpc-status");
        }
        self.close();
    }

    /// Records that the service aborted the response. An incomplete response counts as none.
    pub(super) fn abort(&mut self) {
        self.set_status(502, reason_of(502));
        self.set_outcome(Outcome::BrokenOff);
        self.close();
    }

    /// Records that the service aborted a gRPC call. Its client receives `UNAVAILABLE`.
    pub(super) fn unavailable(&mut self) {
        self.set_status(grpc::http_status(grpc::UNAVAILABLE), grpc::name(grpc::UNAVAILABLE));
        self.set_outcome(Outcome::BrokenOff);
        self.close();
    }

    /// Records that the head or the trailers of the service's response are too large to forward.
    pub(super) fn set_too_large(&mut self, reason: &str) {
        self.set_status(502, reason);
        self.set_outcome(Outcome::UpstreamProtocol);
    }

    /// Records that the downstream has sent a malformed message after a valid head.
    pub(super) fn malformed(&mut self, status: u16) {
        self.set_status(status, reason_of(status));
        self.set_outcome(Outcome::BadRequest);
        self.close();
    }

    /// Ends the exchange and counts it with the recorded values.
    pub(super) fn close(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            self.worker.finish(exchange, Instant::now());
        }
    }
}

impl Drop for ExchangeRecord {
    fn drop(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.abort(self.worker.abort_cause());
        }
        self.close();
    }
}
