//! `circuit-breaker`: answers with 503 while the service fails, and lets a few requests probe it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use decorators::circuit_breaker::CircuitBreaker as Config;
use mesh::exchange::Outcome;
use mesh::rule_totals::CircuitState;

use crate::decorator::request::Request;
use crate::decorator::sliding_window::SlidingWindow;
use crate::decorator::{Decorator, EndedExchange, Step};
use crate::head::answer::Answer;

pub(super) struct Breaker {
    circuit: Arc<Mutex<Circuit>>,
}

/// The circuit that all workers share. Its lock is held for a few comparisons, twice in an exchange.
struct Circuit {
    config: Config,
    position: Position,
    failures_in_row: u32,
    window: SlidingWindow,
    /// How often it has opened since it was closed.
    openings: u32,
    /// Counts the times that probing began. What an older probe shows does not matter any more.
    probings: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Requests pass, and their ends are counted.
    Closed,
    /// Requests are refused until then.
    Open { until: Instant },
    /// Some requests pass as probes. If they have not ended by `until`, others may.
    HalfOpen { probing: u32, passed: u32, until: Instant },
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Pass,
    /// It passes, and its end decides. The number is that of the probing.
    Probe(u64),
    /// It is refused. Another attempt is of use after this time.
    Refuse(Duration),
}

/// What the end of an exchange says about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Works,
    Fails,
}

/// Held by the exchange of a probe until it has ended, so that its place is free again however it ends.
struct Probe {
    circuit: Arc<Mutex<Circuit>>,
    probing: u64,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut circuit = lock(&self.circuit);
        if circuit.probings == self.probing
            && let Position::HalfOpen { probing, .. } = &mut circuit.position
        {
            *probing = probing.saturating_sub(1);
        }
    }
}

impl Breaker {
    pub(super) fn new(config: Config) -> Self {
        Self { circuit: Arc::new(Mutex::new(Circuit::new(config, Instant::now()))) }
    }
}

impl Circuit {
    fn new(config: Config, now: Instant) -> Self {
        let window = SlidingWindow::new(config.within.0, now);
        Self { config, position: Position::Closed, failures_in_row: 0, window, openings: 0, probings: 0 }
    }

    fn admit(&mut self, now: Instant) -> Admission {
        match &mut self.position {
            Position::Closed => Admission::Pass,
            Position::Open { until } if now < *until => Admission::Refuse(until.duration_since(now)),
            Position::HalfOpen { probing, until, .. } if now < *until => {
                if *probing >= self.config.probes {
                    return Admission::Refuse(Duration::ZERO);
                }
                *probing += 1;
                Admission::Probe(self.probings)
            }
            Position::Open { .. } | Position::HalfOpen { .. } => {
                self.probings += 1;
                self.position = Position::HalfOpen { probing: 1, passed: 0, until: now + self.config.open_for.0 };
                Admission::Probe(self.probings)
            }
        }
    }

    /// Counts the end of an exchange, and of the probing that it belonged to, if any. One that began before the circuit
    /// opened says nothing new.
    fn count(&mut self, verdict: Verdict, probing: Option<u64>, now: Instant) {
        match (&mut self.position, verdict) {
            (Position::Closed, verdict) => {
                let counts = self.window.now(now);
                counts.all += 1;
                counts.of_kind += u64::from(verdict == Verdict::Fails);
                self.failures_in_row = if verdict == Verdict::Fails { self.failures_in_row.saturating_add(1) } else { 0 };
                if self.trips(now) {
                    self.open(now);
                }
            }
            (Position::HalfOpen { .. }, _) if probing != Some(self.probings) => {}
            (Position::HalfOpen { .. }, Verdict::Fails) => self.open(now),
            (Position::HalfOpen { passed, .. }, Verdict::Works) => {
                *passed += 1;
                if *passed >= self.config.probes {
                    let probings = self.probings;
                    *self = Self { probings, ..Self::new(self.config.clone(), now) };
                }
            }
            (Position::Open { .. }, _) => {}
        }
    }

    fn trips(&mut self, now: Instant) -> bool {
        if self.config.failures.is_some_and(|failures| self.failures_in_row >= failures) {
            return true;
        }
        self.config.error_percent.is_some_and(|percent| {
            let counts = self.window.sum(now);
            counts.all >= u64::from(self.config.requests) && counts.of_kind * 100 >= counts.all * u64::from(percent)
        })
    }

    fn open(&mut self, now: Instant) {
        let doubled = 1_u32.checked_shl(self.openings).and_then(|times| self.config.open_for.0.checked_mul(times));
        let longest = self.config.longest_open();
        self.position = Position::Open { until: now + doubled.map_or(longest, |doubled| doubled.min(longest)) };
        self.openings = self.openings.saturating_add(1);
    }
}

impl Verdict {
    /// A failure is one of the service: a 5xx, or no response. A client that left, and an answer of a rule or a decorator,
    /// say nothing about it.
    fn of(exchange: &EndedExchange<'_>) -> Option<Self> {
        if !exchange.is_from_service() {
            return None;
        }
        let status = match exchange.outcome {
            Outcome::Answered => exchange.status,
            Outcome::Decorator => exchange.service_status?,
            // It has given no whole response.
            _ => return Some(Self::Fails),
        };
        Some(if status >= 500 { Self::Fails } else { Self::Works })
    }
}

impl Decorator for Breaker {
    fn name(&self) -> &'static str {
        "circuit-breaker"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        // The lock ends with this line: a probe takes it again when it is dropped.
        let admission = lock(&self.circuit).admit(Instant::now());
        match admission {
            Admission::Pass => Step::Pass,
            Admission::Probe(probing) => {
                request.keep(Probe { circuit: Arc::clone(&self.circuit), probing });
                Step::Pass
            }
            Admission::Refuse(wait) => Step::Answer(refuse(wait)),
        }
    }

    fn ended(&self, exchange: &EndedExchange<'_>) {
        let Some(verdict) = Verdict::of(exchange) else { return };
        let probe = exchange.kept::<Probe>().find(|probe| Arc::ptr_eq(&probe.circuit, &self.circuit));
        lock(&self.circuit).count(verdict, probe.map(|probe| probe.probing), Instant::now());
    }

    fn circuit(&self) -> Option<CircuitState> {
        Some(match lock(&self.circuit).position {
            Position::Closed => CircuitState::Closed,
            Position::Open { .. } => CircuitState::Open,
            Position::HalfOpen { .. } => CircuitState::HalfOpen,
        })
    }
}

/// The response to a request that is kept from the service, with `Retry-After` (RFC 9110, section 10.2.3).
fn refuse(wait: Duration) -> Answer {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    Answer::text(503, "The service fails, so this request was not sent to it: the circuit breaker is open.\n")
        .with("Retry-After", seconds.to_string())
        .with("Cache-Control", "no-store")
}

fn lock(circuit: &Mutex<Circuit>) -> MutexGuard<'_, Circuit> {
    circuit.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
