//! Filters the desired rules for this pod, and refuses a set that it cannot obey.

use mesh::routes;
use mesh::routes::route_patterns::Pins;
use mesh::rule::{Action, Protection, Rule, RuleRefusal, Scope};
use proto::convert::greeting::Greeting;
use proto::convert::rules;
use proto::wire;

use crate::rulebook::pinned;

/// Returns the rules for this pod, or the refusals if one of them cannot be obeyed; then the whole set is refused.
pub(super) fn rules_for(us: &Greeting, fixed: &Pins, desired: wire::Desired) -> Result<Vec<Rule>, Vec<RuleRefusal>> {
    let mut rules = rules::desired_rules(desired)?.rules;
    rules.retain(|rule| rule.selector.selects(&us.workload));
    let commanded = pinned(&rules);
    let protects = |rule: &&Rule| is_protected(us, &[&commanded, fixed], rule);
    let refusals: Vec<RuleRefusal> = rules.iter().filter(protects).map(refusal).collect();
    if refusals.is_empty() { Ok(rules) } else { Err(refusals) }
}

/// Formats the refusals in one line.
pub(super) fn describe(refusals: &[RuleRefusal]) -> String {
    let one = |refusal: &RuleRefusal| match refusal.rule.as_str() {
        "" => refusal.why.clone(),
        rule => format!("rule {rule}: {}", refusal.why),
    };
    refusals.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Whether a rule would turn off a protected path. Routes are compared, so a path is protected in every spelling and
/// under every pattern that matches it. A pin does it no harm, and a prefix rule leaves it out.
fn is_protected(us: &Greeting, pins: &[&Pins], rule: &Rule) -> bool {
    if rule.action == Action::Pin || rule.scope == Scope::Prefix || rule.protection == Protection::Overridden {
        return false;
    }
    let mut route = String::new();
    us.protected.iter().any(|path| {
        routes::write_pinned_route(path, pins, &mut route);
        rule.endpoint.route() == path || rule.endpoint.route() == route
    })
}

fn refusal(rule: &Rule) -> RuleRefusal {
    let why = format!("{} is protected: it reports the pod's health", rule.endpoint.route());
    RuleRefusal { rule: rule.id.clone(), why }
}
