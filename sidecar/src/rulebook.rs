//! The rules in force on one worker, ready to be looked up by the next exchange.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh::routes::pins::{Pattern, Pins};
use mesh::rule::{Action, Rule};

use crate::decorator::Answer;
use crate::tunnel::refusal::RULE_FIELD;

/// Told to callers of an endpoint that is off until further notice, or for longer: try again by then.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Rules by method and route.
#[derive(Debug, Default)]
pub struct Rulebook {
    rules: HashMap<(Box<str>, Box<str>), Rc<InForce>>,
}

/// A rule as it is obeyed.
#[derive(Debug)]
pub struct InForce {
    /// Its id.
    pub id: Box<str>,
    status: u16,
    /// A rule lapses by the monotonic clock, so that setting the wall clock neither prolongs nor ends it.
    lapses: Option<Instant>,
}

/// The patterns that these rules pin.
pub fn pinned(rules: &[Rule]) -> Pins {
    let patterns: Vec<Pattern> = rules.iter().filter_map(Rule::pattern).collect();
    Pins::new(&patterns)
}

impl Rulebook {
    /// Translates a set of rules. `now` and `now_ms` are the same instant.
    pub fn new(rules: &[Rule], now: Instant, now_ms: u64) -> Self {
        let in_force = |rule: &Rule| {
            let Action::Disable { status } = rule.action else { return None };
            let lapses = rule.remaining(now_ms).map(|remaining| now + remaining);
            let key = (rule.endpoint.method().into(), rule.endpoint.route().into());
            Some((key, Rc::new(InForce { id: rule.id.as_str().into(), status, lapses })))
        };
        Self { rules: rules.iter().filter_map(in_force).collect() }
    }

    /// The rule for an endpoint, lapsed or not.
    pub fn rule(&self, method: &str, route: &str) -> Option<Rc<InForce>> {
        if self.rules.is_empty() {
            return None;
        }
        self.rules.get(&(method.into(), route.into())).cloned()
    }
}

impl InForce {
    /// Whether its time is over.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.lapses.is_some_and(|lapses| lapses <= now)
    }

    /// What a caller gets in the service's place.
    pub fn answer(&self, now: Instant) -> Answer {
        let answer = Answer::text(self.status, "This endpoint is turned off for the moment.\n")
            .with(RULE_FIELD, self.id.to_string())
            .with("Cache-Control", "no-store");
        if !matches!(self.status, 503 | 429) {
            return answer;
        }
        let remaining = self.lapses.map_or(RETRY_AFTER_MAX, |lapses| lapses.saturating_duration_since(now));
        let seconds = remaining.min(RETRY_AFTER_MAX).as_secs_f64().ceil() as u64;
        answer.with("Retry-After", seconds.max(1).to_string())
    }
}
