//! The rules in force on one worker, ready to be looked up by the next exchange.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh::routes;
use mesh::routes::pins::{Pattern, Pins};
use mesh::rule::{Action, Protection, Rule};

use crate::decorator::Answer;
use crate::tunnel::refusal::RULE_FIELD;

/// Told to callers of an endpoint that is off until further notice, or for longer: try again by then.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Rules by method and route, and rules for a prefix.
///
/// A look costs a comparison with zero where there are none. An endpoint that has a row keeps what was found.
#[derive(Debug, Default)]
pub struct Rulebook {
    endpoints: HashMap<Name, Vec<Rc<InForce>>>,
    /// The longest prefix first.
    prefixes: Vec<(Rule, Rc<InForce>)>,
    /// What a prefix leaves out: the paths that the pod protects, and the routes under which they are counted.
    protected: HashSet<Box<str>>,
}

/// A method and a route.
type Name = (Box<str>, Box<str>);

/// The rules that cover one endpoint, in the order in which they have the say: the first whose time is not over.
pub type Covering = Rc<[Rc<InForce>]>;

/// A rule, and when its time is over by the monotonic clock. The control plane's clock decides how long that is, so the
/// pod's wall clock neither prolongs nor ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedRule {
    /// The rule.
    pub rule: Rule,
    /// When it lapses; `None` if only the control plane ends it.
    pub lapses: Option<Instant>,
}

impl TimedRule {
    /// A rule that only the control plane ends.
    pub fn without_limit(rule: Rule) -> Self {
        Self { rule, lapses: None }
    }
}

/// A rule as it is obeyed.
#[derive(Debug)]
pub struct InForce {
    /// Its id.
    pub id: Box<str>,
    status: u16,
    lapses: Option<Instant>,
}

/// The patterns that these rules pin.
pub fn pinned<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Pins {
    let patterns: Vec<Pattern> = rules.into_iter().filter_map(Rule::pattern).collect();
    Pins::new(&patterns)
}

/// The routes that are protected: each path as it is written, and the route under which it is counted with these pins.
fn protected_routes(paths: &[String], pins: &[&Pins]) -> HashSet<Box<str>> {
    let mut route = String::new();
    let mut routes = HashSet::with_capacity(2 * paths.len());
    for path in paths {
        routes::write_pinned_route(path, pins, &mut route);
        routes.extend([Box::from(path.as_str()), Box::from(route.as_str())]);
    }
    routes
}

impl Rulebook {
    /// Translates a set of rules for a pod that protects these paths and names routes by these pins.
    pub fn new(rules: &[TimedRule], (protected, pins): (&[String], &[&Pins])) -> Self {
        let mut book = Self { protected: protected_routes(protected, pins), ..Self::default() };
        for TimedRule { rule, lapses } in rules {
            let Action::Disable { status } = rule.action else { continue };
            let in_force = Rc::new(InForce { id: rule.id.as_str().into(), status, lapses: *lapses });
            if rule.prefix().is_some() {
                book.prefixes.push((rule.clone(), in_force));
            } else {
                let key = (rule.endpoint.method().into(), rule.endpoint.route().into());
                book.endpoints.entry(key).or_default().push(in_force);
            }
        }
        book.prefixes.sort_by_key(|(rule, _)| std::cmp::Reverse(rule.endpoint.route().len()));
        book
    }

    /// The rules for an endpoint, lapsed or not: those for it alone first, then those for its longest prefix.
    pub fn covering(&self, method: &str, route: &str) -> Option<Covering> {
        if self.endpoints.is_empty() && self.prefixes.is_empty() {
            return None;
        }
        let own = self.endpoints.get(&(method.into(), route.into()));
        let is_protected = self.protected.contains(route);
        let leaves_out = |rule: &Rule| is_protected && rule.protection == Protection::Respected;
        let covers = |(rule, _): &&(Rule, _)| rule.covers(method, route) && !leaves_out(rule);
        let prefixes = self.prefixes.iter().filter(covers).map(|(_, in_force)| in_force);
        let covering: Covering = own.into_iter().flatten().chain(prefixes).cloned().collect();
        (!covering.is_empty()).then_some(covering)
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

#[cfg(test)]
mod tests;
