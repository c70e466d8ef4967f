//! The page that pins a route pattern: it previews which endpoints the pattern merges, then sends the command.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query};
use axum::response::Redirect;
use mesh::routes::route_patterns::{Pattern, Pins};
use mesh::rule::{ANY_METHOD, Action, Protection, Scope};
use serde::Deserialize;

use crate::counts::timeline::series::Series;
use crate::dashboard::endpoint::lookup::find;
use crate::dashboard::page::{HtmlPage, PageError, PageReader, Shell};
use crate::dashboard::root::Root;
use crate::dashboard::state::DashboardState;
use crate::dashboard::zone::Zone;
use crate::query::snapshot::{EndpointRow, Snapshot};
use crate::rules::command::{Command, Unseen};
use format::label::service_label;
use format::number;

mod suggest;

/// Rows in the preview; the rest are only counted. A service has up to 4,096.
const LISTED_MAX: usize = 200;

/// The pattern to preview.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PinQuery {
    pattern: String,
}

/// The form that pins a pattern.
#[derive(Debug, Deserialize)]
pub struct PinForm {
    pattern: String,
    #[serde(default)]
    reason: String,
}

/// The form that withdraws a pin, with the endpoint whose page sent it.
#[derive(Debug, Deserialize)]
pub struct UnpinForm {
    back: String,
}

/// The template of the pin page.
#[derive(Template)]
#[template(path = "pin.html")]
pub struct PinPage {
    shell: Shell,
    id: String,
    endpoint: String,
    service: String,
    pattern: String,
    suggestions: Vec<String>,
    /// Why there is no preview; empty if there is one, or if no pattern was given.
    problem: String,
    folds: Option<PinPreview>,
    pins: Vec<PinCells>,
}

/// The endpoints that a pattern merges.
#[derive(Debug, PartialEq, Eq)]
struct PinPreview {
    rows: Vec<Fold>,
    /// A summary: `3 rows with 1,204 hits become 1 row`.
    words: String,
    /// How many rows are not listed, in words; empty if all are.
    more: String,
}

/// One row that is merged into another.
#[derive(Debug, PartialEq, Eq)]
struct Fold {
    href: String,
    method: String,
    route: String,
    hits: u64,
    count: String,
}

/// A pinned pattern.
#[derive(Debug)]
struct PinCells {
    rule: String,
    pattern: String,
    by: String,
    at: String,
    reason: String,
    applied: String,
}

/// `GET /endpoints/{id}/pin`
pub async fn preview(
    Path(id): Path<String>,
    Query(query): Query<PinQuery>,
    zone: Zone,
    state: DashboardState,
) -> Result<HtmlPage<PinPage>, Box<PageError>> {
    let snapshot = state.snapshot();
    let row = find(&snapshot, &id)?;
    Ok(HtmlPage(PinPage::of(&state, &snapshot, row, query.pattern.trim(), &zone)))
}

/// `POST /endpoints/{id}/pin`
pub async fn pin(Path(id): Path<String>, state: DashboardState, Form(form): Form<PinForm>) -> Result<Redirect, Box<PageError>> {
    let snapshot = state.snapshot();
    let row = find(&snapshot, &id)?;
    let command = Command {
        namespace: Some(row.namespace.clone()),
        service: row.service.clone(),
        method: ANY_METHOD.to_owned(),
        route: form.pattern.trim().to_owned(),
        scope: Scope::default(),
        unseen: Unseen::default(),
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        action: Action::Pin,
        pods: Vec::new(),
        ttl: None,
        reason: form.reason,
    };
    let status = match state.reader.create_rule(command).await {
        Ok(status) => status,
        Err(error) => return Err(PageError::command(&format!("{} is not pinned", form.pattern), &error)),
    };
    let pattern = status.rule.endpoint.route();
    let folded = state.snapshot();
    let is_it =
        |now: &&EndpointRow| now.service == row.service && now.namespace == row.namespace && now.endpoint.route() == pattern;
    let same_method = |now: &&EndpointRow| is_it(now) && now.endpoint.method() == row.endpoint.method();
    let found = folded.endpoints.iter().find(same_method).or_else(|| folded.endpoints.iter().find(is_it));
    // If nothing was counted under the pattern yet, return to the page that sent the form.
    Ok(found.map_or_else(|| back(&id), |now| Redirect::to(&format!("{}endpoints/{}", Root::TWO_ABOVE, now.id))))
}

/// `POST /pins/{rule}/unpin`
pub async fn unpin(
    Path(rule): Path<String>,
    state: DashboardState,
    Form(form): Form<UnpinForm>,
) -> Result<Redirect, Box<PageError>> {
    let snapshot = state.snapshot();
    let is_pin = state.reader.rule(&rule).is_some_and(|status| status.rule.action == Action::Pin);
    if !is_pin {
        return Err(PageError::not_found("There is no such pin. It may have been withdrawn."));
    }
    match state.reader.withdraw_rule(&rule).await {
        Ok(_) => Ok(find(&snapshot, &form.back).map_or_else(|_| Redirect::to(&Root::TWO_ABOVE.to_string()), |row| back(&row.id))),
        Err(error) => Err(PageError::command("The pin is still there", &error)),
    }
}

impl PinPage {
    fn of(state: &DashboardState, snapshot: &Snapshot, row: &EndpointRow, asked: &str, zone: &Zone) -> Self {
        let series: Vec<Arc<Series>> = state
            .reader
            .series()
            .into_iter()
            .filter(|one| one.service() == row.service && one.namespace() == row.namespace)
            .collect();
        let routes: Vec<&str> = series.iter().map(|one| one.endpoint.route()).collect();
        let suggestions = suggest::patterns(row.endpoint.route(), &routes);
        let records = state.reader.rules_of(&row.namespace, &row.service);
        let pinned: Vec<Pattern> = records.iter().filter_map(|record| record.rule.pattern()).collect();
        let parsed = (!asked.is_empty()).then(|| asked.parse::<Pattern>());
        let problem = parsed.as_ref().and_then(|parsed| parsed.as_ref().err()).map(|why| format!("{why}.")).unwrap_or_default();
        let folds = parsed.and_then(Result::ok).map(|pattern| PinPreview::of(&series, &pinned, &pattern));
        let mut pins: Vec<_> = records.iter().filter(|record| record.rule.action == Action::Pin).collect();
        pins.sort_by_key(|record| std::cmp::Reverse(record.revision));
        Self {
            shell: Shell::of(
                "overview",
                format!("Pin a route of {}", row.service),
                snapshot,
                PageReader::from(&*state.reader.principal),
            )
            .below(Root::TWO_ABOVE),
            id: row.id.clone(),
            endpoint: row.endpoint.to_string(),
            service: service_label(&row.namespace, &row.service),
            pattern: if asked.is_empty() { suggestions.first().cloned().unwrap_or_default() } else { asked.to_owned() },
            suggestions,
            problem,
            folds,
            pins: pins.into_iter().filter_map(|record| PinCells::of(state, &record.rule.id, zone)).collect(),
        }
    }
}

impl PinPreview {
    fn of(series: &[Arc<Series>], pinned: &[Pattern], pattern: &Pattern) -> Self {
        let pins = Pins::new(pinned.iter().chain([pattern]));
        let is_taken_in =
            |one: &&Arc<Series>| pins.rename(&one.endpoint).is_some_and(|renamed| renamed.route() == pattern.as_str());
        let fold = |one: &Arc<Series>| {
            let hits = one.totals().hits;
            Fold {
                href: format!("endpoints/{}", one.id),
                method: one.endpoint.method().to_owned(),
                route: one.endpoint.route().to_owned(),
                hits,
                count: number::count(hits),
            }
        };
        let mut rows: Vec<Fold> = series.iter().filter(is_taken_in).map(fold).collect();
        rows.sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.route.cmp(&b.route)).then_with(|| a.method.cmp(&b.method)));
        let mut methods: Vec<&str> = rows.iter().map(|row| &*row.method).collect();
        methods.sort_unstable();
        methods.dedup();
        let hits = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.hits));
        let words = if rows.is_empty() {
            "No existing row matches. New requests that match are counted under the pattern.".into()
        } else {
            let (before, after) = (number::plural(rows.len(), "row", "rows"), number::plural(methods.len(), "row", "rows"));
            let becomes = if rows.len() == 1 { "becomes" } else { "become" };
            format!("{before} with {} {becomes} {after}, one for each method.", number::plural(hits as usize, "hit", "hits"))
        };
        let hidden = rows.len().saturating_sub(LISTED_MAX);
        rows.truncate(LISTED_MAX);
        let more = if hidden == 0 { String::new() } else { format!("and {} more", number::count(hidden as u64)) };
        Self { rows, words, more }
    }
}

impl PinCells {
    fn of(state: &DashboardState, rule: &str, zone: &Zone) -> Option<Self> {
        let status = state.reader.rule(rule)?;
        Some(Self {
            rule: rule.to_owned(),
            pattern: status.rule.endpoint.route().to_owned(),
            by: status.rule.by.clone(),
            at: zone.moment(status.created_ms),
            reason: status.rule.reason.clone(),
            applied: crate::dashboard::switch::ReceiptCounts::of(&status).words(),
        })
    }
}

fn back(id: &str) -> Redirect {
    Redirect::to(&format!("{}endpoints/{id}/pin", Root::TWO_ABOVE))
}

#[cfg(test)]
mod tests {
    use mesh::endpoint::Endpoint;
    use mesh::golden::GoldenMetrics;

    use super::*;
    use crate::counts::timeline::Timeline;
    use crate::counts::timeline::counted_span::CountedSpan as Reported;
    use crate::model::reporter::Reporter;

    fn series(names: &[(&str, &str, u64)]) -> Vec<Arc<Series>> {
        let timeline = Timeline::new(0);
        let one = |(method, route, hits): &(&str, &str, u64)| {
            let reporter = Reporter { namespace: "default", service: "people" };
            let series = timeline.series(reporter, &Endpoint::named(method, route).unwrap());
            let mut golden = GoldenMetrics::default();
            golden.hits = *hits;
            series.record(Reported { from_ms: 0, to_ms: 0 }, &golden, None);
            series
        };
        names.iter().map(one).collect()
    }

    #[test]
    fn the_rows_that_a_pattern_merges_are_shown_before() {
        let all = series(&[
            ("GET", "/users/a", 5),
            ("GET", "/users/b", 1200),
            ("POST", "/users/a", 1),
            ("GET", "/users/a/cart", 9),
            ("GET", "/about", 7),
        ]);
        let folds = PinPreview::of(&all, &[], &"/users/{id}".parse().unwrap());
        let rows: Vec<_> = folds.rows.iter().map(|row| (row.method.as_str(), row.route.as_str(), row.hits)).collect();
        assert_eq!(rows, [("GET", "/users/b", 1200), ("GET", "/users/a", 5), ("POST", "/users/a", 1)]);
        assert_eq!(folds.words, "3 rows with 1,206 hits become 2 rows, one for each method.");
        assert_eq!(PinPreview::of(&all, &[], &"/none/{id}".parse().unwrap()).rows.len(), 0);
    }

    #[test]
    fn what_another_pin_names_better_stays_there() {
        let all = series(&[("GET", "/users/me", 5), ("GET", "/users/a", 5)]);
        let pinned = ["/users/me".parse().unwrap()];
        let folds = PinPreview::of(&all, &pinned, &"/users/{id}".parse().unwrap());
        assert_eq!(folds.rows.iter().map(|row| row.route.as_str()).collect::<Vec<_>>(), ["/users/a"]);
    }
}
