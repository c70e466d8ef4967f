//! `/api/v1/timeline`: the metrics of one or many endpoints over any window, in steps, and in the window before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use mesh::golden::GoldenMetrics;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::api::problem::Problem;
use crate::api::units::{WINDOW_MAX, instant, ms, rate};
use crate::clock::now_ms;
use crate::counts::timeline::long_range::chart::{Chart, ChartRequest, STEPS_MAX};
use crate::counts::timeline::series::Series;
use crate::state::AppState;

/// The shortest window.
const WINDOW_MIN: Duration = Duration::from_secs(60);

/// Charts that are read at the same time. Each may read some hundred megabytes of slots; further ones wait.
static READING: Semaphore = Semaphore::const_new(2);

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    endpoint: Option<String>,
    namespace: Option<String>,
    service: Option<String>,
    method: Option<String>,
    route: Option<String>,
    window: Option<String>,
    to: Option<String>,
    vs: Option<String>,
}

/// The response body.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    window: String,
    from: String,
    to: String,
    step_s: u64,
    /// How much of the window the stored data covers.
    covered_s: f64,
    endpoints: usize,
    whole: Numbers,
    before: Option<Numbers>,
    /// By how much the window differs from the one before, in percent.
    change_percent: Option<BTreeMap<&'static str, Option<f64>>>,
    points: Vec<Point>,
}

#[derive(Debug, Serialize)]
struct Point {
    at: String,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Debug, Serialize)]
struct Numbers {
    hits: u64,
    by_rule: u64,
    failed: u64,
    failed_by_sitio: u64,
    status_4xx: u64,
    status_5xx: u64,
    avg_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    bytes_in: u64,
    bytes_out: u64,
}

/// `GET /api/v1/timeline`
pub(super) async fn of_endpoints(
    State(plane): State<Arc<AppState>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Answer>, Problem> {
    let Query(asked) = asked?;
    let window = window(asked.window.as_deref())?;
    let to_ms = asked.to.as_deref().map(to).transpose()?;
    let compares = match asked.vs.as_deref() {
        None => false,
        Some("before") => true,
        Some(other) => return Err(Problem::parameter(format!("vs={other}: it must be before, for the window before"))),
    };
    let series: Vec<_> = plane.timeline.all().into_iter().filter(|series| asked.means(series)).collect();
    if let Some(id) = asked.endpoint.as_ref().filter(|_| series.is_empty()) {
        let detail = format!("no endpoint has the id {id}; /api/v1/endpoints lists all endpoints");
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown-endpoint", "No such endpoint", detail));
    }
    let (endpoints, window_ms, now_ms) = (series.len(), window.as_millis() as u64, now_ms());
    let to_ms = to_ms.filter(|to_ms| *to_ms < now_ms);
    let wanted = ChartRequest { series, window_ms, to_ms, compares, steps_max: STEPS_MAX };
    let _turn = READING.acquire().await;
    let reading = tokio::task::spawn_blocking(move || {
        Chart::read(plane.window_queue.metrics_store.as_ref(), &plane.timeline, &wanted, now_ms)
    });
    let chart = reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    Ok(Json(Answer::of(&chart, window, endpoints, now_ms)))
}

impl Asked {
    fn means(&self, series: &Series) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        is(&self.endpoint, &series.id)
            && is(&self.namespace, &series.namespace)
            && is(&self.service, &series.service)
            && is(&self.method, series.endpoint.method())
            && is(&self.route, series.endpoint.route())
    }
}

impl Answer {
    fn of(chart: &Chart, window: Duration, endpoints: usize, now_ms: u64) -> Self {
        let covered_ms = chart.to_ms.min(now_ms).saturating_sub(chart.from_ms.max(chart.since_ms));
        let point = |(step, golden): (usize, &GoldenMetrics)| Point {
            at: instant(chart.from_ms + step as u64 * chart.step_ms),
            numbers: Numbers::of(golden),
        };
        Self {
            window: humantime::format_duration(window).to_string().replace(' ', ""),
            from: instant(chart.from_ms),
            to: instant(chart.to_ms),
            step_s: chart.step_ms / 1000,
            covered_s: rate((covered_ms as f64 / 1000.0).min(window.as_secs_f64())),
            endpoints,
            whole: Numbers::of(&chart.whole),
            before: chart.before.as_ref().map(Numbers::of),
            change_percent: chart.before.as_ref().map(|before| changes(&chart.whole, before)),
            points: chart.points.iter().enumerate().map(point).collect(),
        }
    }
}

impl Numbers {
    fn of(golden: &GoldenMetrics) -> Self {
        let quantile_ms = |q: f64| golden.quantile_us(q).map(ms);
        Self {
            hits: golden.hits,
            by_rule: golden.by_rule,
            failed: golden.failed,
            failed_by_sitio: golden.failed_by_sitio,
            status_4xx: golden.class(4),
            status_5xx: golden.class(5),
            avg_ms: golden.mean_us().map(ms),
            p50_ms: quantile_ms(0.5),
            p95_ms: quantile_ms(0.95),
            p99_ms: quantile_ms(0.99),
            max_ms: (golden.served() > 0).then(|| ms(golden.max_us as f64)),
            bytes_in: golden.bytes_in,
            bytes_out: golden.bytes_out,
        }
    }
}

/// The growth of each number in percent; `None` if it grew from zero.
fn changes(now: &GoldenMetrics, before: &GoldenMetrics) -> BTreeMap<&'static str, Option<f64>> {
    let percent = |now: Option<f64>, before: Option<f64>| {
        let (now, before) = now.zip(before)?;
        (before > 0.0).then(|| ((now / before - 1.0) * 1000.0).round() / 10.0)
    };
    let count = |number: fn(&GoldenMetrics) -> u64| percent(Some(number(now) as f64), Some(number(before) as f64));
    let quantile = |q: f64| percent(now.quantile_us(q), before.quantile_us(q));
    BTreeMap::from([
        ("hits", count(|golden| golden.hits)),
        ("failures", count(GoldenMetrics::failures)),
        ("bytes_in", count(|golden| golden.bytes_in)),
        ("bytes_out", count(|golden| golden.bytes_out)),
        ("avg_ms", percent(now.mean_us(), before.mean_us())),
        ("p50_ms", quantile(0.5)),
        ("p95_ms", quantile(0.95)),
        ("p99_ms", quantile(0.99)),
    ])
}

fn window(text: Option<&str>) -> Result<Duration, Problem> {
    let text = text.unwrap_or("1h");
    let window = humantime::parse_duration(text).ok();
    let window = window.filter(|window| (WINDOW_MIN..=WINDOW_MAX).contains(window));
    window.ok_or_else(|| Problem::parameter(format!("window={text}: it must be 1m to 90d, such as 24h")))
}

fn to(text: &str) -> Result<u64, Problem> {
    let instant: Option<Timestamp> = text.parse().ok();
    let to_ms = instant.and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
    to_ms.ok_or_else(|| Problem::parameter(format!("to={text}: it must be an instant such as 2026-01-31T12:00:00Z")))
}
