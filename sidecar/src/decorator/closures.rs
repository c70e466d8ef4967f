//! Closures as decorators: for a request, for a response with some status, for the end of an exchange.

use std::ops::RangeInclusive;

use crate::decorator::request::Request;
use crate::decorator::response::Response;
use crate::decorator::{Decorator, EndedExchange, Step};

/// What `on_status` accepts: a status, or a range of them.
pub trait Statuses: Send + Sync + 'static {
    /// Whether the closure wants responses with this status.
    fn wants(&self, status: u16) -> bool;
}

impl Statuses for u16 {
    fn wants(&self, status: u16) -> bool {
        *self == status
    }
}

impl Statuses for RangeInclusive<u16> {
    fn wants(&self, status: u16) -> bool {
        self.contains(&status)
    }
}

/// Calls `hook` with each request. Return [`Step::Pass`], or an answer in the service's place.
pub fn on_request(hook: impl Fn(&mut Request<'_>) -> Step + Send + Sync + 'static) -> impl Decorator {
    OnRequest(hook)
}

/// Calls `hook` with each response of the service that has this status, or one in this range: `404`, `500..=599`.
pub fn on_status(statuses: impl Statuses, hook: impl Fn(&mut Response<'_>) + Send + Sync + 'static) -> impl Decorator {
    OnStatus(statuses, hook)
}

/// Calls `hook` with each exchange that has ended, also with those that had no response.
pub fn on_exchange(hook: impl Fn(&EndedExchange<'_>) + Send + Sync + 'static) -> impl Decorator {
    OnExchange(hook)
}

struct OnRequest<F>(F);

impl<F: Fn(&mut Request<'_>) -> Step + Send + Sync> Decorator for OnRequest<F> {
    fn name(&self) -> &'static str {
        "on-request"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        (self.0)(request)
    }
}

struct OnStatus<S, F>(S, F);

impl<S: Statuses, F: Fn(&mut Response<'_>) + Send + Sync> Decorator for OnStatus<S, F> {
    fn name(&self) -> &'static str {
        "on-status"
    }

    fn after(&self, response: &mut Response<'_>) -> Step {
        if self.0.wants(response.status) {
            (self.1)(response);
        }
        Step::Pass
    }
}

struct OnExchange<F>(F);

impl<F: Fn(&EndedExchange<'_>) + Send + Sync> Decorator for OnExchange<F> {
    fn name(&self) -> &'static str {
        "on-exchange"
    }

    fn ended(&self, exchange: &EndedExchange<'_>) {
        (self.0)(exchange);
    }
}
