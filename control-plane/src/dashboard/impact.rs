//! A preview of a toggle command: the traffic, endpoints, callers and pods that it affects, and its warnings.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Json, Response};
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::rule::{ANY_METHOD, Action, DISABLE_STATUSES, Protection, Rule, Scope, Selector};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::dashboard::endpoint::callers;
use crate::dashboard::endpoint::lookup::{find, unknown};
use crate::dashboard::page::PageError;
use crate::dashboard::query::{DisplayWindow, OverviewQuery, ViewQuery};
use crate::dashboard::row::OverviewRow;
use crate::dashboard::state::DashboardState;
use crate::query::callers::CalledBy;
use crate::query::snapshot::{EndpointRow, Snapshot};
use format::number;

/// Endpoints that the dialog lists; the rest are only counted.
const LISTED_MAX: usize = 8;

/// Path prefixes that are offered besides the whole service, the longest first.
const PREFIXES_MAX: usize = 3;

/// The scope of the planned command.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImpactQuery {
    /// A prefix such as `/legacy/*`; empty for the endpoint alone.
    prefix: String,
}

/// What the confirmation dialog shows before anything is turned off.
#[derive(Debug, Serialize)]
struct Impact {
    endpoint: String,
    rps: String,
    span: String,
    hits: String,
    failing: String,
    failing_level: &'static str,
    pods: String,
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    taken_ms: String,
    /// The label for all pods: `All 4 pods`.
    all: String,
    /// The names of the pods.
    names: Vec<String>,
    /// The scopes to choose from: a prefix, empty for the endpoint alone, and its label.
    scopes: Vec<(String, String)>,
    /// The endpoints that a prefix covers, busiest first: a name and a request rate.
    endpoints: Vec<(String, String)>,
    /// A note on the endpoints that are not listed.
    endpoints_note: String,
    /// The callers, busiest first: a name, and its share and rate.
    callers: Vec<(String, String)>,
    /// A note on the callers that are not listed.
    callers_note: String,
    /// Warnings, one sentence each: who turned it off already, why and until when; or that nothing matches.
    warnings: Vec<String>,
    /// What happens if health paths are turned off as well; empty if none is affected.
    health: String,
    /// The fixed part of the command; the dialog adds the user's choices.
    command: serde_json::Value,
}

/// `GET /endpoints/{id}/impact`
pub async fn impact(
    Path(id): Path<String>,
    Query(query): Query<ViewQuery>,
    Query(scope): Query<ImpactQuery>,
    state: DashboardState,
) -> Result<Response, Box<PageError>> {
    let span = OverviewQuery::from(query).window;
    let snapshot = state.snapshot_over(span).await?;
    let Ok(row) = find(&snapshot, &id) else { return Ok(unknown("this endpoint is unknown")) };
    let Some(rule) = planned(row, &scope.prefix) else { return Ok(unknown("this is not a prefix: a prefix ends in /*")) };
    Ok(Json(Impact::of(&state, &snapshot, row, &rule, span)).into_response())
}

/// The scopes that an endpoint's page offers: a prefix, empty for the endpoint alone, and its label.
pub fn scopes(row: &EndpointRow) -> Vec<(String, String)> {
    let route = row.endpoint.route();
    let mut scopes = vec![(String::new(), "This endpoint".to_owned())];
    let ends = route.match_indices('/').skip(1).map(|(at, _)| at);
    let mut prefixes: Vec<&str> = ends.map(|at| &route[..=at]).collect();
    prefixes.reverse();
    scopes.extend(prefixes.into_iter().take(PREFIXES_MAX).map(|prefix| (format!("{prefix}*"), format!("All under {prefix}"))));
    scopes.push(("/*".to_owned(), format!("All of {}", row.service)));
    scopes
}

/// The rule that the command would create; `None` if the prefix is invalid.
fn planned(row: &EndpointRow, prefix: &str) -> Option<Rule> {
    let (endpoint, scope) = match prefix {
        "" => (row.endpoint.clone(), Scope::Endpoint),
        prefix => (Endpoint::named(ANY_METHOD, prefix).ok()?, Scope::Prefix),
    };
    let rule = Rule {
        id: String::new(),
        selector: Selector { namespace: row.namespace.clone(), service: row.service.clone(), pods: Vec::new() },
        endpoint,
        scope,
        action: Action::Disable { status: DISABLE_STATUSES[0] },
        selection: decorators::selection::Selection::default(),
        protection: Protection::Respected,
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    };
    (scope == Scope::Endpoint || rule.prefix().is_some()).then_some(rule)
}

impl Impact {
    fn of(state: &DashboardState, snapshot: &Snapshot, row: &EndpointRow, rule: &Rule, span: DisplayWindow) -> Self {
        let is_covered = |one: &&EndpointRow| {
            one.namespace == row.namespace
                && one.service == row.service
                && rule.covers(one.endpoint.method(), one.endpoint.route())
        };
        let mut rows: Vec<&EndpointRow> = snapshot.endpoints.iter().filter(is_covered).collect();
        rows.sort_by(|a, b| b.rps.total_cmp(&a.rps).then_with(|| a.endpoint.cmp(&b.endpoint)));
        let sum = sum(row, &rows);
        let cells = OverviewRow::of(&sum, snapshot.taken_ms).cells;
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let called_by: CalledBy = state.callers_of_endpoints(&ids, snapshot.taken_ms);
        let (callers, callers_note) = callers::in_short(&called_by, sum.rps, snapshot.taken_ms);
        let (endpoints, endpoints_note) = listed(&rows, rule);
        let rules = &state.reader;
        Self {
            endpoint: rule.subject(),
            rps: cells.rps,
            span: format!("Last {}", span.title()),
            hits: cells.hits,
            failing: cells.failing.words(),
            failing_level: cells.failing_level,
            pods: number::count(row.pods.len() as u64),
            taken_ms: snapshot.taken_ms.to_string(),
            all: format!("All {}", number::plural(row.pods.len(), "pod", "pods")),
            names: row.pods.iter().map(|serving| serving.pod.clone()).collect(),
            scopes: scopes(row),
            endpoints,
            endpoints_note,
            callers,
            callers_note,
            warnings: rules.warnings(rule).into_iter().map(|warning| format!("{}.", capital(&warning))).collect(),
            health: rules.warning_of_override(rule).map(|warning| format!("{}.", capital(&warning))).unwrap_or_default(),
            command: json!({
                "namespace": row.namespace,
                "service": row.service,
                "method": rule.endpoint.method(),
                "route": rule.endpoint.route(),
                "scope": if rule.scope == Scope::Prefix { "prefix" } else { "endpoint" },
                // The dialog shows that no request was seen.
                "allow_unseen": row.last_seen_ms.is_none(),
            }),
        }
    }
}

/// One row with the sums of all covered endpoints.
fn sum(row: &EndpointRow, rows: &[&EndpointRow]) -> EndpointRow {
    let mut sum = EndpointRow { now: GoldenMetrics::default(), rps: 0.0, blocked_rps: 0.0, ..row.clone() };
    for row in rows {
        sum.now.merge(&row.now);
        sum.rps += row.rps;
        sum.blocked_rps += row.blocked_rps;
    }
    sum
}

/// The endpoints that a prefix covers, and a note on those that are not listed.
fn listed(rows: &[&EndpointRow], rule: &Rule) -> (Vec<(String, String)>, String) {
    if rule.scope == Scope::Endpoint {
        return (Vec::new(), String::new());
    }
    let words = |row: &&EndpointRow| (row.endpoint.to_string(), format!("{}/s", number::rate(row.rps)));
    let more = rows.len().saturating_sub(LISTED_MAX);
    let more = if more == 0 { String::new() } else { format!("and {} more. ", number::count(more as u64)) };
    let note = format!("{more}New endpoints under the prefix are turned off, too.");
    (rows.iter().take(LISTED_MAX).map(words).collect(), note)
}

/// Makes the first letter of a sentence upper case.
fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample::{golden, row};

    #[test]
    fn every_prefix_of_a_route_is_offered_and_the_whole_service() {
        let offered = |route: &str| -> Vec<String> {
            scopes(&row(1, "GET", route, "shop", golden(1, 0, 1))).into_iter().map(|(prefix, _)| prefix).collect()
        };
        assert_eq!(offered("/a/{id}/b"), ["", "/a/{id}/*", "/a/*", "/*"]);
        assert_eq!(offered("/a"), ["", "/*"]);
    }

    #[test]
    fn what_is_covered_is_added_up_and_listed() {
        let (one, two) = (row(1, "GET", "/a/b", "shop", golden(300, 3, 1)), row(2, "GET", "/a/c", "shop", golden(600, 0, 1)));
        let rule = planned(&one, "/a/*").unwrap();
        let rows = [&two, &one];
        let sum = sum(&one, &rows);
        assert_eq!((sum.now.hits, sum.now.failures(), sum.rps), (900, 3, 3.0));
        let (endpoints, note) = listed(&rows, &rule);
        assert_eq!(endpoints[0], ("GET /a/c".to_owned(), "2.00/s".to_owned()));
        assert_eq!(note, "New endpoints under the prefix are turned off, too.");
        assert!(planned(&one, "/a").is_none());
    }
}
