//! Two deadlines of an exchange by one watch: that of the answer, and that of the next bytes of the request's body.

use std::time::{Duration, Instant};

use crate::tunnel::exchange::Exchange;
use crate::tunnel::relay::{Relay, Relayed, Response};
use crate::watch::Watch;

/// The deadlines of one exchange.
pub(super) struct Deadlines<'a> {
    watch: &'a Watch,
    /// For which nothing may come of the body.
    body_timeout: Option<Duration>,
    answer: Option<Instant>,
    body: Option<Instant>,
}

impl<'a> Deadlines<'a> {
    /// None but that of the answer, if there is one.
    pub(super) fn new(watch: &'a Watch, answer: Option<Instant>, body_timeout: Option<Duration>) -> Self {
        let deadlines = Self { watch, body_timeout, answer, body: None };
        if answer.is_some() {
            deadlines.arm();
        }
        deadlines
    }

    /// From now on the answer has this deadline.
    pub(super) fn expect_answer(&mut self, answer: Option<Instant>) {
        if self.answer != answer {
            self.answer = answer;
            self.arm();
        }
    }

    /// Something came of the body.
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
    /// Nothing has come of the request's body, and the service has taken all that came before: from the first such moment
    /// on the time between two bytes runs.
    pub(super) fn wait_for_body(&mut self) {
        let is_waiting = self.deadlines.body.is_some() || self.deadlines.body_timeout.is_none();
        if !is_waiting && !awaits_continue(self.exchange, &self.response) {
            self.deadlines.wait_for_body();
        }
    }

    /// The service has sent something, so the exchange is alive, whatever the downstream sends.
    pub(super) fn answer_moved(&mut self) {
        if self.deadlines.body.is_some() {
            self.deadlines.wait_for_body();
        }
    }

    /// What has ended because a deadline has passed, if anything has.
    pub(super) fn expired(&mut self) -> Option<Relayed> {
        let now = Instant::now();
        if self.deadlines.answer.is_some_and(|deadline| deadline <= now) || self.deadlines.body.is_none() {
            return Some(self.timed_out());
        }
        // The downstream has something to read, and may be reading it.
        if matches!(self.response, Response::Through { .. }) || !self.downstream.is_flushed() {
            self.deadlines.wait_for_body();
            return None;
        }
        Some(Relayed::Stalled)
    }
}

/// Whether the downstream need not send its body yet, because the service has not asked for it (RFC 9110, section 10.1.1).
fn awaits_continue(exchange: &Exchange, response: &Response) -> bool {
    exchange.expects && exchange.body.bytes == 0 && matches!(response, Response::Silent)
}
