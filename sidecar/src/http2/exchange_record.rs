//! Records one HTTP/2 exchange and counts it, however it ends.

use std::rc::Rc;
use std::time::Instant;

use hyper::HeaderMap;
use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;

use std::net::IpAddr;

use crate::exchange::context::WorkerContext;
use crate::exchange::{Breaker, Exchange, error_response};
use crate::head::answer::{Answer, reason_of};
use crate::head::request::RequestHead;
use crate::http2::grpc;
use crate::http2::reset_limiter::ResetLimiter;
use crate::recorder::completed_exchange::Author;
use crate::rulebook::ActiveRule;
use crate::upstream::http2::request_body::BodyProgress;
use crate::upstream::http2::reset_code;

/// An exchange in progress. If it is dropped before it is closed, the downstream has disconnected.
pub(super) struct ExchangeRecord {
    worker: Rc<WorkerContext>,
    conduct: Rc<ResetLimiter>,
    exchange: Option<Box<Exchange>>,
    progress: Rc<BodyProgress>,
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
    Told,
}

impl ExchangeRecord {
    /// Starts an exchange. Returns its record and the rule that applies to it, if any.
    pub(super) fn open(downstream: &Downstream, head: &RequestHead<'_, '_>, grpc: Grpc) -> (Self, Option<Rc<ActiveRule>>) {
        let (worker, conduct) = (Rc::clone(&downstream.worker), Rc::clone(&downstream.conduct));
        conduct.asked();
        let (mut exchange, rule) = worker.begin(head.method, head.target, Instant::now());
        exchange.caller = Some(downstream.address);
        exchange.trace = head.traceparent();
        (Self { worker, conduct, exchange: Some(exchange), progress: Rc::default(), grpc }, rule)
    }

    /// The progress of the request's body.
    pub(super) fn progress(&self) -> Rc<BodyProgress> {
        Rc::clone(&self.progress)
    }

    /// Whether the request is a gRPC call.
    pub(super) fn is_grpc(&self) -> bool {
        self.grpc != Grpc::No
    }

    /// The requested endpoint.
    pub(super) fn endpoint(&self) -> Option<Rc<Endpoint>> {
        self.exchange.as_ref().map(|exchange| Rc::clone(&exchange.endpoint))
    }

    /// Counts bytes of the response's body.
    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.bytes_out += bytes as u64;
        }
    }

    /// Records that a rule answers.
    pub(super) fn answered_by_rule(&mut self, rule: &ActiveRule) {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered_by_rule(&rule.id);
        }
    }

    /// Records that the service's response has begun.
    pub(super) fn has_begun(&mut self) {
        self.progress.is_answered.set(true);
        if let Some(exchange) = &mut self.exchange {
            exchange.has_begun();
        }
    }

    /// Assigns the exchange to its endpoint. The status is known, and the body may take long.
    pub(super) fn settle(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            self.worker.settle(exchange);
        }
    }

    /// Records the status of the response.
    pub(super) fn answered(&mut self, status: u16, reason: &str) {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(status, reason);
        }
    }

    /// Records that the sidecar itself answers, and is responsible for the result.
    pub(super) fn answered_by_sitio(&mut self, answer: &Answer) {
        self.answered(answer.status, reason_of(answer.status));
        self.ended(error_response::outcome_of(answer));
        self.blame(Author::Sitio);
    }

    /// Records the author of the response.
    pub(super) fn blame(&mut self, author: Author) {
        if let Some(exchange) = &mut self.exchange {
            exchange.author = author;
        }
    }

    /// Records the outcome of an exchange that the service did not end itself.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        if let Some(exchange) = &mut self.exchange {
            exchange.outcome = outcome;
        }
    }

    /// Reads the outcome of a gRPC call from these fields, which are a head or trailers.
    pub(super) fn look_at(&mut self, fields: &HeaderMap) {
        if self.grpc == Grpc::No {
            return;
        }
        if let Some(code) = grpc::code(fields) {
            self.grpc = Grpc::Told;
            self.answered(grpc::counted_as(code), grpc::name(code));
        }
    }

    /// Records that the service's response is complete.
    pub(super) fn through(&mut self) {
        let status = self.exchange.as_ref().map_or(0, |exchange| exchange.status);
        if self.grpc == Grpc::Awaited && status < 400 {
            self.answered(grpc::counted_as(grpc::UNKNOWN), "no grpc-status");
        }
        self.close();
    }

    /// Records that the service aborted the response. An incomplete response counts as none.
    pub(super) fn broken_off(&mut self) {
        self.answered(502, reason_of(502));
        self.ended(Outcome::BrokenOff);
        self.close();
    }

    /// Records that the service reset the stream, or that its connection ended.
    pub(super) fn reset_by_service(&mut self, error: &hyper::Error) {
        if reset_code(error) == Some(h2::Reason::PROTOCOL_ERROR) {
            self.conduct.will_reset_as_malformed();
        }
        self.broken_off();
    }

    /// Records that the service aborted a gRPC call. Its client receives `UNAVAILABLE`.
    pub(super) fn unavailable(&mut self) {
        self.answered(grpc::counted_as(grpc::UNAVAILABLE), grpc::name(grpc::UNAVAILABLE));
        self.ended(Outcome::BrokenOff);
        self.close();
    }

    /// Records that the service's trailers are too large to forward.
    pub(super) fn trailers_too_large(&mut self) {
        self.answered(502, "trailers too large");
        self.ended(Outcome::UpstreamProtocol);
        self.close();
    }

    /// Ends the exchange and counts it with the recorded values.
    pub(super) fn close(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.body.bytes = self.progress.bytes.get();
            self.worker.finish(exchange, Instant::now());
        }
    }
}

impl Drop for ExchangeRecord {
    fn drop(&mut self) {
        if self.exchange.is_some() {
            self.conduct.cancelled();
            if let Some(exchange) = &mut self.exchange {
                exchange.broken_off(Breaker::of(&self.worker));
            }
            self.close();
        }
    }
}

/// State shared by all exchanges of one connection.
pub(crate) struct Downstream {
    pub(crate) worker: Rc<WorkerContext>,
    pub(crate) conduct: Rc<ResetLimiter>,
    /// The fields that describe the downstream to the service.
    pub(crate) forwarded: HeaderMap,
    pub(crate) address: IpAddr,
}
