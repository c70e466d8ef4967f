//! Two deadlines of an exchange on one timer: for the response, and for the next bytes of the request's body.

use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::http1::relay::{Relay, RelayOutcome, ResponseProgress};
use crate::socket::deadlines::Deadline;

/// The deadlines of one exchange.
pub(super) struct Deadlines<'a> {
    watch: &'a Deadline,
    /// How long the body may send nothing.
    body_timeout: Option<Duration>,
    answer: Option<Instant>,
    body: Option<Instant>,
}

impl<'a> Deadlines<'a> {
    /// Starts with the response's deadline only, if there is one.
    pub(super) fn new(watch: &'a Deadline, answer: Option<Instant>, body_timeout: Option<Duration>) -> Self {
        let deadlines = Self { watch, body_timeout, answer, body: None };
        if answer.is_some() {
            deadlines.arm();
        }
        deadlines
    }

    /// Sets the response's deadline.
    pub(super) fn expect_answer(&mut self, answer: Option<Instant>) {
        if self.answer != answer {
            self.answer = answer;
            self.arm();
        }
    }

    /// Stops the body timeout, because bytes of the body have arrived.
    pub(super) fn body_moved(&mut self) {
        if self.body.take().is_some() {
            self.arm();
        }
    }

    fn wait_for_body(&mut self) {
        self.body = self.body_timeout.map(|within| Instant::now() + within);
        self.arm();
    }

    fn arm(&self) {
        match self.answer.into_iter().chain(self.body).min() {
            Some(soonest) => self.watch.arm(soonest),
            None => self.watch.disarm(),
        }
    }
}

impl Relay<'_> {
    /// Starts the body timeout when the request's body is silent and the service has accepted all bytes before.
    pub(super) fn wait_for_body(&mut self) {
        let is_waiting = self.deadlines.body.is_some() || self.deadlines.body_timeout.is_none();
        if !is_waiting && !awaits_continue(self.exchange, &self.response) {
            self.deadlines.wait_for_body();
        }
    }

    /// Restarts the body timeout: the service has sent something, so the exchange is alive, whatever the
    /// downstream sends.
    pub(super) fn answer_moved(&mut self) {
        if self.deadlines.body.is_some() {
            self.deadlines.wait_for_body();
        }
    }

    /// How the exchange ends because a deadline has passed; `None` if it goes on.
    pub(super) fn expired(&mut self) -> Option<RelayOutcome> {
        let now = Instant::now();
        if self.deadlines.answer.is_some_and(|deadline| deadline <= now) || self.deadlines.body.is_none() {
            return Some(self.timed_out());
        }
        // The downstream has unread data, and may be reading it.
        if matches!(self.response, ResponseProgress::Through { .. }) || !self.downstream.is_flushed() {
            self.deadlines.wait_for_body();
            return None;
        }
        Some(RelayOutcome::Stalled)
    }
}

/// Whether the downstream may withhold its body, because the service has not asked for it (RFC 9110, section 10.1.1).
fn awaits_continue(exchange: &Exchange, response: &ResponseProgress) -> bool {
    exchange.expects && exchange.body.bytes == 0 && matches!(response, ResponseProgress::Silent)
}
