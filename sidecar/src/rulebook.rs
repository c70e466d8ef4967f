//! The active rules of one worker, indexed for lookup at each exchange.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh::routes;
use mesh::routes::route_patterns::{Pattern, Pins};
use mesh::rule::{Action, Protection, Rule};

use crate::head::answer::Answer;

/// The longest Retry-After. It is also used for an endpoint that is off without a time limit.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Active rules by method and route, and rules for a prefix.
///
/// Without rules, a lookup costs two checks for empty collections. An endpoint that has a row caches the result.
#[derive(Debug, Default)]
pub struct Rulebook {
    endpoints: HashMap<Name, Vec<Rc<ActiveRule>>>,
    /// Longest prefix first.
    prefixes: Vec<(Rule, Rc<ActiveRule>)>,
    /// What prefix rules exclude: the pod's protected paths, and the routes under which they are counted.
    protected: HashSet<Box<str>>,
}

/// A method and a route.
type Name = (Box<str>, Box<str>);

/// The rules for one endpoint in order of precedence: the first that has not expired applies.
pub type Covering = Rc<[Rc<ActiveRule>]>;

/// A rule and its expiry on the monotonic clock. The control client computes the expiry from the control
/// plane's clock (`control_clock.rs`), so changes to the pod's wall clock do not affect it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedRule {
    /// The rule.
    pub rule: Rule,
    /// When it expires; `None` if only the control plane ends it.
    pub lapses: Option<Instant>,
}

impl TimedRule {
    /// A rule without an expiry.
    pub fn without_limit(rule: Rule) -> Self {
        Self { rule, lapses: None }
    }
}

/// A rule in the form that a worker applies.
#[derive(Debug)]
pub struct ActiveRule {
    /// The rule's id.
    pub id: Box<str>,
    status: u16,
    lapses: Option<Instant>,
}

/// The patterns that these rules pin.
pub fn pinned<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Pins {
    let patterns: Vec<Pattern> = rules.into_iter().filter_map(Rule::pattern).collect();
    Pins::new(&patterns)
}

/// The protected routes: each path as written, and the route under which it is counted with these pins.
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
    /// Builds a rulebook for a pod that protects these paths and names routes by these pins.
    pub fn new(rules: &[TimedRule], (protected, pins): (&[String], &[&Pins])) -> Self {
        let mut book = Self { protected: protected_routes(protected, pins), ..Self::default() };
        for TimedRule { rule, lapses } in rules {
            let Action::Disable { status } = rule.action else { continue };
            let in_force = Rc::new(ActiveRule { id: rule.id.as_str().into(), status, lapses: *lapses });
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

    /// Returns the rules for an endpoint, expired or not: rules for the endpoint itself first, then rules
    /// for prefixes, longest first.
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

impl ActiveRule {
    /// Whether the rule has expired.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.lapses.is_some_and(|lapses| lapses <= now)
    }

    /// The response that the rule gives in the service's place.
    pub fn answer(&self, now: Instant) -> Answer {
        let answer = Answer::text(self.status, "This endpoint is temporarily turned off.\n")
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

/// The field that marks the response of a rule.
pub const RULE_FIELD: &str = "X-Sitio-Rule";
