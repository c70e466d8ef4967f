//! `sitio stat`: lists the golden metrics of every endpoint.

use std::borrow::Borrow;
use std::process::ExitCode;

use api::endpoints::{Endpoint, EndpointState, Endpoints, EndpointsQuery};
use api::status::Recovery;
use clap::ValueEnum;
use format::health::HealthLevel;
use format::label::service_label;
use format::{health, number};

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::range::RangeOptions;
use crate::show::{ShowOptions, window};
use crate::table::column::{Cell, Column, Tone, kept, light, wide};
use crate::table::table;
use crate::{complete, csv, moment};

/// Show what every endpoint does: requests, success, latency.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio stat                          every endpoint, over the last five minutes
  sitio stat legacy --window 1m       those of one service, over the last minute
  sitio stat --from -2h --to -1h      the hour before the last one
  sitio stat --sort p95 --watch       the slowest first, again every two seconds
  sitio stat -o json | jq '.endpoints[] | select(.failed > 0)'")]
pub(crate) struct StatOptions {
    /// Only of this service.
    #[arg(add = complete::services())]
    service: Option<String>,
    /// Only of this namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    /// The stretch of time: 1s to 90d, or all that is kept.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = window, conflicts_with = "from")]
    window: String,
    #[command(flatten)]
    range: RangeOptions,
    /// What comes first.
    #[arg(long, value_enum, default_value_t = Sort::Name, value_name = "COLUMN")]
    sort: Sort,
    #[command(flatten)]
    look: ShowOptions,
}

/// The sort order. Numbers are descending, the success rate is ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Service and route, alphabetical.
    Name,
    /// Requests per second.
    Rps,
    /// Requests.
    Hits,
    /// The least successful.
    Success,
    /// The median latency.
    P50,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
}

impl Sort {
    /// Sorts endpoints; the sort is stable.
    pub(crate) fn sort<E: Borrow<Endpoint>>(self, endpoints: &mut [E]) {
        let key: fn(&Endpoint) -> f64 = match self {
            Self::Name => return,
            Self::Rps => |endpoint| endpoint.rps,
            Self::Hits => |endpoint| endpoint.hits as f64,
            Self::Success => failing_ratio,
            Self::P50 => |endpoint| endpoint.p50_ms.unwrap_or(-1.0),
            Self::P95 => |endpoint| endpoint.p95_ms.unwrap_or(-1.0),
            Self::P99 => |endpoint| endpoint.p99_ms.unwrap_or(-1.0),
        };
        endpoints.sort_by(|a, b| key(b.borrow()).total_cmp(&key(a.borrow())));
    }
}

/// Prints the endpoints.
pub(crate) async fn run(options: StatOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if let Some(refused) = options.look.refuse_time(options.service.as_deref()) {
        return Ok(refused);
    }
    let client = options.look.connection.client()?;
    let StatOptions { range, namespace, .. } = &options;
    let wanted = || EndpointsQuery {
        window: (!range.is_given()).then(|| options.window.clone()),
        from: range.from(),
        to: range.to(),
        namespace: namespace.clone(),
        service: options.service.clone(),
    };
    let none = match &options.service {
        Some(service) => format!("no endpoint of a service {service} is known; `sitio pods` lists the services there are"),
        None => "no endpoint is known yet: the first request to a pod makes one".to_owned(),
    };
    let page = async || {
        let mut answer = client.endpoints(&wanted()).await?;
        options.sort.sort(&mut answer.endpoints);
        let taken_ms = moment::unix_ms(&answer.taken_at).unwrap_or_else(moment::now_ms);
        options.look.format(
            &answer,
            |room| {
                let table = table(&COLUMNS, &answer.endpoints, &none, taken_ms, room, paint);
                format!("{}{}{table}", incomplete(&answer, paint), slots(&answer))
            },
            || csv::endpoints::file(&answer),
        )
    };
    options.look.show(interrupts, page).await
}

/// A line with the bounds of a range, rounded to whole slots.
fn slots(answer: &Endpoints) -> String {
    let Some((from, to)) = answer.from.as_deref().zip(answer.to.as_deref()) else { return String::new() };
    format!("{} to {} UTC, in whole slots\n\n", moment::date_and_time(from), moment::date_and_time(to))
}

/// A line above the table while the numbers are too low after a restart.
fn incomplete(answer: &Endpoints, paint: ColorMode) -> String {
    let line = |recovery: Recovery| format!("{recovery}: totals and rates are too low until all have");
    answer.recovery.map_or_else(String::new, |recovery| format!("{}\n", paint.bad(line(recovery))))
}

const COLUMNS: [Column<Endpoint>; 23] = [
    kept(Column::words("SERVICE", |endpoint, _| Cell::new(service_label(&endpoint.namespace, &endpoint.service)))),
    Column::words("METHOD", |endpoint, _| Cell::new(&endpoint.method)),
    kept(Column::words("ROUTE", |endpoint, _| Cell::new(&endpoint.route))),
    Column::numbers("RPS", |endpoint, _| Cell::new(number::rate(endpoint.rps))),
    light(Column::numbers("HITS", |endpoint, _| Cell::new(number::count(endpoint.hits)))),
    kept(Column::numbers("SUCCESS", |endpoint, _| success(endpoint))),
    wide(Column::numbers("AVG", |endpoint, _| latency(endpoint.avg_ms))),
    light(Column::numbers("P50", |endpoint, _| latency(endpoint.p50_ms))),
    Column::numbers("P95", |endpoint, _| latency(endpoint.p95_ms)),
    Column::numbers("P99", |endpoint, _| latency(endpoint.p99_ms)),
    wide(Column::numbers("P99.9", |endpoint, _| latency(endpoint.p999_ms))),
    wide(Column::numbers("MAX", |endpoint, _| latency(endpoint.max_ms))),
    Column::numbers("5XX", |endpoint, _| failures(endpoint)),
    light(Column::numbers("4XX", |endpoint, _| Cell::new(number::count(endpoint.class(4))))),
    wide(Column::numbers("BLOCKED", |endpoint, _| Cell::new(number::count(endpoint.by_rule)))),
    wide(Column::numbers("UNDER WAY", |endpoint, _| Cell::new(number::count(endpoint.in_flight)))),
    wide(Column::numbers("IN", |endpoint, _| payload(endpoint.bytes_in))),
    wide(Column::numbers("OUT", |endpoint, _| payload(endpoint.bytes_out))),
    wide(Column::numbers("PODS", |endpoint, _| Cell::new(number::count(endpoint.pods.len() as u64)))),
    wide(Column::numbers("SEEN", |endpoint, now_ms| Cell::new(moment::ago(endpoint.last_seen.as_deref(), now_ms)))),
    kept(Column::words("STATE", |endpoint, _| state(endpoint))),
    wide(Column::words("RULE", |endpoint, _| Cell::new(endpoint.rule.as_deref().unwrap_or(number::MISSING)))),
    wide(Column::words("ID", |endpoint, _| Cell::new(&endpoint.id).toned(Tone::Muted))),
];

/// The fraction of requests forwarded to the service that the service or Sitio failed.
pub(crate) fn failing_ratio(endpoint: &Endpoint) -> f64 {
    health::ratio(endpoint.failures(), endpoint.served())
}

/// The tone of the failures; as on the dashboard, nothing is coloured under 20 requests.
pub(crate) fn failing_tone(endpoint: &Endpoint) -> Tone {
    match health::failing(failing_ratio(endpoint), endpoint.served()) {
        HealthLevel::Calm => Tone::Calm,
        HealthLevel::Amber => Tone::Amber,
        HealthLevel::Red => Tone::Red,
    }
}

/// The success rate, rounded down: only a rate without any failure is shown as 100 %.
pub(crate) fn success(endpoint: &Endpoint) -> Cell {
    if endpoint.served() == 0 {
        return Cell::new(number::MISSING);
    }
    let percent = 100.0 * (1.0 - failing_ratio(endpoint));
    let text = if endpoint.failures() == 0 { "100 %".to_owned() } else { format!("{:.2} %", (percent * 100.0).floor() / 100.0) };
    Cell::new(text).toned(failing_tone(endpoint))
}

/// A latency in the dashboard's format.
pub(crate) fn latency(ms: Option<f64>) -> Cell {
    Cell::new(number::latency(ms.map(|ms| ms * 1000.0)).words())
}

/// The state of an endpoint's switch.
pub(crate) fn state(endpoint: &Endpoint) -> Cell {
    match &endpoint.state {
        EndpointState::On => Cell::new("on"),
        EndpointState::Off => Cell::new("off").toned(Tone::Amber),
        EndpointState::PartlyOff => Cell::new("partly off").toned(Tone::Amber),
        EndpointState::TurningOff => Cell::new("turning off").toned(Tone::Amber),
        EndpointState::TurningOn => Cell::new("turning on").toned(Tone::Amber),
        EndpointState::Protected => Cell::new("protected").toned(Tone::Muted),
        EndpointState::Unavailable => Cell::new(number::MISSING),
        EndpointState::Unknown(word) => Cell::new(word),
    }
}

/// The number of failures.
pub(crate) fn failures(endpoint: &Endpoint) -> Cell {
    Cell::new(number::count(endpoint.failures())).toned(failing_tone(endpoint))
}

fn payload(bytes: u64) -> Cell {
    Cell::new(number::payload(bytes as f64).words())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{answer, endpoint};
    use crate::table::TableWidth;

    #[test]
    fn the_table_shows_what_the_dashboard_shows() {
        let shown = table(&COLUMNS, &[endpoint("legacy", "GET", "/export")], "", 0, TableWidth::usual(), ColorMode::Plain);
        assert_eq!(
            shown,
            "SERVICE  METHOD  ROUTE     RPS  HITS  SUCCESS     P50     P95     P99  5XX  4XX  STATE\n\
             legacy   GET     /export  1.67   100  99.00 %  9.1 ms  212 ms  1.24 s    1    2  on\n"
        );
    }

    #[test]
    fn numbers_that_are_too_low_after_a_restart_are_said_to_be() {
        let mut answer = answer(Vec::new());
        assert_eq!(incomplete(&answer, ColorMode::Plain), "");
        answer.recovery = Some(Recovery { pods_reported: 5, pods: 7, restarted_s: 3.2 });
        let line = "5 of 7 pods have reported since the restart 3 s ago: totals and rates are too low until all have\n";
        assert_eq!(incomplete(&answer, ColorMode::Plain), line);
    }

    #[test]
    fn one_failure_in_a_million_is_no_success_of_a_hundred() {
        let mut rare = endpoint("a", "GET", "/");
        assert_eq!(success(&rare), Cell::new("99.00 %").toned(Tone::Amber));
        (rare.hits, rare.failed) = (1_000_000, 1);
        assert_eq!(success(&rare).text, "99.99 %");
        rare.failed = 0;
        assert_eq!(success(&rare).text, "100 %");
        rare.by_rule = rare.hits;
        assert_eq!(success(&rare).text, "–");
    }

    #[test]
    fn the_order_begins_with_what_one_looks_for() {
        let mut slow = endpoint("b", "GET", "/slow");
        (slow.p95_ms, slow.failed) = (Some(900.0), 0);
        let mut quiet = endpoint("c", "GET", "/quiet");
        (quiet.p95_ms, quiet.rps) = (None, 0.0);
        let all = [endpoint("a", "GET", "/"), quiet, slow];
        let order = |sort: Sort| {
            let mut sorted = all.clone();
            sort.sort(&mut sorted);
            sorted.map(|endpoint| endpoint.service)
        };
        assert_eq!(order(Sort::P95), ["b", "a", "c"]);
        assert_eq!(order(Sort::Success), ["a", "c", "b"]);
        assert_eq!(order(Sort::Name), ["a", "c", "b"]);
    }
}
