//! Decides which of the desired rules this pod obeys, and which it refuses.

use mesh::routes;
use mesh::rule::{Refusal, Rule};
use proto::convert::greeting::Greeting;
use proto::convert::rules;
use proto::wire;

/// The rules meant for this pod; or, if one of them cannot be obeyed, why the whole set is refused.
pub(super) fn rules_for(us: &Greeting, desired: wire::Desired) -> Result<Vec<Rule>, Vec<Refusal>> {
    let mut rules = rules::desired_rules(desired)?.rules;
    rules.retain(|rule| rule.selector.selects(&us.workload));
    let refusals: Vec<Refusal> = rules.iter().filter(|rule| is_protected(us, rule)).map(refusal).collect();
    if refusals.is_empty() { Ok(rules) } else { Err(refusals) }
}

/// The refusals in one line.
pub(super) fn told(refusals: &[Refusal]) -> String {
    let one = |refusal: &Refusal| match refusal.rule.as_str() {
        "" => refusal.why.clone(),
        rule => format!("rule {rule}: {}", refusal.why),
    };
    refusals.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A path is protected under every spelling of it, so routes are compared.
fn is_protected(us: &Greeting, rule: &Rule) -> bool {
    let mut route = String::new();
    us.protected.iter().any(|path| {
        routes::write_route(path, &mut route);
        rule.endpoint.route() == path || rule.endpoint.route() == route
    })
}

fn refusal(rule: &Rule) -> Refusal {
    let why = format!("{} is protected: the pod's health is told there", rule.endpoint.route());
    Refusal { rule: rule.id.clone(), why }
}
