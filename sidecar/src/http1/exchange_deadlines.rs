//! The deadlines of an exchange on one timer: for the response, the request's body, and a client that may have gone.

use std::time::{Duration, Instant};

use crate::socket::deadlines::{Deadline, TICK};
use crate::timeouts::Timeouts;

/// The deadlines of one exchange.
pub(super) struct ExchangeDeadlines<'a> {
    timer: &'a Deadline,
    /// How long the body may send nothing.
    body_timeout: Option<Duration>,
    response: Option<Instant>,
    body: Option<Instant>,
    /// How long a client may wait after it has closed its sending half, while the service sends nothing.
    abandon_grace: Option<Duration>,
    half_closed: HalfClosed,
}

/// Whether the client has closed its sending half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HalfClosed {
    No,
    /// It has. The connection is looked at in every tick, because a reset that follows wakes nothing.
    Since(Instant),
}

impl<'a> ExchangeDeadlines<'a> {
    /// Starts with the response's deadline only, if there is one.
    pub(super) fn new(timer: &'a Deadline, response: Option<Instant>, timeouts: &Timeouts) -> Self {
        let half_closed = HalfClosed::No;
        let (body_timeout, abandon_grace) = (timeouts.body, timeouts.abandon);
        let deadlines = Self { timer, body_timeout, response, body: None, abandon_grace, half_closed };
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

    /// Whether the response takes too long.
    pub(super) fn is_response_late(&self, now: Instant) -> bool {
        self.response.is_some_and(|deadline| deadline <= now)
    }

    /// Whether nothing of the request's body has arrived for too long.
    pub(super) fn is_body_late(&self, now: Instant) -> bool {
        self.body.is_some_and(|deadline| deadline <= now)
    }

    /// The client has closed its sending half: its grace begins.
    pub(super) fn start_abandon_grace(&mut self) {
        if self.half_closed == HalfClosed::No {
            self.half_closed = HalfClosed::Since(Instant::now());
            self.arm();
        }
    }

    /// The service has sent something, so the client's grace begins again.
    pub(super) fn extend_abandon_grace(&mut self) {
        if self.half_closed != HalfClosed::No {
            self.half_closed = HalfClosed::Since(Instant::now());
        }
    }

    /// Whether the client's grace is over.
    pub(super) fn is_abandoned(&self, now: Instant) -> bool {
        let HalfClosed::Since(since) = self.half_closed else { return false };
        self.abandon_grace.is_some_and(|grace| now.duration_since(since) >= grace)
    }

    fn restart_body_timeout(&mut self) {
        self.body = self.body_timeout.map(|within| Instant::now() + within);
        self.arm();
    }

    /// Sets the timer.
    pub(super) fn arm(&self) {
        let look = (self.half_closed != HalfClosed::No).then(|| Instant::now() + TICK);
        match self.response.into_iter().chain(self.body).chain(look).min() {
            Some(soonest) => self.timer.arm(soonest),
            None => self.timer.disarm(),
        }
    }
}
