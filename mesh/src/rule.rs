//! The plain data that says which action to take, on which endpoint and pods, until when.

use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::routes::pins::{Pattern, Pins};
use crate::routes::write_pinned_route;
use crate::workload::Workload;

/// Rules in force for one pod at a time. A person writes each of them.
pub const RULES_MAX: usize = 256;

/// Bytes of a reason, as people write them into a form.
pub const REASON_BYTES_MAX: usize = 1024;

/// Statuses that a rule may answer with.
pub const DISABLE_STATUSES: [u16; 4] = [503, 429, 404, 410];

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique within the store that made it.
    pub id: String,
    /// Which pods it is for.
    pub selector: Selector,
    /// Which endpoint it is about.
    pub endpoint: Endpoint,
    /// How much of the service it covers.
    pub scope: Scope,
    /// What to do.
    pub action: Action,
    /// Whether it may turn off paths that a pod protects.
    pub protection: Protection,
    /// When it lapses, milliseconds since the Unix epoch; `None` if only a person ends it.
    pub expires_ms: Option<u64>,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Which pods a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The pods by name; empty for all of them, those that join later too.
    pub pods: Vec<String>,
}

/// What a rule does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answer in the service's place.
    Disable {
        /// The status to answer with, one of [`DISABLE_STATUSES`].
        status: u16,
    },
    /// Name the paths that a pattern recognises by it. The rule's method is [`ANY_METHOD`], its route the pattern.
    Pin,
}

/// How much of a service a rule covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// One endpoint: the rule's method and route.
    #[default]
    Endpoint,
    /// Every endpoint whose route begins with the rule's route up to the `*` at its end. `/*` is the whole service.
    /// The method is [`ANY_METHOD`] for all methods.
    Prefix,
}

/// Whether a rule may turn off a path that a pod protects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// It may not: a pod refuses the rule, and a prefix leaves the path out.
    #[default]
    Respected,
    /// It may: an operator said so.
    Overridden,
}

/// The method of a rule that concerns all methods.
pub const ANY_METHOD: &str = "*";

/// The end of a route that names a prefix.
const PREFIX_END: &str = "/*";

impl Selector {
    /// Whether this pod is one of those meant.
    pub fn selects(&self, workload: &Workload) -> bool {
        self.namespace == workload.namespace
            && self.service == workload.service
            && (self.pods.is_empty() || self.pods.contains(&workload.pod))
    }
}

/// The prefix that a route with a `*` at its end names: `/legacy/` for `/legacy/*`.
pub fn prefix_of(route: &str) -> Option<&str> {
    route.ends_with(PREFIX_END).then(|| &route[..route.len() - 1])
}

impl Rule {
    /// Whether requests of this method and route meet the rule. Sidecars and pages go by this alone.
    pub fn covers(&self, method: &str, route: &str) -> bool {
        let own = &self.endpoint;
        match (&self.action, self.prefix()) {
            (Action::Pin, _) => false,
            (Action::Disable { .. }, None) => own.method() == method && own.route() == route,
            (Action::Disable { .. }, Some(prefix)) => {
                // `OPTIONS *` has no slash, and belongs to the service all the same.
                (own.method() == ANY_METHOD || own.method() == method) && (prefix == "/" || route.starts_with(prefix))
            }
        }
    }

    /// The prefix that it covers, if it covers more than one endpoint.
    pub fn prefix(&self) -> Option<&str> {
        match self.scope {
            Scope::Endpoint => None,
            Scope::Prefix => prefix_of(self.endpoint.route()),
        }
    }

    /// What it is about, for people: `GET /export`, `every endpoint under /legacy/`.
    pub fn subject(&self) -> String {
        let Some(prefix) = self.prefix() else { return self.endpoint.to_string() };
        let method = match self.endpoint.method() {
            ANY_METHOD => String::new(),
            method => format!("{method} "),
        };
        if prefix == "/" { format!("every {method}endpoint") } else { format!("every {method}endpoint under {prefix}") }
    }

    /// Whether it would turn off a path that a pod protects, named as it is with these pins, if it were not left out.
    pub fn meets_protected(&self, path: &str, pins: &[&Pins]) -> bool {
        let method = match self.endpoint.method() {
            // A probe is a GET; a rule for all methods covers that.
            ANY_METHOD if self.scope == Scope::Prefix => "GET",
            method => method,
        };
        let mut route = String::new();
        write_pinned_route(path, pins, &mut route);
        self.covers(method, path) || self.covers(method, &route)
    }

    /// The pattern that it pins, if that is what it does.
    pub fn pattern(&self) -> Option<Pattern> {
        match self.action {
            Action::Pin => self.endpoint.route().parse().ok(),
            Action::Disable { .. } => None,
        }
    }

    /// How long the rule still runs at `now_ms`; `None` if until further notice, zero if it is over.
    pub fn remaining(&self, now_ms: u64) -> Option<Duration> {
        self.expires_ms.map(|expires_ms| Duration::from_millis(expires_ms.saturating_sub(now_ms)))
    }

    /// Whether the rule's time is over.
    pub fn has_lapsed(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }
}

/// The rules that a pod should have in force, and the name of that state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredRules {
    /// The store whose revisions these are. A number from another store says nothing.
    pub store: String,
    /// Grows by one with each command.
    pub revision: u64,
    /// The whole set.
    pub rules: Vec<Rule>,
}

/// A pod's word on a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The revision it is about.
    pub revision: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// From the revision's arrival to the moment when every worker obeyed it, in microseconds.
    pub took_us: u64,
}

/// What a pod made of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every worker obeys it.
    Applied,
    /// Some rules cannot be obeyed; the last good set stays in force.
    Refused(Vec<Refusal>),
}

/// Why one rule was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule's id.
    pub rule: String,
    /// What is wrong with it.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, scope: Scope) -> Rule {
        let (method, route) = name.split_once(' ').unwrap();
        Rule {
            id: "r1".into(),
            selector: Selector { namespace: "default".into(), service: "legacy".into(), pods: vec![] },
            endpoint: Endpoint::named(method, route).unwrap(),
            scope,
            action: Action::Disable { status: 503 },
            protection: Protection::default(),
            expires_ms: None,
            by: String::new(),
            reason: String::new(),
        }
    }

    #[test]
    fn a_prefix_covers_what_begins_with_it_and_a_star_in_a_name_is_a_star() {
        let covers = |name, scope, method, route| rule(name, scope).covers(method, route);
        assert!(covers("* /legacy/*", Scope::Prefix, "GET", "/legacy/a/{id}"));
        assert!(covers("* /legacy/*", Scope::Prefix, "GET", "/legacy/"));
        assert!(!covers("* /legacy/*", Scope::Prefix, "GET", "/legacy"));
        assert!(!covers("* /legacy/*", Scope::Prefix, "GET", "/legacy2/a"));
        assert!(covers("GET /legacy/*", Scope::Prefix, "GET", "/legacy/a"));
        assert!(!covers("GET /legacy/*", Scope::Prefix, "POST", "/legacy/a"));
        assert!(covers("* /*", Scope::Prefix, "OPTIONS", "*"));
        assert!(!covers("GET /legacy/*", Scope::Endpoint, "GET", "/legacy/a"));
        assert!(covers("GET /legacy/*", Scope::Endpoint, "GET", "/legacy/*"));
        assert!(!Rule { action: Action::Pin, ..rule("* /a", Scope::Endpoint) }.covers("*", "/a"));
    }
}
