//! The decorators of the rules in force: built once for each rule, and kept with their state while the rule lasts.

use std::collections::HashMap;

use mesh::rule::{Action, Rule, RuleRefusal};

use crate::decorator::catalog::{Catalog, Origin};
use crate::rulebook::TimedRule;

/// The rules of the last set, by id.
pub struct RuleInstances {
    catalog: Catalog,
    known: HashMap<String, TimedRule>,
}

impl RuleInstances {
    /// No rules yet.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, known: HashMap::new() }
    }

    /// Gives each rule its decorator and its counters. A rule of the last set keeps its own, so that a change of another rule
    /// does not reset a limit or a count. An error if one cannot be built; the last set is then still known.
    pub(super) fn instantiate(&mut self, rules: Vec<Rule>) -> Result<Vec<TimedRule>, Vec<RuleRefusal>> {
        let mut refusals = Vec::new();
        let mut instances = Vec::with_capacity(rules.len());
        for rule in rules {
            match self.instance(rule) {
                Ok(instance) => instances.push(instance),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        self.known = instances.iter().map(|timed| (timed.rule.id.clone(), timed.clone())).collect();
        Ok(instances)
    }

    fn instance(&self, rule: Rule) -> Result<TimedRule, RuleRefusal> {
        // Ids are unique within a store only: after a change of the store, one may mean another rule.
        if let Some(known) = self.known.get(&rule.id).filter(|known| known.rule == rule) {
            return Ok(known.clone());
        }
        let decorator = match &rule.action {
            Action::Decorate(action) => self.catalog.build(action, Origin::ControlPlane),
            Action::Disable { .. } | Action::Pin => Ok(None),
        };
        match decorator {
            Ok(decorator) => Ok(TimedRule { decorator, ..TimedRule::without_limit(rule) }),
            Err(why) => Err(RuleRefusal { rule: rule.id, why }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use decorators::action;
    use decorators::selection::Selection;
    use mesh::endpoint::Endpoint;
    use mesh::rule::{Protection, Scope, Selector};

    use super::*;
    use crate::decorator::background::Background;
    use crate::decorator::pod_names::PodNames;

    fn rule(id: &str, json: &str) -> Rule {
        Rule {
            id: id.into(),
            selector: Selector { namespace: "default".into(), service: "web".into(), pods: vec![] },
            endpoint: Endpoint::named("GET", "/a").unwrap(),
            scope: Scope::Endpoint,
            action: Action::Decorate(Arc::new(action::Action::from_json(json).unwrap())),
            selection: Selection::default(),
            protection: Protection::Respected,
            expires_ms: None,
            by: String::new(),
            reason: String::new(),
        }
    }

    #[test]
    fn a_rule_keeps_its_state_while_others_change_and_no_rule_reads_a_file_of_the_pod() {
        let mut instances = RuleInstances::new(Catalog {
            pod: PodNames { service: "web".into(), pod: "web-1".into() },
            background: Background::none(),
            own_ports: Vec::new(),
        });
        let limit = rule("r1", r#"{"rate-limit":{"requests":1,"per":"1s"}}"#);
        let before = instances.instantiate(vec![limit.clone()]).unwrap();
        let after = instances.instantiate(vec![rule("r2", r#"{"fault":{"abort":500}}"#), limit.clone()]).unwrap();
        assert!(Arc::ptr_eq(&before[0].counts, &after[1].counts));
        let reading = rule("r3", r#"{"error-page":{"on":[404],"html_file":"/etc/passwd"}}"#);
        let refusals = instances.instantiate(vec![limit.clone(), reading]).unwrap_err();
        assert_eq!(refusals[0].rule, "r3");
        assert!(refusals[0].why.contains("html_file"));
        let reading = rule("r4", r#"{"jwt":{"issuer":"https://sso.example","audience":["a"],"ca_file":"/etc/shadow"}}"#);
        let refusals = instances.instantiate(vec![limit.clone(), reading]).unwrap_err();
        assert!(refusals[0].why.contains("ca_file"));
        let again = instances.instantiate(vec![limit]).unwrap();
        assert!(Arc::ptr_eq(&before[0].counts, &again[0].counts), "a refused set changes nothing");
    }
}
