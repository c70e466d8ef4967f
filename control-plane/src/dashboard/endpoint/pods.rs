//! The pods behind an endpoint, slowest first, to find the one that differs.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use crate::counts::timeline::recent_minutes::RecentTotals;
use crate::model::pod::ServingState;
use crate::query::snapshot::{EndpointRow, Snapshot};
use format::health::{REQUESTS_MIN, failing, ratio};
use format::number;
use format::number::Quantity;

/// Maximum number of pods shown; the slowest are kept.
pub const SHOWN_MAX: usize = 20;

/// A pod is an outlier if its p95 is this many times that of the others.
const ODD_FACTOR: f64 = 1.5;

/// Width of the range bar.
const WIDTH: f64 = 120.0;

/// Lower end of the range bar, in microseconds: 1 ms.
const FROM_US: f64 = 1000.0;
/// Length of the range bar in doublings: up to 4 s.
const OCTAVES: f64 = 12.0;

/// The live values of one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EndpointPodCells {
    /// The pod's name.
    pub name: String,
    /// `pod`; empty if the row is unused.
    pub kind: &'static str,
    /// `2.0× the others’ p95` if the pod is an outlier; else empty.
    pub odd: String,
    /// The pod's node.
    pub node: String,
    /// Requests per second.
    pub rps: String,
    /// Number of requests.
    pub hits: String,
    /// CSS class of the range bar: `rng` or `rng hot`.
    pub range: &'static str,
    /// Left end of the bar, which spans p50 to p99.
    pub bar_x: String,
    /// Width of the bar.
    pub bar_width: String,
    /// X coordinate of the p95 mark.
    pub tick_x: String,
    /// The 95th percentile.
    pub p95: Quantity,
    /// Health level of p95.
    pub p95_level: &'static str,
    /// Ratio of failures.
    pub failing: Quantity,
    /// Health level of the failures.
    pub failing_level: &'static str,
    /// Whether the pod serves the endpoint.
    pub state: &'static str,
    /// CSS class of the state, such as `tag ok`.
    pub state_class: &'static str,
    /// The newest revision that the pod confirmed, and how fast.
    pub receipt: String,
}

/// The pods of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// The pods, slowest first.
    pub each: Vec<EndpointPodCells>,
    /// How many pods are not shown, as text; empty if none.
    pub more: String,
}

impl Copies {
    /// The pods of an endpoint with their recent counts.
    pub fn of(row: &EndpointRow, snapshot: &Snapshot, lately: &HashMap<String, RecentTotals>) -> Self {
        let p95 = |name: &str| lately.get(name).filter(|recent| recent.latency.count() >= REQUESTS_MIN)?.latency.quantile(0.95);
        let mut each: Vec<(Option<f64>, EndpointPodCells)> = row
            .pods
            .iter()
            .map(|pod| {
                let others: Vec<f64> =
                    row.pods.iter().filter(|other| other.pod != pod.pod).filter_map(|other| p95(&other.pod)).collect();
                let cells = EndpointPodCells::of(&pod.pod, pod.state, lately.get(&pod.pod), snapshot);
                (p95(&pod.pod), cells.beside(p95(&pod.pod), others))
            })
            .collect();
        // The p95 of a hundred requests is noisy: rows with nearly the same value keep their name order.
        let step = |us: &Option<f64>| us.map_or(i64::MIN, |us| (us.max(1.0).log2() * 4.0).round() as i64);
        each.sort_by_key(|(p95_us, _)| Reverse(step(p95_us)));
        let more = each.len().saturating_sub(SHOWN_MAX);
        let more =
            if more == 0 { String::new() } else { format!("and {} that are not slower", number::plural(more, "pod", "pods")) };
        let mut each: Vec<EndpointPodCells> = each.into_iter().map(|(_, cells)| cells).take(SHOWN_MAX).collect();
        each.resize_with(SHOWN_MAX, EndpointPodCells::blank);
        Self { each, more }
    }
}

impl EndpointPodCells {
    fn blank() -> Self {
        let zero = || "0".to_owned();
        Self { range: "rng", bar_x: zero(), bar_width: zero(), tick_x: zero(), state_class: "tag", ..Self::default() }
    }

    fn of(name: &str, state: ServingState, recent: Option<&RecentTotals>, snapshot: &Snapshot) -> Self {
        let (state, state_class) = match state {
            ServingState::Serving => ("Serving", "tag ok"),
            ServingState::Off => ("Off", "tag acc"),
            ServingState::Waiting => ("Waiting", "tag warn"),
            ServingState::Lost => ("Silent or gone", "tag bad"),
        };
        let known = snapshot.pods.iter().rev().find(|pod| pod.workload.pod == name);
        // Revision 0 is the initial state, before any command.
        let confirmed = known.and_then(|pod| pod.confirmed).filter(|(revision, _)| *revision > 0);
        let cells = Self {
            name: name.to_owned(),
            kind: "pod",
            node: known.map(|pod| pod.workload.node.clone()).unwrap_or_default(),
            rps: number::MISSING.into(),
            hits: number::MISSING.into(),
            p95: Quantity::missing(),
            failing: Quantity::missing(),
            state,
            state_class,
            receipt: confirmed
                .map_or_else(|| number::MISSING.into(), |(revision, ms)| format!("#{revision} in {} ms", number::count(ms))),
            ..Self::blank()
        };
        let Some(recent) = recent.filter(|recent| recent.hits > 0) else { return cells };
        let served = recent.hits.saturating_sub(recent.by_rule);
        let share = ratio(recent.failures, served);
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| recent.latency.quantile(q));
        let x = |us: Option<f64>| us.map_or(0.0, |us| WIDTH * ((us.max(FROM_US) / FROM_US).log2() / OCTAVES).min(1.0));
        Self {
            rps: number::rate(recent.hits as f64 * 1000.0 / recent.covered_ms.max(1000) as f64),
            hits: number::count(recent.hits),
            bar_x: format!("{:.1}", x(p50)),
            bar_width: format!("{:.1}", if p50.is_some() { (x(p99) - x(p50)).max(2.0) } else { 0.0 }),
            tick_x: format!("{:.1}", (x(p95) - 1.25).max(0.0)),
            p95: number::latency(p95),
            failing: if served == 0 { Quantity::missing() } else { number::percent(share) },
            failing_level: failing(share, served).name(),
            ..cells
        }
    }

    /// Marks the pod as an outlier if its p95 is far above the median of the others.
    fn beside(self, p95_us: Option<f64>, mut others: Vec<f64>) -> Self {
        others.sort_by(f64::total_cmp);
        let usual = others.get(others.len() / 2).copied().filter(|us| *us > 0.0);
        let Some(times) = p95_us.zip(usual).map(|(p95, usual)| p95 / usual).filter(|times| *times >= ODD_FACTOR) else {
            return self;
        };
        Self { odd: format!("{times:.1}× the others’ p95"), p95_level: "warn", range: "rng hot", ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;
    use crate::dashboard::sample::golden;

    fn recent(hits: u64, failures: u64, ms: u64) -> RecentTotals {
        RecentTotals { hits, by_rule: 0, failures, latency: golden(hits, 0, ms).latency, covered_ms: 300_000 }
    }

    #[test]
    fn the_slow_one_comes_first_and_is_named_odd() {
        let snapshot = sample::snapshot();
        let lately =
            HashMap::from([("payments-1".to_owned(), recent(3000, 30, 100)), ("payments-2".to_owned(), recent(3000, 300, 390))]);
        let copies = Copies::of(&snapshot.endpoints[4], &snapshot, &lately);
        let (first, second) = (&copies.each[0], &copies.each[1]);
        assert_eq!((first.name.as_str(), first.odd.as_str(), first.range), ("payments-2", "4.0× the others’ p95", "rng hot"));
        assert_eq!((first.rps.as_str(), first.failing.words().as_str(), first.failing_level), ("10.0", "10 %", "bad"));
        assert_eq!((second.odd.as_str(), second.failing_level), ("", "warn"));
        assert_eq!((copies.each[2].kind, copies.each.len(), copies.more.as_str()), ("", SHOWN_MAX, ""));
    }

    #[test]
    fn a_pod_that_did_little_is_not_judged() {
        let snapshot = sample::snapshot();
        let lately =
            HashMap::from([("payments-1".to_owned(), recent(3000, 0, 10)), ("payments-2".to_owned(), recent(3, 3, 900))]);
        let copies = Copies::of(&snapshot.endpoints[4], &snapshot, &lately);
        assert_eq!(
            (copies.each[1].name.as_str(), copies.each[1].odd.as_str(), copies.each[1].failing_level),
            ("payments-2", "", "")
        );
        let none = Copies::of(&snapshot.endpoints[4], &snapshot, &HashMap::new());
        assert_eq!((none.each[0].hits.as_str(), none.each[0].bar_width.as_str()), ("–", "0"));
    }
}
