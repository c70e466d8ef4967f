//! `timeout`: limits how long the service may take.

use decorators::timeout::Timeout;

use crate::decorator::request::Request;
use crate::decorator::{Decorator, EndedExchange, Step};

pub(super) struct ResponseTimeout {
    config: Timeout,
}

impl ResponseTimeout {
    pub(super) fn new(config: Timeout) -> Self {
        Self { config }
    }
}

impl Decorator for ResponseTimeout {
    fn name(&self) -> &'static str {
        "timeout"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        if let Some(within) = self.config.response {
            request.limit_response(within.0);
        }
        if let Some(within) = self.config.exchange {
            request.limit_exchange(within.0);
        }
        Step::Pass
    }

    fn has_acted_on(&self, exchange: &EndedExchange<'_>) -> bool {
        exchange.is_from_service()
            && (self.config.response.is_some_and(|within| exchange.first_byte >= within.0)
                || self.config.exchange.is_some_and(|within| exchange.took >= within.0))
    }
}
