//! The six tiles at the top of the pods page: the whole fleet in six numbers.

use serde::Serialize;

use crate::counts::fleet::resource_history::{PeakStep, STEPS};
use crate::dashboard::pods::condition::{CPU_NEAR, FleetNorms, by_version, cpu_share, is_behind, is_measured};
use crate::dashboard::pods::row::age;
use crate::dashboard::spark;
use crate::dashboard::spark::Width;
use crate::dashboard::tiles::Tile;
use crate::model::pod::PodState;
use crate::query::snapshot::{PodRow, Snapshot};
use format::number;
use format::number::Quantity;

/// Versions that are named; the rest become an ellipsis.
const VERSIONS_NAMED_MAX: usize = 3;

/// The tiles of the pods page.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PodTiles {
    /// Pods that report, out of all that are not gone.
    pub connected: Tile,
    /// The age of the telemetry.
    pub age: Tile,
    /// Pods that have confirmed the newest rules of their service.
    pub current: Tile,
    /// The memory of all pods together.
    pub memory: Tile,
    /// CPU usage on average.
    pub cpu: Tile,
    /// Sidecar versions.
    pub versions: Tile,
}

impl PodTiles {
    /// The tiles of a snapshot.
    pub fn of(snapshot: &Snapshot, fleet: &FleetNorms) -> Self {
        let there: Vec<&PodRow> = snapshot.pods.iter().filter(|pod| pod.state != PodState::Gone).collect();
        Self {
            connected: crate::dashboard::tiles::pods(&snapshot.pods, snapshot.taken_ms),
            age: telemetry(&there, fleet.now_ms),
            current: current(&there, fleet),
            memory: memory(&there, fleet.now_ms),
            cpu: cpu(&there, fleet.now_ms),
            versions: versions(&there),
        }
    }
}

fn telemetry(there: &[&PodRow], now_ms: u64) -> Tile {
    let mut ages: Vec<u64> = there.iter().map(|pod| now_ms.saturating_sub(pod.last_message_ms)).collect();
    ages.sort_unstable();
    let quantile = |share: f64| ages.get(((ages.len() as f64 * share) as usize).min(ages.len().saturating_sub(1))).copied();
    let (Some(median_ms), Some(p95_ms)) = (quantile(0.5), quantile(0.95)) else {
        return Tile { now: Quantity::missing(), note: "goal under 2 s".into(), ..Tile::default() };
    };
    let longest: Vec<f64> = steps(there, now_ms, |step| f64::from(step.gap_ms), f64::max);
    Tile {
        now: age(median_ms),
        note: format!("p95 {}, goal under 2 s", age(p95_ms).words()),
        spark: spark::area(&longest, Width::Tile),
        ..Tile::default()
    }
}

fn current(there: &[&PodRow], fleet: &FleetNorms) -> Tile {
    let behind = there.iter().filter(|pod| is_behind(pod)).count();
    let mut tile = Tile {
        now: Quantity::new(number::count((there.len() - behind) as u64), ""),
        note: format!("of {} at #{}", number::count(there.len() as u64), fleet.revision),
        ..Tile::default()
    };
    tile.lead = match (behind, fleet.revision) {
        (0, 0) => "no rules yet".into(),
        (0, _) => "all have the newest rules".into(),
        (behind, _) => format!("{} behind", number::plural(behind, "pod", "pods")),
    };
    tile.lead_level = if behind > 0 { "warn" } else { "" };
    tile
}

fn memory(there: &[&PodRow], now_ms: u64) -> Tile {
    let sum = |part: fn(&PodRow) -> u64| there.iter().map(|pod| part(pod)).fold(0, u64::saturating_add);
    let used = sum(|pod| pod.resources.map_or(0, |used| used.memory_bytes));
    let limit = sum(|pod| pod.resources.map_or(0, |used| used.memory_limit_bytes));
    let unlimited = there.iter().filter(|pod| pod.resources.is_some_and(|used| used.memory_limit_bytes == 0)).count();
    let steps = steps(there, now_ms, |step| f64::from(step.memory_kib), |sum, step| sum + step);
    Tile {
        now: if there.iter().any(|pod| is_measured(pod)) { number::memory(used) } else { Quantity::missing() },
        note: match unlimited {
            _ if limit == 0 => "no limits are set".into(),
            0 => format!("of {} in all pods", number::memory(limit).words()),
            some => format!("of {}, {} without a limit", number::memory(limit).words(), number::count(some as u64)),
        },
        spark: spark::area(&steps, Width::Tile),
        ..Tile::default()
    }
}

fn cpu(there: &[&PodRow], now_ms: u64) -> Tile {
    let shares: Vec<f64> = there.iter().filter_map(|pod| cpu_share(pod)).collect();
    let steps = steps(there, now_ms, |step| f64::from(step.cpu_milli), |sum, step| sum + step);
    let tile = Tile { spark: spark::area(&steps, Width::Tile), ..Tile::default() };
    if !there.iter().any(|pod| is_measured(pod)) {
        return Tile { now: Quantity::missing(), ..tile };
    }
    if shares.is_empty() {
        let cores: f64 = there.iter().filter_map(|pod| pod.resources).map(|used| f64::from(used.cpu_milli) / 1000.0).sum();
        let note = "cores, no limits are set".into();
        return Tile { now: Quantity::new(format!("{cores:.2}"), ""), note, ..tile };
    }
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    let highest = shares.iter().copied().fold(0.0, f64::max);
    let average = shares.iter().sum::<f64>() / shares.len() as f64;
    let (lead, lead_level) =
        if highest > CPU_NEAR { (format!("highest {} %", percent(highest)), "warn") } else { (String::new(), "") };
    let note = if lead.is_empty() { format!("average, highest {} %", percent(highest)) } else { "on average".into() };
    Tile { now: Quantity::new(percent(average), "%"), lead, lead_level, note, ..tile }
}

fn versions(there: &[&PodRow]) -> Tile {
    let mut versions: Vec<(&str, usize)> = Vec::new();
    for pod in there {
        match versions.iter_mut().find(|(version, _)| *version == pod.workload.version) {
            Some((_, pods)) => *pods += 1,
            None => versions.push((&pod.workload.version, 1)),
        }
    }
    versions.sort_by(|(a, _), (b, _)| by_version(b, a));
    let named =
        versions.iter().take(VERSIONS_NAMED_MAX).map(|(version, pods)| format!("{} on {version}", number::count(*pods as u64)));
    let named = named.collect::<Vec<_>>().join(", ");
    let note = match versions.as_slice() {
        [] => String::new(),
        [(version, _)] => format!("all on {version}"),
        all if all.len() > VERSIONS_NAMED_MAX => format!("{named}, …"),
        _ => named,
    };
    Tile { now: Quantity::new(number::count(versions.len() as u64), ""), note, ..Tile::default() }
}

/// The resource history of all pods, combined step by step.
fn steps(there: &[&PodRow], now_ms: u64, part: fn(&PeakStep) -> f64, join: fn(f64, f64) -> f64) -> Vec<f64> {
    let mut steps = vec![0.0; STEPS];
    for pod in there {
        for (joined, step) in steps.iter_mut().zip(pod.resource_history.steps_until(now_ms)) {
            *joined = join(*joined, part(&step));
        }
    }
    // The current step is incomplete and would look like a drop.
    steps.pop();
    steps
}
