//! Counts one exchange of HTTP/2, however it ends.

use std::rc::Rc;
use std::time::Instant;

use hyper::HeaderMap;
use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;

use crate::decorator::{Answer, reason_of};
use crate::head::request::RequestHead;
use crate::http2::conduct::Conduct;
use crate::http2::exchange::Downstream;
use crate::http2::request_body::Progress;
use crate::http2::{grpc, reset_code};
use crate::recorder::finished::Author;
use crate::rulebook::InForce;
use crate::tunnel::exchange::{Breaker, Exchange};
use crate::tunnel::refusal;
use crate::worker::state::Worker;

/// An exchange under way. If it is dropped before it was closed, the downstream has left.
pub(super) struct Account {
    worker: Rc<Worker>,
    conduct: Rc<Conduct>,
    exchange: Option<Box<Exchange>>,
    progress: Rc<Progress>,
    grpc: Grpc,
}

/// Whether the outcome is told by `grpc-status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grpc {
    /// It is not: the request is no gRPC.
    No,
    /// It will be, in the trailers at last.
    Awaited,
    /// It was.
    Told,
}

impl Account {
    /// An exchange that begins now, and the rule in force for it.
    pub(super) fn open(downstream: &Downstream, head: &RequestHead<'_, '_>, grpc: Grpc) -> (Self, Option<Rc<InForce>>) {
        let (worker, conduct) = (Rc::clone(&downstream.worker), Rc::clone(&downstream.conduct));
        conduct.asked();
        let (mut exchange, rule) = worker.begin(head.method, head.target, Instant::now());
        exchange.caller = Some(downstream.address);
        exchange.trace = head.traceparent();
        (Self { worker, conduct, exchange: Some(exchange), progress: Rc::default(), grpc }, rule)
    }

    /// How far the request's body is.
    pub(super) fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// Whether the request is a call of gRPC.
    pub(super) fn is_grpc(&self) -> bool {
        self.grpc != Grpc::No
    }

    /// The endpoint that was asked.
    pub(super) fn endpoint(&self) -> Option<Rc<Endpoint>> {
        self.exchange.as_ref().map(|exchange| Rc::clone(&exchange.endpoint))
    }

    /// Bytes of the response's body have come.
    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.bytes_out += bytes as u64;
        }
    }

    /// A rule answers.
    pub(super) fn answered_by_rule(&mut self, rule: &InForce) {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered_by_rule(&rule.id);
        }
    }

    /// The service's response has begun.
    pub(super) fn has_begun(&mut self) {
        self.progress.is_answered.set(true);
        if let Some(exchange) = &mut self.exchange {
            exchange.has_begun();
        }
    }

    /// The response's status is known, and its body may last.
    pub(super) fn settle(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            self.worker.settle(exchange);
        }
    }

    /// The response has this status.
    pub(super) fn answered(&mut self, status: u16, reason: &str) {
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(status, reason);
        }
    }

    /// The sidecar itself answers, and whatever is wrong with that is its own doing.
    pub(super) fn answered_by_sitio(&mut self, answer: &Answer) {
        self.answered(answer.status, reason_of(answer.status));
        self.ended(refusal::outcome_of(answer));
        self.blame(Author::Sitio);
    }

    /// Whose answer it is.
    pub(super) fn blame(&mut self, author: Author) {
        if let Some(exchange) = &mut self.exchange {
            exchange.author = author;
        }
    }

    /// It was ended by somebody else than the service.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        if let Some(exchange) = &mut self.exchange {
            exchange.outcome = outcome;
        }
    }

    /// Looks for the outcome of a call in these fields, be they a head or trailers.
    pub(super) fn look_at(&mut self, fields: &HeaderMap) {
        if self.grpc == Grpc::No {
            return;
        }
        if let Some(code) = grpc::code(fields) {
            self.grpc = Grpc::Told;
            self.answered(grpc::counted_as(code), grpc::name(code));
        }
    }

    /// The service's response is through.
    pub(super) fn through(&mut self) {
        let status = self.exchange.as_ref().map_or(0, |exchange| exchange.status);
        if self.grpc == Grpc::Awaited && status < 400 {
            self.answered(grpc::counted_as(grpc::UNKNOWN), "no grpc-status");
        }
        self.close();
    }

    /// The service has broken off: an answer that is not whole is none.
    pub(super) fn broken_off(&mut self) {
        self.answered(502, reason_of(502));
        self.ended(Outcome::BrokenOff);
        self.close();
    }

    /// The service has reset the stream, or its connection is gone.
    pub(super) fn reset_by_service(&mut self, error: &hyper::Error) {
        if reset_code(error) == Some(h2::Reason::PROTOCOL_ERROR) {
            self.conduct.will_reset_as_malformed();
        }
        self.broken_off();
    }

    /// The service has broken off a call of gRPC; its client reads `UNAVAILABLE`.
    pub(super) fn unavailable(&mut self) {
        self.answered(grpc::counted_as(grpc::UNAVAILABLE), grpc::name(grpc::UNAVAILABLE));
        self.ended(Outcome::BrokenOff);
        self.close();
    }

    /// The service's trailers are too large to be passed on.
    pub(super) fn trailers_too_large(&mut self) {
        self.answered(502, "trailers too large");
        self.ended(Outcome::UpstreamProtocol);
        self.close();
    }

    /// It is over, and is counted with what was told of it.
    pub(super) fn close(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.body.bytes = self.progress.bytes.get();
            self.worker.finish(exchange, Instant::now());
        }
    }
}

impl Drop for Account {
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
