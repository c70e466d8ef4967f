//! The tiles and pills of an endpoint's page: current numbers, and how they compare with before.

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::dashboard::chart::columns::Columns;
use crate::dashboard::chart::threshold_crossings::{Since, over_since};
use crate::dashboard::health::{Health, SLOW_FACTOR};
use crate::dashboard::row::serving;
use crate::dashboard::spark::Width;
use crate::dashboard::zone::Zone;
use crate::dashboard::{comparison, spark};
use crate::model::slot_outcomes::SlotOutcomes;
use crate::query::snapshot::{EndpointRow, Snapshot};
use format::health::{FAILING_AMBER, FAILING_RED, HealthLevel};
use format::number::Quantity;
use format::{number, time};

/// A mean that grew by more than this factor is coloured.
const SLOWER: f64 = 1.25;

/// The live values of the tiles, and of the pills beside the title.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Requests per second.
    pub rps: String,
    /// Number of requests in the window, or how many are blocked.
    pub hits: String,
    /// Sparkline of the requests.
    pub rps_spark: String,
    /// Mean latency.
    pub avg: Quantity,
    /// Change of the mean latency.
    pub avg_lead: String,
    /// Health level of that change.
    pub avg_level: &'static str,
    /// What the mean is compared with.
    pub avg_note: String,
    /// Sparkline of the mean latency.
    pub avg_spark: String,
    /// The median latency.
    pub p50: Quantity,
    /// The 95th percentile.
    pub p95: Quantity,
    /// Health level of p95.
    pub p95_level: &'static str,
    /// The 99th percentile.
    pub p99: Quantity,
    /// Ratio of failures.
    pub failing: Quantity,
    /// Health level of the failures.
    pub failing_level: &'static str,
    /// Number of failures, number of requests, and the limit.
    pub failing_note: String,
    /// Mean size of a request body.
    pub bytes_in: Quantity,
    /// Mean size of a response body.
    pub bytes_out: Quantity,
    /// The largest body of each direction.
    pub largest: String,
    /// Sparkline of the bytes in both directions.
    pub bytes_spark: String,
    /// Number of pods that forward requests.
    pub serving: String,
    /// Total number of pods.
    pub serving_of: String,
    /// When it was last called, and the requests in flight.
    pub seen: String,
    /// CSS class of the failure pill, such as `pill bad`.
    pub failing_class: String,
    /// `5xx 7.9 % since 14:05`; empty if failures are below the limits.
    pub failing_pill: String,
    /// CSS class of the latency pill, such as `pill warn`.
    pub slow_class: String,
    /// `p95 2.4× its usual 480 ms`; empty if it is not slow.
    pub slow_pill: String,
}

impl Numbers {
    /// The numbers of an endpoint.
    pub fn of(row: &EndpointRow, snapshot: &Snapshot, columns: &Columns, zone: &Zone) -> Self {
        let (now, verdict) = (&row.now, Health::of(row, snapshot.taken_ms));
        let covered = time::span((snapshot.covered_s * 1000.0).round() as u64);
        let (avg_lead, avg_level, avg_note) = change(row, snapshot);
        let per_hit =
            |bytes: u64| if now.hits == 0 { Quantity::missing() } else { number::payload(bytes as f64 / now.hits as f64) };
        let by_column = |part: fn(&GoldenMetrics) -> f64| -> String {
            spark::area(&columns.golden.iter().map(part).collect::<Vec<_>>(), Width::Tile)
        };
        let limit = number::percent(FAILING_RED).words();
        Self {
            rps: number::rate(row.rps),
            hits: format!("{} hits{}", number::count(now.hits), blocked(row).unwrap_or_else(|| format!(" in {covered}"))),
            rps_spark: by_column(|golden| golden.hits as f64),
            avg: number::latency(now.mean_us()),
            avg_lead,
            avg_level,
            avg_note,
            avg_spark: by_column(|golden| golden.mean_us().unwrap_or(0.0)),
            p50: number::latency(now.quantile_us(0.5)),
            p95: number::latency(now.quantile_us(0.95)),
            p95_level: verdict.slow.name(),
            p99: number::latency(now.quantile_us(0.99)),
            failing: if now.served() == 0 { Quantity::missing() } else { number::percent(verdict.failing_ratio) },
            failing_level: verdict.failing.name(),
            failing_note: format!("{} of {}, limit {limit}", number::count(now.failures()), number::count(now.served())),
            bytes_in: per_hit(now.bytes_in),
            bytes_out: per_hit(now.bytes_out),
            largest: format!(
                "largest {} → {}",
                number::payload(now.bytes_in_max as f64).words(),
                number::payload(now.bytes_out_max as f64).words()
            ),
            bytes_spark: by_column(|golden| (golden.bytes_in.saturating_add(golden.bytes_out)) as f64),
            serving: number::count(serving(row) as u64),
            serving_of: format!("of {}", number::plural(row.pods.len(), "pod", "pods")),
            seen: seen(row, snapshot.taken_ms),
            failing_class: class(verdict.failing),
            failing_pill: failing(&verdict, &row.outcomes, zone),
            slow_class: class(verdict.slow),
            slow_pill: slow(row, &verdict),
        }
    }
}

/// The rate of requests that a rule answers; `None` if zero. It replaces the window, because a tile has no room for both.
fn blocked(row: &EndpointRow) -> Option<String> {
    (row.blocked_rps > 0.0).then(|| format!(", {} blocked/s", number::rate(row.blocked_rps)))
}

/// Change of the mean latency against the window before, if known: text, level, note.
fn change(row: &EndpointRow, snapshot: &Snapshot) -> (String, &'static str, String) {
    let (Some(now_us), Some(before_us)) = (row.now.mean_us(), row.before.mean_us()) else {
        let longest = (row.now.served() > 0).then_some(row.now.max_us as f64);
        return (String::new(), "", format!("longest {}", number::latency(longest).words()));
    };
    let sign = if now_us >= before_us { "▲ up" } else { "▼ down" };
    let level = if now_us > before_us * SLOWER { "bad" } else { "" };
    let lead = format!("{sign} {}", number::latency(Some((now_us - before_us).abs())).words());
    (lead, level, format!("vs {}", comparison::before_words(snapshot)))
}

fn seen(row: &EndpointRow, now_ms: u64) -> String {
    let last = match row.last_seen_ms.map(|seen_ms| time::age(now_ms.saturating_sub(seen_ms))) {
        None => "never called".to_owned(),
        Some(now) if now == "now" => "last seen now".to_owned(),
        Some(age) => format!("last seen {age} ago"),
    };
    if row.in_flight == 0 { last } else { format!("{last}, {} under way", number::count(u64::from(row.in_flight))) }
}

fn class(level: HealthLevel) -> String {
    format!("pill {}", level.name())
}

fn failing(verdict: &Health, outcomes: &SlotOutcomes, zone: &Zone) -> String {
    if verdict.failing == HealthLevel::Calm {
        return String::new();
    }
    let limit = if verdict.failing == HealthLevel::Red { FAILING_RED } else { FAILING_AMBER };
    let since = match over_since(outcomes, limit) {
        None => String::new(),
        Some(Since::At(at_ms)) => format!(" since {}", zone.time(at_ms)),
        Some(Since::Before(at_ms)) => format!(" since before {}", zone.time(at_ms)),
        Some(Since::First(at_ms)) => format!(" since its first request, {}", zone.time(at_ms)),
        Some(Since::Until(at_ms)) => format!(" until {}", zone.time(at_ms)),
    };
    format!("5xx {}{since}", number::percent(verdict.failing_ratio).words())
}

fn slow(row: &EndpointRow, verdict: &Health) -> String {
    let Some(times) = verdict.slower_by.filter(|_| verdict.slow > HealthLevel::Calm) else { return String::new() };
    let digits = usize::from(times < SLOW_FACTOR * 5.0);
    format!("p95 {times:.digits$}× its usual {}", number::latency(row.usual_p95_us).words())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dashboard::chart::columns;
    use crate::dashboard::sample;
    use crate::dashboard::sample::golden;
    use crate::model::slot_outcomes::{OUTCOME_MS, SlotOutcome};
    use crate::model::window::QueryWindow;

    fn numbers(at: usize) -> Numbers {
        let snapshot = sample::snapshot();
        let each = (0..60).map(|column| golden(208, if column < 36 { 0 } else { 41 }, 96)).collect();
        let columns = Columns { from_ms: sample::NOW_MS - 300_000, step_ms: 5000, golden: each, to_come_ms: 0 };
        Numbers::of(&snapshot.endpoints[at], &snapshot, &columns, &Zone::default())
    }

    #[test]
    fn a_failing_endpoint_says_since_when() {
        let numbers = numbers(4);
        assert_eq!(
            (numbers.failing_class.as_str(), numbers.failing_pill.as_str()),
            ("pill bad", "5xx 7.9 % since before 13:07:40 UTC")
        );
        assert_eq!(numbers.failing_note, "986 of 12,480, limit 5.0 %");
        assert_eq!((numbers.hits.as_str(), numbers.serving_of.as_str()), ("12,480 hits in 5 min", "of 2 pods"));
        assert_eq!(numbers.slow_pill, "");
    }

    /// The pill of an endpoint with these outcomes of the last hour, in every window.
    fn pills(outcomes: &SlotOutcomes) -> Vec<String> {
        let pill = |window_s: u64| {
            let mut snapshot = sample::snapshot();
            snapshot.window = QueryWindow::Last(Duration::from_secs(window_s));
            snapshot.since_ms = sample::NOW_MS - 49_000;
            snapshot.endpoints[4].outcomes = outcomes.clone();
            let (step_ms, columns) = columns::steps(Duration::from_secs(window_s));
            let from_ms = sample::NOW_MS - step_ms * columns as u64;
            let columns = Columns { from_ms, step_ms, golden: vec![golden(208, 41, 96); columns], to_come_ms: 0 };
            Numbers::of(&snapshot.endpoints[4], &snapshot, &columns, &Zone::default()).failing_pill
        };
        [60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400, 90 * 86_400].map(pill).to_vec()
    }

    #[test]
    fn a_failure_has_one_time_in_all_windows() {
        let mut outcomes = sample::snapshot().endpoints[4].outcomes.clone();
        let mut slots = outcomes.slots.to_vec();
        slots[..344].iter_mut().for_each(|slot| slot.failures = 0);
        outcomes.slots = slots.into();
        assert_eq!(pills(&outcomes), ["5xx 7.9 % since 14:05:00 UTC"; 9]);

        // It has failed since its first request.
        let mut slots = outcomes.slots.to_vec();
        slots[..344].fill(SlotOutcome::default());
        let began_ms = outcomes.from_ms + 344 * OUTCOME_MS + 3_000;
        let outcomes = SlotOutcomes { began_ms, slots: slots.into(), ..outcomes };
        assert_eq!(pills(&outcomes), ["5xx 7.9 % since its first request, 14:05:03 UTC"; 9]);
    }

    #[test]
    fn what_a_rule_answers_is_a_part_of_what_came() {
        let numbers = numbers(1);
        assert_eq!((numbers.rps.as_str(), numbers.hits.as_str()), ("12.1", "0 hits, 12.1 blocked/s"));
    }

    #[test]
    fn a_slow_endpoint_says_what_is_usual() {
        assert_eq!(numbers(2).slow_pill, "p95 2.6× its usual 480 ms");
        assert_eq!(numbers(0).failing_pill, "");
    }

    #[test]
    fn a_mean_is_compared_with_the_window_before() {
        let mut snapshot = sample::snapshot();
        snapshot.endpoints[0].before = golden(100, 0, 7);
        let numbers = Numbers::of(&snapshot.endpoints[0], &snapshot, &Columns::default(), &Zone::default());
        assert_eq!((numbers.avg_lead.as_str(), numbers.avg_level), ("▲ up 7.0 ms", "bad"));
        snapshot.endpoints[0].before = GoldenMetrics::default();
        assert_eq!(
            Numbers::of(&snapshot.endpoints[0], &snapshot, &Columns::default(), &Zone::default()).avg_note,
            "longest 14 ms"
        );
    }
}
