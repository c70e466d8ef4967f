//! Two deadlines of an exchange on one timer: for the response, and for the next bytes of the request's body.

use std::time::{Duration, Instant};

use crate::socket::deadlines::Deadline;

/// The deadlines of one exchange.
pub(super) struct RelayDeadlines<'a> {
    timer: &'a Deadline,
    /// How long the body may send nothing.
    body_timeout: Option<Duration>,
    response: Option<Instant>,
    body: Option<Instant>,
}

impl<'a> RelayDeadlines<'a> {
    /// Starts with the response's deadline only, if there is one.
    pub(super) fn new(timer: &'a Deadline, response: Option<Instant>, body_timeout: Option<Duration>) -> Self {
        let deadlines = Self { timer, body_timeout, response, body: None };
        if response.is_some() {
            deadlines.arm();
        }
        deadlines
    }

    /// Sets the response's deadline.
    pub(super) fn set_response(&mut self, response: Option<Instant>) {
        if self.response != response {
            self.response = response;
            self.arm();
        }
    }

    /// Starts the body timeout, if there is one and it does not run yet.
    pub(super) fn start_body_timeout(&mut self) {
        if self.body.is_none() && self.body_timeout.is_some() {
            self.restart_body_timeout();
        }
    }

    /// Starts the body timeout again from now, if it runs.
    pub(super) fn extend_body_timeout(&mut self) {
        if self.body.is_some() {
            self.restart_body_timeout();
        }
    }

    /// Stops the body timeout, because bytes of the body have arrived.
    pub(super) fn stop_body_timeout(&mut self) {
        if self.body.take().is_some() {
            self.arm();
        }
    }

    /// Whether the timer has fired for the response, and not only for the request's body.
    pub(super) fn is_response_late(&self, now: Instant) -> bool {
        self.response.is_some_and(|deadline| deadline <= now) || self.body.is_none()
    }

    fn restart_body_timeout(&mut self) {
        self.body = self.body_timeout.map(|within| Instant::now() + within);
        self.arm();
    }

    fn arm(&self) {
        match self.response.into_iter().chain(self.body).min() {
            Some(soonest) => self.timer.arm(soonest),
            None => self.timer.disarm(),
        }
    }
}
