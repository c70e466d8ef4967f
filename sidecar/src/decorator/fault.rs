//! `fault`: delays requests or answers them with an error.

use std::time::Duration;

use decorators::fault::Fault;

use crate::decorator::request::Request;
use crate::decorator::{Decorator, Step};
use crate::head::answer::Answer;

pub(super) struct FaultInjection {
    config: Fault,
}

impl FaultInjection {
    pub(super) fn new(config: Fault) -> Self {
        Self { config }
    }

    fn delay(&self) -> Option<Duration> {
        let delay = self.config.delay?.0;
        let jitter = self.config.jitter.map_or(Duration::ZERO, |jitter| jitter.0);
        Some(delay + jitter.mul_f64(rand::random_range(0.0..=1.0)))
    }
}

impl Decorator for FaultInjection {
    fn name(&self) -> &'static str {
        "fault"
    }

    fn before(&self, _: &mut Request<'_>) -> Step {
        let answer = self.config.abort.map(|status| Answer::text(status, "A fault was injected here, for a test.\n"));
        match (self.delay(), answer) {
            (Some(delay), answer) => Step::delay(delay, answer),
            (None, Some(answer)) => Step::Answer(answer),
            (None, None) => Step::Pass,
        }
    }
}
