//! The six tiles at the top of the overview: the whole mesh in six numbers.

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::dashboard::health::Health;
use crate::dashboard::spark::Width;
use crate::dashboard::{comparison, spark};
use crate::model::pod::PodState;
use crate::model::traffic::SPARK_POINTS;
use crate::query::snapshot::{EndpointRow, PodRow, Snapshot};
use format::health::HealthLevel;
use format::number::Quantity;
use format::{health, number, time};

/// The tiles of the overview.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tiles {
    /// Requests per second, and their change.
    pub requests: Tile,
    /// The share of 5xx.
    pub failing: Tile,
    /// Median latency.
    pub p50: Quantity,
    /// The 95th percentile of latency.
    pub p95: Quantity,
    /// The 99th percentile of latency.
    pub p99: Quantity,
    /// The change of the 95th percentile since the window before; empty if it is unknown.
    pub p95_moved: String,
    /// Bytes of bodies per second, out and in.
    pub payload: Tile,
    /// Pods that report, out of all that are not gone.
    pub pods: Tile,
    /// Endpoints that are off.
    pub off: Tile,
}

/// One tile: a number, a line below it, perhaps a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tile {
    /// The number.
    pub now: Quantity,
    /// Its level.
    pub level: &'static str,
    /// The part of the line below that may be coloured.
    pub lead: String,
    /// The level of `lead`.
    pub lead_level: &'static str,
    /// The rest of the line.
    pub note: String,
    /// The chart's path; empty for none.
    pub spark: String,
}

impl Tiles {
    /// The tiles of a snapshot.
    pub fn of(snapshot: &Snapshot, verdicts: &[Health]) -> Self {
        let now = sum(snapshot, |row| &row.now);
        let before = sum(snapshot, |row| &row.before);
        let quantile = |q: f64| number::latency(now.quantile_us(q));
        Self {
            requests: requests(snapshot, &now, &before),
            failing: failing(snapshot, &now, &before),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p95_moved: match comparison::moved(now.quantile_us(0.95), before.quantile_us(0.95)) {
                words if words.is_empty() => words,
                words => format!("p95 {words}"),
            },
            payload: payload(snapshot, &now),
            pods: pods(&snapshot.pods, snapshot.taken_ms),
            off: off(snapshot, verdicts),
        }
    }
}

fn sum<'a>(snapshot: &'a Snapshot, part: impl Fn(&'a EndpointRow) -> &'a GoldenMetrics) -> GoldenMetrics {
    let mut sum = GoldenMetrics::default();
    snapshot.endpoints.iter().for_each(|row| sum.merge(part(row)));
    sum
}

fn requests(snapshot: &Snapshot, now: &GoldenMetrics, before: &GoldenMetrics) -> Tile {
    let per_second = snapshot.endpoints.iter().map(|row| row.rps).sum();
    let hits = steps(snapshot, |traffic| traffic.hits);
    let mut tile =
        Tile { now: Quantity::new(number::rate(per_second), "/s"), spark: spark::area(&hits, Width::Tile), ..Tile::default() };
    tile.lead = comparison::moved(Some(now.hits as f64), Some(before.hits as f64));
    tile.note = if tile.lead.is_empty() {
        format!("{} in {}", number::count(now.hits), covered(snapshot))
    } else {
        format!("vs {}", comparison::before_words(snapshot))
    };
    tile
}

fn failing(snapshot: &Snapshot, now: &GoldenMetrics, before: &GoldenMetrics) -> Tile {
    let share = health::ratio(now.failures(), now.served());
    let level = health::failing(share, now.served());
    let failures = steps(snapshot, |traffic| traffic.failures);
    let per_second = now.failures() as f64 / snapshot.covered_s.max(1.0);
    let mut tile = Tile {
        now: if now.served() == 0 { Quantity::missing() } else { number::percent(share) },
        level: level.name(),
        note: format!("{}/s", number::rate(per_second)),
        spark: spark::area(&failures, Width::Tile),
        ..Tile::default()
    };
    tile.lead = comparison::failing(now, before);
    if !tile.lead.is_empty() {
        let share_before = health::ratio(before.failures(), before.served());
        tile.lead_level = if share > share_before * 2.0 && level > HealthLevel::Calm { level.name() } else { "" };
        tile.note.insert_str(0, "· ");
    }
    tile
}

fn payload(snapshot: &Snapshot, now: &GoldenMetrics) -> Tile {
    let per_second = |bytes: u64| number::payload(bytes as f64 / snapshot.covered_s.max(1.0));
    let sent = steps(snapshot, |traffic| traffic.bytes_out);
    let out = per_second(now.bytes_out);
    let unit = match out.u {
        "B" => "B/s",
        "kB" => "kB/s",
        "MB" => "MB/s",
        _ => "GB/s",
    };
    let note = format!("in {}/s", per_second(now.bytes_in).words());
    Tile { now: Quantity::new(out.v, unit), note, spark: spark::area(&sent, Width::Tile), ..Tile::default() }
}

/// The tile of pods that report, out of all that are not gone.
pub fn pods(pods: &[PodRow], now_ms: u64) -> Tile {
    let there = pods.iter().filter(|pod| pod.state != PodState::Gone).count();
    let silent_ms: Vec<u64> =
        pods.iter().filter(|pod| pod.state == PodState::Silent).map(|pod| now_ms.saturating_sub(pod.last_message_ms)).collect();
    let longest_ms = silent_ms.iter().copied().max().unwrap_or(0);
    let mut tile = Tile {
        now: Quantity { v: number::count((there - silent_ms.len()) as u64), u: "" },
        note: format!("of {}", number::count(there as u64)),
        ..Tile::default()
    };
    if silent_ms.is_empty() {
        tile.lead = if there == 0 { "none has connected yet".into() } else { "all reporting".into() };
    } else {
        tile.lead = format!("{} silent for {}", silent_ms.len(), time::span(longest_ms));
        tile.lead_level = HealthLevel::Red.name();
    }
    tile
}

fn off(snapshot: &Snapshot, verdicts: &[Health]) -> Tile {
    let count = |is: fn(&Health) -> bool| verdicts.iter().filter(|verdict| is(verdict)).count();
    let (off, waiting) = (count(|verdict| verdict.off), count(|verdict| verdict.waiting));
    let blocked: f64 = snapshot.endpoints.iter().map(|row| row.blocked_rps).sum();
    let mut lead = Vec::new();
    if waiting > 0 {
        lead.push(format!("{waiting} waiting"));
    }
    if blocked > 0.0 {
        lead.push(format!("{}/s blocked", number::rate(blocked)));
    }
    Tile {
        now: Quantity::new(number::count(off as u64), ""),
        lead: if lead.is_empty() { "nothing is blocked".into() } else { lead.join(" · ") },
        lead_level: if waiting > 0 { HealthLevel::Amber.name() } else { "" },
        note: format!("of {}", number::count(snapshot.endpoints.len() as u64)),
        ..Tile::default()
    }
}

/// The mesh's traffic, step by step.
fn steps(snapshot: &Snapshot, part: impl Fn(&crate::model::traffic::TrafficPoint) -> u64) -> Vec<f64> {
    let mut steps = vec![0.0; SPARK_POINTS];
    for row in &snapshot.endpoints {
        // The newest steps line up at the end, however many a row has.
        for (sum, traffic) in steps.iter_mut().rev().zip(row.traffic.iter().rev()) {
            *sum += part(traffic) as f64;
        }
    }
    steps
}

/// The time that the numbers cover: less than the window just after the start.
fn covered(snapshot: &Snapshot) -> String {
    time::span((snapshot.covered_s * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    fn tiles(snapshot: &Snapshot) -> Tiles {
        let verdicts: Vec<Health> = snapshot.endpoints.iter().map(|row| Health::of(row, snapshot.taken_ms)).collect();
        Tiles::of(snapshot, &verdicts)
    }

    #[test]
    fn the_tiles_add_the_mesh_up() {
        let tiles = tiles(&sample::snapshot());
        assert_eq!(tiles.requests.now.words(), "105 /s");
        assert_eq!(tiles.requests.note, "27,750 in 5 min");
        assert_eq!((tiles.failing.now.words().as_str(), tiles.failing.level), ("3.6 %", "warn"));
        assert_eq!(tiles.payload.now.words(), "768 kB/s");
        assert!(tiles.payload.spark.starts_with('M'), "its traffic is drawn: {:?}", tiles.payload.spark);
        assert_eq!(tiles.pods.lead, "1 silent for 14 s");
        assert_eq!((tiles.off.now.v.as_str(), tiles.off.note.as_str()), ("1", "of 6"));
        assert_eq!(tiles.off.lead, "1 waiting · 12.1/s blocked");
    }

    #[test]
    fn a_window_that_is_not_full_is_compared_with_nothing() {
        let mut snapshot = sample::snapshot();
        snapshot.endpoints[0].before = sample::golden(100, 0, 10);
        let whole = tiles(&snapshot);
        assert_eq!((whole.requests.lead.as_str(), whole.requests.note.as_str()), ("▲ up 278×", "vs the 5 min before"));
        assert_eq!((whole.failing.lead.as_str(), whole.p95_moved.as_str()), ("▲ up from 0 %", "p95 ▲ up 851 %"));
        (snapshot.endpoints[0].before, snapshot.covered_s) = (GoldenMetrics::default(), 40.0);
        let partly = tiles(&snapshot);
        assert_eq!((partly.requests.note.as_str(), partly.p95_moved.as_str()), ("27,750 in 40 s", ""));
    }

    #[test]
    fn an_empty_mesh_has_no_percentages() {
        let mut snapshot = sample::snapshot();
        snapshot.endpoints.clear();
        snapshot.pods.clear();
        let tiles = tiles(&snapshot);
        assert_eq!(tiles.requests.now.words(), "0 /s");
        assert_eq!(tiles.failing.now.words(), number::MISSING);
        assert_eq!(tiles.p95.words(), number::MISSING);
        assert_eq!(tiles.pods.lead, "none has connected yet");
    }
}
