//! A rule: which action to take, on which endpoint and pods, and until when.

use std::sync::Arc;
use std::time::Duration;

use decorators::selection::Selection;

use crate::endpoint::Endpoint;
use crate::routes::route_patterns::{Pattern, Pins};
use crate::routes::write_pinned_route;
use crate::workload::Workload;

/// Rules in force for one pod at a time. People write each of them.
pub const RULES_MAX: usize = 256;

/// Bytes of a reason, which people type into a form.
pub const REASON_BYTES_MAX: usize = 1024;

/// Statuses that a disable rule may answer with.
pub const DISABLE_STATUSES: [u16; 4] = decorators::disable::STATUSES;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The id, unique within the store that assigned it.
    pub id: String,
    /// The pods that the rule applies to.
    pub selector: Selector,
    /// The endpoint that the rule applies to.
    pub endpoint: Endpoint,
    /// How much of the service it covers.
    pub scope: Scope,
    /// What to do.
    pub action: Action,
    /// Which of the requests it applies to, and whether it acts. A pin applies to all.
    pub selection: Selection,
    /// Whether it may disable paths that a pod protects.
    pub protection: Protection,
    /// When it expires, milliseconds since the Unix epoch; `None` if only a person ends it.
    pub expires_ms: Option<u64>,
    /// The person who asked for it.
    pub by: String,
    /// The reason that the person gave.
    pub reason: String,
}

/// The pods that a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The pods by name; empty for all pods, including those that join later.
    pub pods: Vec<String>,
}

/// What a rule does with a matching request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answer instead of the service.
    Disable {
        /// The status to answer with, one of [`DISABLE_STATUSES`].
        status: u16,
    },
    /// Let a decorator act.
    Decorate(Arc<decorators::action::Action>),
    /// Use a pattern as the route of all paths that match it. The rule's method is [`ANY_METHOD`],
    /// its route the pattern.
    Pin,
}

/// How much of a service a rule covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// One endpoint: the rule's method and route.
    #[default]
    Endpoint,
    /// Every endpoint whose route begins with the rule's route up to the `*` at its end. `/*` is
    /// the whole service. The method [`ANY_METHOD`] means all methods.
    Prefix,
}

/// Whether a rule may disable a path that a pod protects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// It may not: a pod refuses the rule, or leaves the path out of a prefix rule.
    #[default]
    Respected,
    /// It may, by an explicit decision of an operator.
    Overridden,
}

/// The method of a rule that applies to all methods.
pub const ANY_METHOD: &str = "*";

/// The end of a route that names a prefix.
const PREFIX_END: &str = "/*";

impl Selector {
    /// Whether the rule applies to this pod.
    pub fn selects(&self, workload: &Workload) -> bool {
        self.namespace == workload.namespace
            && self.service == workload.service
            && (self.pods.is_empty() || self.pods.contains(&workload.pod))
    }
}

/// The prefix of a route that ends in `/*`: `/legacy/` for `/legacy/*`.
pub fn prefix_of(route: &str) -> Option<&str> {
    route.ends_with(PREFIX_END).then(|| &route[..route.len() - 1])
}

impl Rule {
    /// Whether the rule applies to requests of this method and route. Sidecars and pages use only this function.
    pub fn covers(&self, method: &str, route: &str) -> bool {
        let own = &self.endpoint;
        match (&self.action, self.prefix()) {
            (Action::Pin, _) => false,
            (_, None) => (own.method() == ANY_METHOD || own.method() == method) && own.route() == route,
            (_, Some(prefix)) => {
                // `OPTIONS *` has no slash, but it also belongs to the service.
                (own.method() == ANY_METHOD || own.method() == method) && (prefix == "/" || route.starts_with(prefix))
            }
        }
    }

    /// The prefix that it covers, if its scope is a prefix.
    pub fn prefix(&self) -> Option<&str> {
        match self.scope {
            Scope::Endpoint => None,
            Scope::Prefix => prefix_of(self.endpoint.route()),
        }
    }

    /// A description for people: `GET /export`, `every endpoint under /legacy/`.
    pub fn subject(&self) -> String {
        let Some(prefix) = self.prefix() else { return self.endpoint.to_string() };
        let method = match self.endpoint.method() {
            ANY_METHOD => String::new(),
            method => format!("{method} "),
        };
        if prefix == "/" { format!("every {method}endpoint") } else { format!("every {method}endpoint under {prefix}") }
    }

    /// Whether the rule would disable a protected path of a pod, if that path were not left out.
    /// `pins` give its route.
    pub fn meets_protected(&self, path: &str, pins: &[&Pins]) -> bool {
        let method = match self.endpoint.method() {
            // A probe is a GET, which a rule for all methods covers.
            ANY_METHOD if self.scope == Scope::Prefix => "GET",
            method => method,
        };
        let mut route = String::new();
        write_pinned_route(path, pins, &mut route);
        self.covers(method, path) || self.covers(method, &route)
    }

    /// The pinned pattern, if the action is a pin.
    pub fn pattern(&self) -> Option<Pattern> {
        match self.action {
            Action::Pin => self.endpoint.route().parse().ok(),
            Action::Disable { .. } | Action::Decorate(_) => None,
        }
    }

    /// The status that every request of its endpoints gets, if the rule turns them off.
    pub fn turns_off(&self) -> Option<u16> {
        match self.action {
            Action::Disable { status } if self.selection.is_unconditional() => Some(status),
            _ => None,
        }
    }

    /// Whether it lets only some requests pass, so that no request may get around it.
    pub fn is_guard(&self) -> bool {
        matches!(&self.action, Action::Decorate(action) if action.is_guard())
    }

    /// The decorator's name: `disable`, `rate-limit`; `pin` for a pin.
    pub fn kind(&self) -> &'static str {
        match &self.action {
            Action::Disable { .. } => "disable",
            Action::Decorate(action) => action.name(),
            Action::Pin => "pin",
        }
    }

    /// The remaining time at `now_ms`; `None` without an expiry, zero if it has expired.
    pub fn remaining(&self, now_ms: u64) -> Option<Duration> {
        self.expires_ms.map(|expires_ms| Duration::from_millis(expires_ms.saturating_sub(now_ms)))
    }

    /// Whether the rule has expired.
    pub fn has_lapsed(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }
}

/// The rules that a pod should have in force, and their revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredRules {
    /// The store of these revisions. Revisions of different stores cannot be compared.
    pub store: String,
    /// Grows by one with each command.
    pub revision: u64,
    /// The complete set.
    pub rules: Vec<Rule>,
}

/// A pod's reply to a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The revision.
    pub revision: u64,
    /// Whether the pod applied it.
    pub verdict: Verdict,
    /// From the revision's arrival until every worker applied it, in microseconds.
    pub took_us: u64,
}

/// Whether a pod applied a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every worker applies it.
    Applied,
    /// The pod cannot apply some rules; the last good set stays in force.
    Refused(Vec<RuleRefusal>),
}

/// Why one rule was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRefusal {
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
            selection: Selection::default(),
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
