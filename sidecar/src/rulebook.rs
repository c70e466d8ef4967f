//! The active rules of one worker, indexed for lookup at each exchange.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use decorators::selection::{Mode, Selection};

use mesh::routes;
use mesh::routes::route_patterns::{Pattern, Pins};
use mesh::rule::{ANY_METHOD, Action, Protection, Rule};
use mesh::rule_totals::{Circuits, RuleTotals};

use crate::decorator::Decorator;
use crate::head::answer::Answer;
use crate::rulebook::rule_counts::RuleCounts;

pub mod rule_counts;

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
    /// The rules that guard the service, in the order of all rules.
    guards: Vec<Guard>,
    /// The paths that guards exclude, as a probe requests them.
    protected_paths: HashSet<Box<str>>,
    /// What prefix rules exclude: the pod's protected paths, and the routes under which they are counted.
    protected: HashSet<Box<str>>,
}

/// A rule that lets only some requests pass. It is looked up for each request by its path, and not by its endpoint: how a
/// request is counted must not decide whether it is checked.
#[derive(Debug)]
struct Guard {
    rule: Rule,
    active: Rc<ActiveRule>,
    /// The paths of a guard for one endpoint.
    paths: Pins,
}

/// A method and a route.
type Name = (Box<str>, Box<str>);

/// The rules for one endpoint. First those that turn it off, in order of precedence: the first that applies to a request
/// answers it. Then decorators, in the order in which they see requests.
pub type MatchedRules = Rc<[Rc<ActiveRule>]>;

/// A rule and its expiry on the monotonic clock. The control client computes the expiry from the control
/// plane's clock (`control_clock.rs`), so changes to the pod's wall clock do not affect it.
#[derive(Debug, Clone)]
pub struct TimedRule {
    /// The rule.
    pub rule: Rule,
    /// When it expires; `None` if only the control plane ends it.
    pub lapses: Option<Instant>,
    /// The decorator of a rule that has one. All workers share it.
    pub decorator: Option<Arc<dyn Decorator>>,
    /// What all workers have done by it.
    pub counts: Arc<RuleCounts>,
}

impl TimedRule {
    /// What all workers have done by it.
    pub fn totals(&self) -> RuleTotals {
        let decorator = self.decorator.as_deref();
        RuleTotals {
            circuits: decorator.and_then(Decorator::circuit).map(Circuits::from).unwrap_or_default(),
            sides: decorator.and_then(Decorator::sides).map(Box::new),
            ..self.counts.totals(&self.rule.id)
        }
    }

    /// A rule without an expiry and without a decorator.
    pub fn without_limit(rule: Rule) -> Self {
        Self { rule, lapses: None, decorator: None, counts: Arc::default() }
    }
}

/// A rule in the form that a worker applies.
#[derive(Debug)]
pub struct ActiveRule {
    /// The rule's id.
    pub id: Box<str>,
    /// What it does.
    pub effect: RuleEffect,
    /// What all workers have done by it.
    pub counts: Arc<RuleCounts>,
    selection: Selection,
    lapses: Option<Instant>,
    /// Its position among all rules.
    position: usize,
}

/// What a rule does with a request.
#[derive(Debug)]
pub enum RuleEffect {
    /// It answers with this status.
    Disable(u16),
    /// A decorator acts.
    Decorate(Arc<dyn Decorator>),
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
        let protected_paths = protected.iter().map(|path| path.as_str().into()).collect();
        let mut book = Self { protected: protected_routes(protected, pins), protected_paths, ..Self::default() };
        for (position, timed) in rules.iter().enumerate() {
            let Some(active) = ActiveRule::new(position, timed) else { continue };
            let (rule, active) = (&timed.rule, Rc::new(active));
            if rule.is_guard() {
                let pattern: Option<Pattern> = rule.endpoint.route().parse().ok();
                let paths = Pins::new(pattern.iter());
                book.guards.push(Guard { rule: rule.clone(), active, paths });
                continue;
            }
            if rule.prefix().is_some() {
                book.prefixes.push((rule.clone(), active));
            } else {
                let key = (rule.endpoint.method().into(), rule.endpoint.route().into());
                book.endpoints.entry(key).or_default().push(active);
            }
        }
        book.prefixes.sort_by_key(|(rule, _)| std::cmp::Reverse(rule.endpoint.route().len()));
        book
    }

    /// Returns the rules for an endpoint, expired or not. Among those that turn it off, rules for the endpoint itself come
    /// first, then rules for prefixes, longest first.
    pub fn matching(&self, method: &str, route: &str) -> Option<MatchedRules> {
        if self.endpoints.is_empty() && self.prefixes.is_empty() {
            return None;
        }
        let own = [method, ANY_METHOD].map(|method| self.endpoints.get(&(method.into(), route.into())));
        let own = own.into_iter().flatten().flatten();
        let is_protected = self.protected.contains(route);
        let leaves_out = |rule: &Rule| is_protected && rule.protection == Protection::Respected;
        let covers = |(rule, _): &&(Rule, _)| rule.covers(method, route) && !leaves_out(rule);
        let prefixes = self.prefixes.iter().filter(covers).map(|(_, active)| active);
        let mut covering: Vec<&Rc<ActiveRule>> = own.chain(prefixes).collect();
        // A stable sort.
        covering.sort_by_key(|rule| rule.rank());
        let covering: MatchedRules = covering.into_iter().map(Rc::clone).collect();
        (!covering.is_empty()).then_some(covering)
    }
}

impl Rulebook {
    /// Adds the guards that apply to a request with this target, which is counted under `route`, to the rules of its endpoint.
    ///
    /// A service may take a path that is not in its normal form for another one, so all guards apply to such a path.
    pub fn with_guards(
        &self,
        covering: Option<MatchedRules>,
        (method, target, route): (&str, &str, &str),
    ) -> Option<MatchedRules> {
        if self.guards.is_empty() {
            return covering;
        }
        let path = target.split('?').next().unwrap_or_default();
        let normal = routes::normal_path(target);
        let is_probe = self.protected_paths.contains(path);
        let applies = |guard: &&Guard| {
            let is_left_out = is_probe && guard.rule.protection == Protection::Respected;
            !is_left_out && (is_ambiguous(path) || [path, &normal, route].iter().any(|path| guard.covers(method, path)))
        };
        let mut all: Vec<Rc<ActiveRule>> = covering.iter().flat_map(|rules| rules.iter()).map(Rc::clone).collect();
        all.extend(self.guards.iter().filter(applies).map(|guard| Rc::clone(&guard.active)));
        all.sort_by_key(|rule| rule.rank());
        (!all.is_empty()).then(|| all.into())
    }
}

impl Guard {
    /// Services answer HEAD as they answer GET (RFC 9110, section 9.3.2), and a WebSocket over HTTP/2 begins with CONNECT in
    /// the place of GET (RFC 8441, section 4).
    fn covers(&self, method: &str, path: &str) -> bool {
        let method = if matches!(method, "HEAD" | "CONNECT") && self.rule.endpoint.method() == "GET" { "GET" } else { method };
        let of_method = [ANY_METHOD, method].contains(&self.rule.endpoint.method());
        self.rule.covers(method, path) || (self.rule.prefix().is_none() && of_method && self.paths.find(path).is_some())
    }
}

/// Whether two readers could understand a path differently: it has dot segments, empty segments, or a separator that is
/// encoded or reversed (RFC 3986, sections 5.2.4 and 6.2.2).
fn is_ambiguous(path: &str) -> bool {
    let has_odd_segment = ["//", "/./", "/../"].iter().any(|part| path.contains(part));
    let ends_odd = path.ends_with("/.") || path.ends_with("/..");
    let lower = path.to_ascii_lowercase();
    has_odd_segment || ends_odd || ["%2e", "%2f", "%5c", "\\", ";"].iter().any(|part| lower.contains(part))
}

impl ActiveRule {
    fn new(position: usize, timed: &TimedRule) -> Option<Self> {
        let effect = match &timed.rule.action {
            Action::Disable { status } => RuleEffect::Disable(*status),
            Action::Decorate(_) => RuleEffect::Decorate(Arc::clone(timed.decorator.as_ref()?)),
            Action::Pin => return None,
        };
        Some(Self {
            id: timed.rule.id.as_str().into(),
            effect,
            counts: Arc::clone(&timed.counts),
            selection: timed.rule.selection.clone(),
            lapses: timed.lapses,
            position,
        })
    }

    /// Its place among the rules of an endpoint: those that turn it off keep their precedence, decorators have their own order.
    fn rank(&self) -> usize {
        match self.effect {
            RuleEffect::Disable(_) => 0,
            RuleEffect::Decorate(_) => 1 + self.position,
        }
    }

    /// Whether it applies to a request of this caller at this time. A share of requests is chosen by chance.
    pub fn applies(&self, caller: Option<IpAddr>, now: Instant) -> bool {
        !self.has_lapsed(now)
            && self.selection.selects(caller)
            && (self.selection.percent >= 100 || rand::random_range(0..100) < self.selection.percent)
    }

    /// Whether it acts, or only counts.
    pub fn mode(&self) -> Mode {
        self.selection.mode
    }

    /// Whether the rule has expired.
    pub fn has_lapsed(&self, now: Instant) -> bool {
        self.lapses.is_some_and(|lapses| lapses <= now)
    }

    /// The response of a rule that turns an endpoint off.
    pub fn answer(&self, status: u16, now: Instant) -> Answer {
        let answer = Answer::text(status, "This endpoint is temporarily turned off.\n")
            .with(RULE_FIELD, self.id.to_string())
            .with("Cache-Control", "no-store");
        if !matches!(status, 503 | 429) {
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
