//! The decorator interface: hooks around a service, each called once per exchange.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use mesh::endpoint::Endpoint;
use mesh::exchange::Outcome;
use mesh::rule_totals::{CircuitState, SplitSides};

use crate::decorator::forward_plan::ForwardPlan;
use crate::decorator::request::Request;
use crate::decorator::response::Response;
use crate::head::answer::Answer;

pub mod background;
pub mod catalog;
mod circuit_breaker;
mod claim_rules;
pub mod closures;
mod error_page;
mod fault;
pub mod forward_plan;
mod headers;
mod issuer_keys;
mod jwt;
mod login;
pub mod not_found_page;
pub mod pod_names;
mod rate_limit;
pub mod request;
pub mod response;
mod retry;
pub mod retry_policy;
mod sliding_window;
mod split;
mod timeout;

/// Code in the sidecar that may answer a request, or change a request or a response.
///
/// The hooks run on the worker's thread and must not block. Requests pass the decorators first to last, responses last to
/// first. A hook that panics is counted, and what it guards decides what follows: see [`FailureMode`].
pub trait Decorator: Send + Sync {
    /// The name under which this decorator is configured and counted.
    fn name(&self) -> &str;

    /// Sees the request before the service does. It may edit it, or answer in the service's place.
    fn before(&self, _request: &mut Request<'_>) -> Step {
        Step::Pass
    }

    /// Sees the response's head before the caller does. It may edit it, or answer in its place.
    fn after(&self, _response: &mut Response<'_>) -> Step {
        Step::Pass
    }

    /// Sees how the exchange ended, also one that had no response.
    fn ended(&self, _exchange: &EndedExchange<'_>) {}

    /// Whether it has changed how this exchange went, in a way that its other hooks do not show. A rule counts that.
    fn has_acted_on(&self, _exchange: &EndedExchange<'_>) -> bool {
        false
    }

    /// The state of its circuit, if it is a circuit breaker.
    fn circuit(&self) -> Option<CircuitState> {
        None
    }

    /// What it has counted on both sides, if it compares two versions of the service.
    fn sides(&self) -> Option<SplitSides> {
        None
    }

    /// What happens with a request on which `before` panics.
    fn failure_mode(&self) -> FailureMode {
        FailureMode::Open
    }
}

impl fmt::Debug for dyn Decorator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What to do with a request or a response.
pub enum Step {
    /// Let it pass, with the edits.
    Pass,
    /// Send this response instead. A response of the service is dropped.
    Answer(Answer),
    /// Hold the request until this is ready. Only `before` may return it.
    Hold(Hold),
}

/// Decides on a request later.
pub type Hold = Pin<Box<dyn Future<Output = Released>>>;

/// What becomes of a request that was held.
#[derive(Debug)]
pub enum Released {
    /// It passes, with these fields beside its own.
    Pass(Vec<AddedField>),
    /// This response is sent instead.
    Answer(Answer),
}

/// The name and the value of a field that is added to a request.
pub type AddedField = (Cow<'static, str>, Cow<'static, str>);

impl Step {
    /// Holds a request for this long, and then sends the response, or lets the request pass.
    pub fn delay(by: Duration, then: Option<Answer>) -> Self {
        Self::Hold(Box::pin(async move {
            tokio::time::sleep(by).await;
            then.map_or(Released::Pass(Vec::new()), Released::Answer)
        }))
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("Pass"),
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Hold(_) => f.write_str("Hold"),
        }
    }
}

/// What happens with a request if a decorator fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureMode {
    /// It passes, as if the decorator were absent.
    Open,
    /// It is answered with 503: the decorator guards the service.
    Closed,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy)]
pub struct EndedExchange<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The status that the caller got; 0 if it got none.
    pub status: u16,
    /// The status of the service's response, before decorators saw it; `None` without one.
    pub service_status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// From the request's head to the beginning of the response, or to the end of an exchange without one.
    pub first_byte: Duration,
    /// From the request's head to the end of the response.
    pub took: Duration,
    /// How decorators wanted it to be forwarded.
    pub plan: Option<&'a ForwardPlan>,
}

impl<'a> EndedExchange<'a> {
    /// What decorators have kept with [`Request::keep`] in this exchange.
    pub fn kept<T: 'static>(&self) -> impl Iterator<Item = &'a T> {
        self.plan.into_iter().flat_map(ForwardPlan::kept)
    }

    /// Whether the exchange says something of the service: it has answered, or has failed to. A client that left, a request
    /// that was wrong, and an answer of the sidecar itself say nothing of it.
    pub fn is_from_service(&self) -> bool {
        match self.outcome {
            Outcome::Answered
            | Outcome::BrokenOff
            | Outcome::UpstreamConnect
            | Outcome::UpstreamTimeout
            | Outcome::UpstreamProtocol
            | Outcome::UpstreamReset => true,
            Outcome::Decorator => self.service_status.is_some(),
            Outcome::Rule
            | Outcome::ClientGone
            | Outcome::BadRequest
            | Outcome::Overloaded
            | Outcome::Draining
            | Outcome::Panicked
            | Outcome::Unknown => false,
        }
    }
}
