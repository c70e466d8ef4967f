//! How decorators want one exchange to be forwarded, where that differs from the settings.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decorator::retry_policy::{RetryCause, RetryPolicy};
use crate::setting_values::TimeLimit;
use crate::target::ServiceAddr;
use crate::timeouts::Timeouts;

/// What the decorators of an exchange have planned for it. Most exchanges have no plan, which costs them nothing.
#[derive(Debug, Default)]
pub struct ForwardPlan {
    response: TimeLimit,
    exchange: TimeLimit,
    address: Option<Arc<ServiceAddr>>,
    retry: Option<Arc<RetryPolicy>>,
    /// How often the request was sent again.
    retries: u8,
    /// What decorators keep until the exchange has ended.
    kept: Vec<Box<dyn Any>>,
}

/// How long the service may take for one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseLimits {
    response: TimeLimit,
    exchange: TimeLimit,
}

impl ForwardPlan {
    /// Limits how long the service may take to begin its response. The shortest limit counts.
    pub(super) fn limit_response(&mut self, within: Duration) {
        self.response = shorter(self.response, Some(within));
    }

    /// Limits how long the exchange may take.
    pub(super) fn limit_exchange(&mut self, within: Duration) {
        self.exchange = shorter(self.exchange, Some(within));
    }

    /// Sends the request to this address instead of the service's. The first split decides, so that others see one side only.
    pub(super) fn send_to(&mut self, address: Arc<ServiceAddr>) {
        self.address.get_or_insert(address);
    }

    /// The address to which the request is sent, unless it is the service's.
    pub fn address(&self) -> Option<&ServiceAddr> {
        self.address.as_deref()
    }

    /// Whether the request is sent to this address by the decorator that has it.
    pub(super) fn is_sent_to(&self, address: &Arc<ServiceAddr>) -> bool {
        self.address.as_ref().is_some_and(|used| Arc::ptr_eq(used, address))
    }

    /// Lets the request be sent again by this policy. That of the last decorator counts.
    pub(super) fn retry_by(&mut self, policy: Arc<RetryPolicy>) {
        self.retry = Some(policy);
    }

    /// Whether the request was sent again by this policy.
    pub(super) fn has_retried_by(&self, policy: &Arc<RetryPolicy>) -> bool {
        self.retries > 0 && self.retry.as_ref().is_some_and(|used| Arc::ptr_eq(used, policy))
    }

    /// Whether the request may be sent again at all.
    pub fn may_retry(&self) -> bool {
        self.retry.is_some()
    }

    /// The wait before the request is sent again, if it is. The caller then sends it.
    pub fn next_retry(&mut self, cause: RetryCause, deadline: Option<Instant>, now: Instant) -> Option<Duration> {
        let wait = self.retry.as_ref()?.next(cause, self.retries, deadline, now)?;
        self.retries += 1;
        Some(wait)
    }

    /// Keeps a value until the exchange has ended.
    pub(super) fn keep(&mut self, value: Box<dyn Any>) {
        self.kept.push(value);
    }

    /// The values of this type that were kept.
    pub(super) fn kept<T: 'static>(&self) -> impl Iterator<Item = &T> {
        self.kept.iter().filter_map(|value| value.downcast_ref())
    }

    /// Adds what a later decorator has planned.
    pub(super) fn add(&mut self, later: Self) {
        self.response = shorter(self.response, later.response);
        self.exchange = shorter(self.exchange, later.exchange);
        self.address = self.address.take().or(later.address);
        self.retry = later.retry.or_else(|| self.retry.take());
        self.kept.extend(later.kept);
    }

    /// Without what would change how the exchange is forwarded.
    pub(crate) fn without_effect(self) -> Self {
        Self { kept: self.kept, ..Self::default() }
    }
}

fn shorter(one: TimeLimit, other: TimeLimit) -> TimeLimit {
    one.into_iter().chain(other).min()
}

impl ResponseLimits {
    /// The limits of an exchange: those of its plan, and those of the settings that the plan leaves as they are.
    pub fn new(plan: Option<&ForwardPlan>, settings: &Timeouts) -> Self {
        let of_settings = Self { response: settings.answer, exchange: settings.exchange };
        plan.map_or(of_settings, |plan| Self {
            response: plan.response.or(of_settings.response),
            exchange: plan.exchange.or(of_settings.exchange),
        })
    }

    /// When the response must have begun, for an exchange that started then.
    pub fn until_response(self, started: Instant) -> Option<Instant> {
        shorter(self.response, self.exchange).map(|within| started + within)
    }

    /// When the exchange must have ended.
    pub fn until_end(self, started: Instant) -> Option<Instant> {
        self.exchange.map(|within| started + within)
    }
}
