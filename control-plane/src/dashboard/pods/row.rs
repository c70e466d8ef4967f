//! One pod's row: every cell as formatted text.

use mesh::report::Resources;
use mesh::stable_hash::ShortId;
use serde::Serialize;

use crate::counts::fleet::pod::RefusedMessage;
use crate::counts::fleet::skew::Skew;
use crate::dashboard::order::{By, SortKeys};
use crate::dashboard::pods::condition::{
    CPU_NEAR, FleetNorms, cpu_share, is_behind, is_clock_wrong, is_measured, is_near_memory_limit,
};
use crate::dashboard::spark;
use crate::dashboard::spark::Width;
use crate::model::pod::PodState;
use crate::query::snapshot::PodRow;
use format::column::PodColumn;
use format::label::service_label;
use format::number::Quantity;
use format::{number, time};

/// The width of the memory bar.
const BAR: f64 = 116.0;

/// Telemetry older than this is amber: sidecars report every second.
const AGE_AMBER_MS: u64 = 2000;

/// How long after its last refusal a pod is shown as refused: a sidecar tries again every ten seconds.
const REFUSED_FOR_MS: u64 = 60_000;

/// The cells of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PodCells {
    /// The template from which a script makes the row.
    pub kind: &'static str,
    /// The row's id in the page.
    pub id: String,
    /// The pod's name.
    pub name: String,
    /// The link to the endpoints of its service.
    pub href: String,
    /// Service and node.
    pub place: String,
    /// The level of the row: `bad`, `warn` or empty.
    pub level: &'static str,
    /// Its state in words.
    pub status: String,
    /// The CSS classes of the state.
    pub tag: String,
    /// The sidecar's version.
    pub version: String,
    /// `behind` if the sidecar is outdated, else empty.
    pub outdated: &'static str,
    /// How many requests its sidecar has refused, and why; empty if none.
    pub refused: String,
    /// Memory in use.
    pub memory: Quantity,
    /// The memory limit.
    pub memory_limit: String,
    /// The level of the memory.
    pub memory_level: &'static str,
    /// The width of the memory bar.
    pub memory_bar: String,
    /// The width of the bar's track; 0 without a limit.
    pub memory_track: &'static str,
    /// CPU in use.
    pub cpu: Quantity,
    /// The level of the CPU.
    pub cpu_level: &'static str,
    /// The chart of its CPU in the last five minutes.
    pub spark: String,
    /// The line that replaces an empty chart.
    pub spark_nothing: String,
    /// Requests per second.
    pub rps: String,
    /// How long it has been connected.
    pub connected: String,
    /// How old its last report is.
    pub age: Quantity,
    /// The level of the age.
    pub age_level: &'static str,
    /// The newest revision that it has confirmed.
    pub receipt: String,
    /// The level of the receipt.
    pub receipt_level: &'static str,
    /// How fast it confirmed, and when.
    pub receipt_note: String,
}

impl PodCells {
    /// A blank row, from which the script makes the row of a new pod.
    pub fn blank() -> Self {
        Self { kind: "row", tag: "tag".into(), memory_bar: "0".into(), memory_track: "0", ..Self::default() }
    }

    /// A pod's row.
    pub fn of(pod: &PodRow, fleet: &FleetNorms) -> Self {
        let (now_ms, workload) = (fleet.now_ms, &pod.workload);
        let last_message_ms = now_ms.saturating_sub(pod.last_message_ms);
        let (status, level) = status(pod, (last_message_ms, now_ms));
        let service = service_label(&workload.namespace, &workload.service);
        let steps: Vec<f64> = pod.resource_history.steps_until(now_ms).iter().map(|step| f64::from(step.cpu_milli)).collect();
        let is_behind = is_behind(pod);
        Self {
            kind: "row",
            id: ShortId::new(b'p', identity(pod).bytes()).to_string(),
            name: workload.pod.clone(),
            href: format!("./?service={}", encoded(&service)),
            place: if workload.node.is_empty() { service } else { format!("{service} · {}", workload.node) },
            level: if level == "ok" { "" } else { level },
            status,
            tag: format!("tag {level}"),
            version: workload.version.clone(),
            outdated: if fleet.is_outdated(pod) { "behind" } else { "" },
            refused: refused(pod),
            cpu: cpu(pod),
            cpu_level: if cpu_share(pod).is_some_and(|share| share > CPU_NEAR) { "warn" } else { "" },
            spark: spark::area(&steps, Width::Row),
            spark_nothing: spark::nothing(&steps, Width::Row),
            rps: number::rate(pod.rps),
            connected: pod
                .connected_ms
                .map_or_else(|| number::MISSING.into(), |since_ms| time::span(now_ms.saturating_sub(since_ms))),
            age: age(last_message_ms),
            age_level: match pod.state {
                PodState::Silent => "bad",
                PodState::Reporting if last_message_ms >= AGE_AMBER_MS => "warn",
                PodState::Reporting | PodState::Gone => "",
            },
            receipt: pod.confirmed.map_or_else(|| number::MISSING.into(), |(revision, _)| format!("#{revision}")),
            receipt_level: if is_behind { "warn" } else { "" },
            receipt_note: receipt_note(pod, now_ms, is_behind),
            ..Self::memory(pod)
        }
    }

    fn memory(pod: &PodRow) -> Self {
        let used = pod.resources.unwrap_or_default();
        let limit = used.memory_limit_bytes;
        let full = if limit == 0 { 0.0 } else { (used.memory_bytes as f64 / limit as f64).min(1.0) };
        Self {
            memory: if is_measured(pod) { number::memory(used.memory_bytes) } else { Quantity::missing() },
            memory_limit: if limit == 0 { String::new() } else { format!("of {}", number::memory(limit).words()) },
            memory_level: if is_near_memory_limit(pod) { "warn" } else { "" },
            memory_bar: format!("{:.0}", BAR * full),
            memory_track: if limit == 0 { "0" } else { "116" },
            ..Self::default()
        }
    }
}

/// The requests that its sidecar has refused since its start, by reason.
fn refused(pod: &PodRow) -> String {
    let refused = pod.resources.unwrap_or_default().refused;
    if refused.total() == 0 {
        return String::new();
    }
    let reasons: Vec<String> = refused.counts().map(|(reason, count)| format!("{reason} {}", number::count(count))).collect();
    format!("{} refused: {}", number::plural(refused.total() as usize, "request", "requests"), reasons.join(", "))
}

/// The identity of its row: the uid, with the process while several claim that uid.
fn identity(pod: &PodRow) -> String {
    let uid = &pod.workload.pod_uid;
    if pod.claimants > 1 { format!("{uid} {}", pod.epoch) } else { uid.clone() }
}

/// The last refusal of a pod, if it is recent enough to be its state.
fn refused_lately(pod: &PodRow, now_ms: u64) -> Option<&RefusedMessage> {
    pod.refusal.as_deref().filter(|refusal| now_ms.saturating_sub(refusal.at_ms) < REFUSED_FOR_MS)
}

/// Its state in words, and its level.
fn status(pod: &PodRow, (last_message_ms, now_ms): (u64, u64)) -> (String, &'static str) {
    if let Some(refusal) = refused_lately(pod, now_ms) {
        return (format!("Refused: {}", refusal.why), "bad");
    }
    match pod.state {
        PodState::Silent => (format!("Silent {}", time::span(last_message_ms)), "bad"),
        PodState::Gone => (format!("Gone {} ago", time::span(last_message_ms)), ""),
        PodState::Reporting if pod.claimants > 1 => (format!("{} processes report as this pod", pod.claimants), "bad"),
        PodState::Reporting if is_near_memory_limit(pod) => ("Near memory limit".into(), "warn"),
        PodState::Reporting if is_clock_wrong(pod) => (clock(pod), "warn"),
        PodState::Reporting => ("Reporting".into(), "ok"),
    }
}

/// How far its clock differs from the control plane's.
fn clock(pod: &PodRow) -> String {
    let offset_ms = pod.skew.map_or(0, Skew::offset_ms);
    let direction = if offset_ms < 0 { "behind" } else { "ahead" };
    format!("Clock {} {direction}", time::apart(offset_ms.unsigned_abs()))
}

/// The sort keys of a pod.
pub fn keys(pod: &PodRow, fleet: &FleetNorms) -> SortKeys {
    let (workload, used) = (&pod.workload, pod.resources.unwrap_or_default());
    let urgency = match pod.state {
        _ if refused_lately(pod, fleet.now_ms).is_some() => 3,
        PodState::Silent => 3,
        PodState::Reporting if pod.claimants > 1 => 3,
        PodState::Reporting if is_near_memory_limit(pod) => 2,
        PodState::Reporting if is_behind(pod) || fleet.is_outdated(pod) || is_clock_wrong(pod) => 1,
        PodState::Reporting | PodState::Gone => 0,
    };
    let version: f64 = workload.version.split('.').fold(0.0, |sum, part| sum * 1000.0 + part.parse().unwrap_or(0.0));
    // Without a limit, the share is near zero, but the largest pod still comes first.
    let limit = if used.memory_limit_bytes == 0 { u64::MAX } else { used.memory_limit_bytes };
    let values = [
        (PodColumn::Rps, pod.rps),
        (PodColumn::State, f64::from(urgency)),
        (PodColumn::Version, version),
        (PodColumn::Memory, used.memory_bytes as f64 / limit as f64),
        (PodColumn::Cpu, cpu_share(pod).unwrap_or_else(|| f64::from(used.cpu_milli) / 1000.0)),
        (PodColumn::ConnectedAt, pod.connected_ms.map_or(-1.0, |since_ms| fleet.now_ms.saturating_sub(since_ms) as f64)),
        (PodColumn::HeardAt, fleet.now_ms.saturating_sub(pod.last_message_ms) as f64),
        (PodColumn::Revision, pod.confirmed.map_or(-1.0, |(revision, _)| revision as f64)),
    ];
    let values = values.into_iter().map(|(column, value)| (By::Pod(column), value)).collect();
    let name = [workload.service.clone(), workload.pod.clone(), workload.pod_uid.clone()];
    SortKeys { urgency, is_last: pod.state == PodState::Gone, name, rps: pod.rps, values }
}

/// CPU usage as a share of the limit; without a limit, in cores.
pub fn cpu(pod: &PodRow) -> Quantity {
    match (pod.resources.filter(Resources::are_measured), cpu_share(pod)) {
        (None, _) => Quantity::missing(),
        (Some(_), Some(share)) => Quantity::new(format!("{:.0}", 100.0 * share), "%"),
        (Some(used), None) => Quantity::new(format!("{:.2}", f64::from(used.cpu_milli) / 1000.0), "cores"),
    }
}

/// Formats an age, to a tenth of a second below one minute.
pub fn age(ms: u64) -> Quantity {
    match ms {
        0..60_000 => Quantity::new(format!("{}.{}", ms / 1000, ms % 1000 / 100), "s"),
        _ => Quantity::new(time::span(ms), ""),
    }
}

fn receipt_note(pod: &PodRow, now_ms: u64, is_behind: bool) -> String {
    let (Some((_, took_ms)), Some(at_ms)) = (pod.confirmed, pod.confirmed_ms) else {
        return if is_behind { "none yet, behind".into() } else { String::new() };
    };
    let ago = match time::age(now_ms.saturating_sub(at_ms)) {
        now if now == "now" => now,
        age => format!("{age} ago"),
    };
    if is_behind { format!("behind, {ago}") } else { format!("in {} ms, {ago}", number::count(took_ms)) }
}

/// Percent-encodes a text for a query.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}
