//! Resolves the endpoint that a command names among the known ones of a service, or explains why there is none.

use std::collections::BTreeSet;

use mesh::endpoint::Endpoint;
use mesh::routes;
use mesh::routes::route_patterns::{Pattern, Pins};
use mesh::rule::{ANY_METHOD, Rule, Scope, prefix_of};

use crate::rules::command::{CommandError, Unseen};

/// Limit of similar names in an error.
const NEAREST_MAX: usize = 3;

/// Limit of endpoints that are compared with a name. To compare two names of 256 bytes takes about
/// 50 µs.
const COMPARED_MAX: usize = 1024;

/// How similar two names must be, from 0 to 1, so that one helps a user who has mistyped the other.
const LIKENESS_MIN: f64 = 0.7;

/// HTTP's own methods (RFC 9110, section 9.3, and RFC 5789): users write them in lower case,
/// clients never do.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// What is known of the endpoints of one service.
#[derive(Debug)]
pub struct KnownEndpoints {
    /// Endpoints with a counted request.
    pub counted: Vec<Endpoint>,
    /// Patterns that a command has pinned.
    pub patterns: Vec<Pattern>,
}

impl KnownEndpoints {
    /// The endpoint, or the prefix, that a name means, spelled as it is counted.
    pub fn endpoint(&self, method: &str, route: &str, scope: Scope) -> Result<Endpoint, CommandError> {
        let requested = Endpoint::named(method, route)?;
        if requested.is_other() {
            return Err(CommandError::SharedEndpoint);
        }
        if scope == Scope::Endpoint && self.counted.contains(&requested) {
            return Ok(requested);
        }
        let route = match scope {
            Scope::Endpoint => self.route(route)?,
            Scope::Prefix => self.prefix(route)?,
        };
        Ok(Endpoint::named(&http_method(method), &route)?)
    }

    /// Whether known requests match a rule, or future ones certainly will.
    pub fn match_rule(&self, rule: &Rule) -> bool {
        let route = rule.endpoint.route();
        let is_pinned = |pattern: &Pattern| match rule.prefix() {
            Some(prefix) => pattern.as_str().starts_with(prefix),
            None => pattern.as_str() == route,
        };
        rule.prefix() == Some("/")
            || self.counted.iter().any(|endpoint| rule.covers(endpoint.method(), endpoint.route()))
            || self.patterns.iter().any(is_pinned)
    }

    /// Refuses a rule that nothing known matches, unless that is allowed.
    pub fn require_match(&self, rule: &Rule, unseen: Unseen) -> Result<(), CommandError> {
        if unseen == Unseen::Allowed || self.match_rule(rule) {
            return Ok(());
        }
        let is_star = rule.scope == Scope::Endpoint && prefix_of(rule.endpoint.route()).is_some();
        let requested = rule.prefix().map_or_else(|| rule.endpoint.to_string(), |prefix| format!("a route under {prefix}"));
        let service = rule.selector.service.clone();
        Err(CommandError::Unseen { requested, service, nearest: self.nearest(&rule.endpoint), is_star })
    }

    /// The most similar names, the most similar one first.
    fn nearest(&self, requested: &Endpoint) -> Vec<String> {
        let requested = requested.to_string();
        let likeness = |endpoint: &Endpoint| {
            let name = endpoint.to_string();
            (strsim::jaro_winkler(&requested, &name), name)
        };
        let mut names: Vec<_> = self.counted.iter().take(COMPARED_MAX).map(likeness).collect();
        names.retain(|(likeness, _)| *likeness >= LIKENESS_MIN);
        names.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
        names.into_iter().take(NEAREST_MAX).map(|(_, name)| name).collect()
    }

    /// The route under which requests for a path, or for a pattern of paths, are counted.
    fn route(&self, requested: &str) -> Result<String, CommandError> {
        let pins = Pins::new(&self.patterns);
        if pins.find(requested) == Some(requested) {
            return Ok(requested.to_owned());
        }
        // An id replaces each placeholder: only the words decide under which route a request is
        // counted.
        let path: Vec<&str> = requested.split('/').map(|segment| if is_placeholder(segment) { "0" } else { segment }).collect();
        let mut counted = String::new();
        routes::write_pinned_route(&path.join("/"), &[&pins], &mut counted);
        if !has_placeholder(requested) {
            return if counted == requested { Ok(counted) } else { Err(counted_elsewhere(requested, counted)) };
        }
        let has_words = |(requested, counted): (&str, &str)| is_placeholder(requested) || requested == counted;
        if requested.split('/').count() != counted.split('/').count()
            || !requested.split('/').zip(counted.split('/')).all(has_words)
        {
            return Err(counted_elsewhere(requested, counted));
        }
        let patterns = self.patterns.iter().map(|pattern| pattern.as_str().to_owned());
        shown_as(requested, self.counted.iter().map(|known| known.route().to_owned()).chain(patterns))
    }

    /// Like `route`, for a prefix: what is before its star is compared with the beginnings of
    /// routes.
    fn prefix(&self, requested: &str) -> Result<String, CommandError> {
        let Some(prefix) = prefix_of(requested) else { return Err(CommandError::Prefix(requested.to_owned())) };
        if self.counted.iter().any(|known| known.route().starts_with(prefix)) {
            return Ok(requested.to_owned());
        }
        if has_placeholder(requested) {
            let depth = prefix.split('/').count() - 1;
            let heads = self.counted.iter().map(|known| {
                let head: Vec<&str> = known.route().split('/').take(depth).collect();
                format!("{}/*", head.join("/"))
            });
            return shown_as(requested, heads);
        }
        let mut counted = String::new();
        routes::write_route(requested, &mut counted);
        if counted == requested { Ok(counted) } else { Err(counted_elsewhere(requested, counted)) }
    }
}

fn counted_elsewhere(requested: &str, counted: String) -> CommandError {
    CommandError::CountedElsewhere { requested: requested.to_owned(), counted }
}

/// Writes HTTP's own methods in upper case. Other methods are case-sensitive and stay as they are.
fn http_method(requested: &str) -> String {
    let capitals = requested.to_ascii_uppercase();
    if METHODS.contains(&&*capitals) || requested == ANY_METHOD { capitals } else { requested.to_owned() }
}

fn has_placeholder(route: &str) -> bool {
    route.split('/').any(is_placeholder)
}

fn is_placeholder(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// The shown route that differs from `asked` at most in the names of its placeholders. If there is
/// none, the placeholders get the names that they have without a pin.
fn shown_as(requested: &str, shown: impl Iterator<Item = String>) -> Result<String, CommandError> {
    let mut shown: BTreeSet<String> = shown.filter(|route| are_alike(route, requested)).collect();
    if shown.contains(requested) {
        return Ok(requested.to_owned());
    }
    match shown.len() {
        0 => Ok(with_ids(requested)),
        1 => Ok(shown.pop_first().unwrap_or_default()),
        _ => {
            Err(CommandError::Ambiguous { requested: requested.to_owned(), shown: shown.into_iter().take(NEAREST_MAX).collect() })
        }
    }
}

/// Whether two routes differ at most in the names of their placeholders.
fn are_alike(a: &str, b: &str) -> bool {
    a == b || a.parse::<Pattern>().is_ok_and(|a| b.parse().is_ok_and(|b| a.is_like(&b)))
}

fn with_ids(route: &str) -> String {
    let named = |segment: &str| is_placeholder(segment) && !segment.ends_with("...}");
    let segments: Vec<&str> = route.split('/').map(|segment| if named(segment) { "{id}" } else { segment }).collect();
    segments.join("/")
}

#[cfg(test)]
mod tests;
