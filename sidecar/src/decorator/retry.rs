//! `retry`: sends a request again that the service did not answer.

use std::sync::Arc;
use std::time::Instant;

use decorators::retry::Retry;

use crate::decorator::forward_plan::ForwardPlan;
use crate::decorator::request::Request;
use crate::decorator::retry_policy::RetryPolicy;
use crate::decorator::{Decorator, EndedExchange, Step};

pub(super) struct Retries {
    policy: Arc<RetryPolicy>,
}

impl Retries {
    pub(super) fn new(config: Retry) -> Self {
        Self { policy: Arc::new(RetryPolicy::new(config, Instant::now())) }
    }
}

impl Decorator for Retries {
    fn name(&self) -> &'static str {
        "retry"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        self.policy.count_request(Instant::now());
        request.retry_by(Arc::clone(&self.policy));
        Step::Pass
    }

    fn has_acted_on(&self, exchange: &EndedExchange<'_>) -> bool {
        exchange.plan.is_some_and(|plan: &ForwardPlan| plan.has_retried_by(&self.policy))
    }
}
