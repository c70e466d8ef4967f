//! `/api/v1/timeline`: the metrics of one or many endpoints over any window, in steps, and in the window before.

use std::collections::BTreeMap;
use std::time::Duration;

use api::timeline::{Timeline, TimelineMetrics, TimelinePoint, TimelineQuery};
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use jiff::Timestamp;
use mesh::golden::GoldenMetrics;
use tokio::sync::Semaphore;

use crate::api::history::unknown_endpoint;
use crate::api::problem::ProblemResponse;
use crate::api::units::{WINDOW_MAX, instant, ms, rate};
use crate::clock::now_ms;
use crate::counts::timeline::long_range::chart::{Chart, ChartRequest, STEPS_MAX};
use crate::counts::timeline::series::Series;
use crate::query::reader::Reader;

/// The shortest window.
const WINDOW_MIN: Duration = Duration::from_secs(60);

/// Charts that are read at the same time. Each may read some hundred megabytes of slots; further ones wait.
static READING: Semaphore = Semaphore::const_new(2);

/// Returns the metrics of one or many endpoints over a window, in at most about 240 steps.
#[utoipa::path(
    get,
    path = "/api/v1/timeline",
    operation_id = "readTimeline",
    params(TimelineQuery),
    responses(
        (status = 200, description = "The steps, oldest first, and their sum. Counts that are not on disk yet are in the newest step.", body = Timeline),
        (status = 400, description = "A parameter is invalid."),
        (status = 404, description = "No endpoint has that id."),
        (status = 503, description = "The store cannot be read now."),
    )
)]
pub(super) async fn of_endpoints(
    reader: Reader,
    query: Result<Query<TimelineQuery>, QueryRejection>,
) -> Result<Json<Timeline>, ProblemResponse> {
    let Query(query) = query?;
    let window = window(query.window.as_deref())?;
    let to_ms = query.to.as_deref().map(to).transpose()?;
    let compares = match query.vs.as_deref() {
        None => false,
        Some("before") => true,
        Some(other) => return Err(ProblemResponse::parameter(format!("vs={other}: it must be before, for the window before"))),
    };
    let series = reader.series().into_iter().filter(|series| series.is_shown() && matches(&query, series));
    let series: Vec<_> = series.collect();
    if let Some(id) = query.endpoint.as_ref().filter(|_| series.is_empty()) {
        return Err(unknown_endpoint(id));
    }
    let (endpoints, window_ms, now_ms) = (series.len() as u64, window.as_millis() as u64, now_ms());
    let to_ms = to_ms.filter(|to_ms| *to_ms < now_ms);
    let wanted = ChartRequest { series, window_ms, to_ms, compares, steps_max: STEPS_MAX };
    let _turn = READING.acquire().await;
    let chart = reader.chart(wanted, now_ms).await?;
    Ok(Json(answer(&chart, window, endpoints, now_ms)))
}

/// Whether the query selects the series.
fn matches(query: &TimelineQuery, series: &Series) -> bool {
    let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
    is(&query.endpoint, &series.id)
        && is(&query.namespace, series.namespace())
        && is(&query.service, series.service())
        && is(&query.method, series.endpoint.method())
        && is(&query.route, series.endpoint.route())
}

fn answer(chart: &Chart, window: Duration, endpoints: u64, now_ms: u64) -> Timeline {
    let covered_ms = chart.to_ms.min(now_ms).saturating_sub(chart.from_ms.max(chart.since_ms));
    let point = |(step, golden): (usize, &GoldenMetrics)| TimelinePoint {
        at: instant(chart.from_ms + step as u64 * chart.step_ms),
        metrics: metrics(golden),
    };
    Timeline {
        window: humantime::format_duration(window).to_string().replace(' ', ""),
        from: instant(chart.from_ms),
        to: instant(chart.to_ms),
        step_s: chart.step_ms / 1000,
        covered_s: rate((covered_ms as f64 / 1000.0).min(window.as_secs_f64())),
        endpoints,
        whole: metrics(&chart.whole),
        before: chart.before.as_ref().map(metrics),
        change_percent: chart.before.as_ref().map(|before| changes(&chart.whole, before)),
        points: chart.points.iter().enumerate().map(point).collect(),
    }
}

fn metrics(golden: &GoldenMetrics) -> TimelineMetrics {
    let quantile_ms = |q: f64| golden.quantile_us(q).map(ms);
    TimelineMetrics {
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

/// The growth of each number in percent; `None` if it grew from zero.
fn changes(now: &GoldenMetrics, before: &GoldenMetrics) -> BTreeMap<String, Option<f64>> {
    let percent = |now: Option<f64>, before: Option<f64>| {
        let (now, before) = now.zip(before)?;
        (before > 0.0).then(|| ((now / before - 1.0) * 1000.0).round() / 10.0)
    };
    let count = |number: fn(&GoldenMetrics) -> u64| percent(Some(number(now) as f64), Some(number(before) as f64));
    let quantile = |q: f64| percent(now.quantile_us(q), before.quantile_us(q));
    [
        ("hits", count(|golden| golden.hits)),
        ("failures", count(GoldenMetrics::failures)),
        ("bytes_in", count(|golden| golden.bytes_in)),
        ("bytes_out", count(|golden| golden.bytes_out)),
        ("avg_ms", percent(now.mean_us(), before.mean_us())),
        ("p50_ms", quantile(0.5)),
        ("p95_ms", quantile(0.95)),
        ("p99_ms", quantile(0.99)),
    ]
    .map(|(metric, change)| (metric.to_owned(), change))
    .into()
}

fn window(text: Option<&str>) -> Result<Duration, ProblemResponse> {
    let text = text.unwrap_or("1h");
    let window = humantime::parse_duration(text).ok();
    let window = window.filter(|window| (WINDOW_MIN..=WINDOW_MAX).contains(window));
    window.ok_or_else(|| ProblemResponse::parameter(format!("window={text}: it must be 1m to 90d, such as 24h")))
}

fn to(text: &str) -> Result<u64, ProblemResponse> {
    let instant: Option<Timestamp> = text.parse().ok();
    let to_ms = instant.and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
    to_ms.ok_or_else(|| ProblemResponse::parameter(format!("to={text}: it must be an instant such as 2026-01-31T12:00:00Z")))
}
