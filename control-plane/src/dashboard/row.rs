//! One endpoint's row on the overview: every cell as formatted text.

use serde::Serialize;

use crate::dashboard::health::Health;
use crate::dashboard::order::{By, SortKeys};
use crate::dashboard::spark;
use crate::dashboard::spark::Width;
use crate::dashboard::switch::SwitchCells;
use crate::model::pod::ServingState;
use crate::model::switch::Switch;
use crate::query::snapshot::EndpointRow;
use format::column::EndpointColumn;
use format::health::{HealthLevel, ratio};
use format::label::service_label;
use format::number::Quantity;
use format::{number, time};

/// Pods that get a dot each; with more pods, only the numbers are shown.
const DOTS_MAX: usize = 6;

/// The share of 5xx that fills the failure bar.
const FAILING_FULL: f64 = 0.1;

/// A row: its cells, and the raw values to sort it by.
#[derive(Debug, Clone)]
pub struct OverviewRow {
    /// The endpoint's id, which is also the row's element id.
    pub id: String,
    /// Its cells. The page renders them, and the event stream sends their changes.
    pub cells: EndpointCells,
    /// Its sort keys.
    pub keys: SortKeys,
    /// The endpoint's health.
    pub verdict: Health,
}

/// The cells of a row, all of them text: one key for each element or attribute that may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EndpointCells {
    /// The template from which a script makes the row.
    pub kind: &'static str,
    /// The endpoint's id.
    pub id: String,
    /// The link to its page, from the root.
    pub href: String,
    /// The link to its switch, for browsers without script.
    pub switch_href: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// The service, with its namespace if that is not the default one.
    pub service: String,
    /// `yes` if its path names a file.
    pub file: &'static str,
    /// The level of the row: `bad`, `warn` or empty.
    pub level: &'static str,
    /// `yes` if it is turned off.
    pub off: &'static str,
    /// The names of the filters that include it.
    pub shows: String,
    /// The text that the search field matches.
    pub find: String,
    /// The traffic chart.
    pub spark: SparkCells,
    /// Requests per second, including those that a rule answered.
    pub rps: String,
    /// The rate of those that a rule answered; empty if none.
    pub blocked: String,
    /// Requests in the window.
    pub hits: String,
    /// Mean latency.
    pub avg: Quantity,
    /// Median latency.
    pub p50: Quantity,
    /// The 95th percentile of latency.
    pub p95: Quantity,
    /// The level of the 95th percentile.
    pub p95_level: &'static str,
    /// The 99th percentile of latency.
    pub p99: Quantity,
    /// The share of failures.
    pub failing: Quantity,
    /// The level of the failures.
    pub failing_level: &'static str,
    /// The width of the failure bar, out of 48.
    pub failing_bar: String,
    /// The width of the bar's track; 0 if there is no bar.
    pub failing_track: &'static str,
    /// The share of 4xx, the callers' mistakes.
    pub refused: Quantity,
    /// Bytes of a request's body, on average.
    pub bytes_in: Quantity,
    /// Bytes of a response's body, on average.
    pub bytes_out: Quantity,
    /// When it was last called.
    pub seen: String,
    /// Pods that serve it, of all: `4/4`.
    pub serving: String,
    /// The same in words, for readers who cannot see the dots.
    pub serving_words: String,
    /// A dot for each pod.
    pub dots: DotCells,
    /// The switch.
    pub sw: SwitchCells,
}

/// The paths of a sparkline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SparkCells {
    /// The area of the traffic.
    pub area: String,
    /// The bars of its failures.
    pub bars: String,
    /// The line that replaces an empty chart.
    pub nothing: String,
}

/// The paths of the dots, one for each state, so that colour is not the only difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DotCells {
    /// The width of the picture.
    pub width: String,
    /// Pods that serve it.
    pub on: String,
    /// Pods that answer by a rule.
    pub off: String,
    /// Pods that have not confirmed.
    pub wait: String,
    /// Pods that are silent or gone.
    pub lost: String,
}

impl OverviewRow {
    /// The row of an endpoint.
    pub fn of(row: &EndpointRow, now_ms: u64) -> Self {
        let verdict = Health::of(row, now_ms);
        Self { id: row.id.clone(), cells: EndpointCells::of(row, &verdict, now_ms), keys: keys(row, &verdict), verdict }
    }

    /// The same row, with this query on its link, such as `?window=1h`.
    #[must_use]
    pub fn carrying(mut self, query: &str) -> Self {
        self.cells.href += query;
        self
    }
}

/// The sort keys of an endpoint. A missing value sorts below all others.
fn keys(row: &EndpointRow, verdict: &Health) -> SortKeys {
    let now = &row.now;
    let quantile = |q: f64| now.quantile_us(q).unwrap_or(-1.0);
    let serving = row.pods.iter().filter(|pod| pod.state == ServingState::Serving).count();
    let values = [
        (EndpointColumn::Rps, row.rps),
        (EndpointColumn::Hits, now.hits as f64),
        (EndpointColumn::Avg, now.mean_us().unwrap_or(-1.0)),
        (EndpointColumn::P50, quantile(0.5)),
        (EndpointColumn::P95, quantile(0.95)),
        (EndpointColumn::P99, quantile(0.99)),
        (EndpointColumn::FailingRatio, verdict.failing_ratio),
        (EndpointColumn::ClientErrorRatio, ratio(now.class(4), now.served())),
        (EndpointColumn::BytesOut, now.bytes_out as f64 / now.hits.max(1) as f64),
        (EndpointColumn::LastSeen, row.last_seen_ms.unwrap_or(0) as f64),
        (EndpointColumn::Pods, serving as f64),
        (EndpointColumn::State, f64::from(u8::from(verdict.off)) + f64::from(u8::from(verdict.waiting)) * 2.0),
    ];
    let name = [row.endpoint.route().into(), row.endpoint.method().into(), row.service.clone()];
    let values = values.into_iter().map(|(column, value)| (By::Endpoint(column), value)).collect();
    SortKeys { urgency: verdict.urgency(), is_last: verdict.off, name, rps: row.rps, values }
}

impl EndpointCells {
    /// A blank row, from which the script makes the row of a new endpoint.
    pub fn blank() -> Self {
        let dots = DotCells { width: "0".into(), ..DotCells::default() };
        Self { kind: "row", failing_bar: "0".into(), failing_track: "0", dots, ..Self::default() }
    }

    fn of(row: &EndpointRow, verdict: &Health, now_ms: u64) -> Self {
        let now = &row.now;
        let (method, route) = (row.endpoint.method(), row.endpoint.route());
        let service = service_label(&row.namespace, &row.service);
        let per_hit =
            |bytes: u64| if now.hits == 0 { Quantity::missing() } else { number::payload(bytes as f64 / now.hits as f64) };
        let shown = verdict.failing > HealthLevel::Calm;
        let share = |part: f64| if now.served() == 0 { Quantity::missing() } else { number::percent(part) };
        Self {
            kind: "row",
            id: row.id.clone(),
            href: format!("endpoints/{}", row.id),
            switch_href: format!("endpoints/{}#switch", row.id),
            find: format!("{method} {route} {service}").to_lowercase(),
            method: if row.endpoint.is_other() { "any".into() } else { method.into() },
            route: route.into(),
            service,
            file: yes(row.is_file),
            level: verdict.level().name(),
            off: yes(verdict.off),
            shows: verdict.shows().join(" "),
            spark: SparkCells::of(row),
            rps: number::rate(row.rps),
            blocked: if row.blocked_rps > 0.0 { format!("{} blocked/s", number::rate(row.blocked_rps)) } else { String::new() },
            hits: number::count(now.hits),
            avg: number::latency(now.mean_us()),
            p50: number::latency(now.quantile_us(0.5)),
            p95: number::latency(now.quantile_us(0.95)),
            p95_level: verdict.slow.name(),
            p99: number::latency(now.quantile_us(0.99)),
            failing: share(verdict.failing_ratio),
            failing_level: verdict.failing.name(),
            failing_bar: if shown {
                format!("{:.1}", 48.0 * (verdict.failing_ratio / FAILING_FULL).min(1.0))
            } else {
                "0".into()
            },
            failing_track: if shown { "48" } else { "0" },
            refused: share(ratio(now.class(4), now.served())),
            bytes_in: per_hit(now.bytes_in),
            bytes_out: per_hit(now.bytes_out),
            seen: row.last_seen_ms.map_or_else(|| number::MISSING.into(), |seen_ms| time::age(now_ms.saturating_sub(seen_ms))),
            serving: format!("{}/{}", serving(row), row.pods.len()),
            serving_words: serving_words(row),
            dots: DotCells::of(row),
            sw: SwitchCells::of(row, now_ms),
        }
    }
}

impl SparkCells {
    fn of(row: &EndpointRow) -> Self {
        let hits: Vec<f64> = row.traffic.iter().map(|step| step.hits as f64).collect();
        let failures: Vec<f64> = row.traffic.iter().map(|step| step.failures as f64).collect();
        let most = hits.iter().copied().fold(0.0, f64::max);
        Self {
            area: spark::area(&hits, Width::Row),
            bars: spark::bars(&failures, most, Width::Row),
            nothing: spark::nothing(&hits, Width::Row),
        }
    }
}

impl DotCells {
    fn of(row: &EndpointRow) -> Self {
        if row.pods.len() > DOTS_MAX {
            return Self { width: "0".into(), ..Self::default() };
        }
        let dots = |state: ServingState, radius: f64| {
            spark::dots(row.pods.iter().enumerate().filter(|(_, pod)| pod.state == state).map(|(place, _)| place), radius)
        };
        Self {
            width: (12 * row.pods.len()).to_string(),
            on: dots(ServingState::Serving, 4.0),
            off: dots(ServingState::Off, 3.4),
            wait: dots(ServingState::Waiting, 4.0),
            lost: dots(ServingState::Lost, 3.4),
        }
    }
}

/// Pods that forward requests. A pod that has not confirmed a change still does what it did before.
pub(super) fn serving(row: &EndpointRow) -> usize {
    let turns_on = matches!(row.switch, Switch::TurningOn { .. });
    let serves = |state: ServingState| state == ServingState::Serving || (state == ServingState::Waiting && !turns_on);
    row.pods.iter().filter(|pod| serves(pod.state)).count()
}

fn serving_words(row: &EndpointRow) -> String {
    let count = |state: ServingState| row.pods.iter().filter(|pod| pod.state == state).count();
    [
        (ServingState::Serving, "serving"),
        (ServingState::Off, "off"),
        (ServingState::Waiting, "waiting"),
        (ServingState::Lost, "lost"),
    ]
    .into_iter()
    .map(|(state, word)| (count(state), word))
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect::<Vec<_>>()
    .join(", ")
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
