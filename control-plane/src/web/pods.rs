//! The page of the pods: who reports, how far behind, and how full.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use crate::snapshot::{PodRow, PodState, Snapshot};
use crate::web::Web;
use crate::web::format::{self, Quantity};
use crate::web::page::{Page, Shell};
use crate::web::row::service_label;
use crate::web::view::Span;

/// The share of its limit from which a pod's memory is amber.
const MEMORY_NEAR: f64 = 0.9;

/// The page.
#[derive(Template)]
#[template(path = "pods.html")]
pub struct PodsPage {
    shell: Shell,
    sub: String,
    pods: Vec<PodCells>,
}

/// One pod's row.
struct PodCells {
    name: String,
    place: String,
    status: String,
    /// `ok`, `warn`, `bad` or nothing.
    level: &'static str,
    version: String,
    memory: Quantity,
    memory_limit: String,
    /// Of 116.
    memory_bar: String,
    memory_is_near: bool,
    cpu: Quantity,
    rps: String,
    connected: String,
    heard: String,
    receipt: String,
    receipt_note: String,
    is_behind: bool,
}

/// `GET /pods`
pub async fn pods(State(web): State<Arc<Web>>) -> Page<PodsPage> {
    let snapshot = web.snapshot(Span::default());
    Page(PodsPage::of(&snapshot))
}

impl PodsPage {
    fn of(snapshot: &Snapshot) -> Self {
        let mut pods: Vec<&PodRow> = snapshot.pods.iter().collect();
        pods.sort_by_key(|pod| (urgency(pod), pod.workload.service.clone(), pod.workload.pod.clone()));
        let distinct = |part: fn(&PodRow) -> &str| {
            let mut parts: Vec<&str> = snapshot.pods.iter().map(part).filter(|part| !part.is_empty()).collect();
            parts.sort_unstable();
            parts.dedup();
            parts.len()
        };
        let sidecars = format::plural(pods.len(), "sidecar", "sidecars");
        let services = format::plural(distinct(|pod| &pod.workload.service), "service", "services");
        let sub = match distinct(|pod| &pod.workload.node) {
            0 => format!("{sidecars} in {services}"),
            nodes => format!("{sidecars} in {services} on {}", format::plural(nodes, "node", "nodes")),
        };
        Self {
            shell: Shell::of("pods", "Pods", snapshot),
            sub,
            pods: pods.into_iter().map(|pod| PodCells::of(pod, snapshot)).collect(),
        }
    }
}

/// Silent pods first, then those near a limit; those that said goodbye last.
fn urgency(pod: &PodRow) -> u8 {
    match pod.state {
        PodState::Silent => 0,
        PodState::Reporting if is_near_memory_limit(pod) => 1,
        PodState::Reporting => 2,
        PodState::Gone => 3,
    }
}

fn is_near_memory_limit(pod: &PodRow) -> bool {
    let used = |limit: u64, bytes: u64| limit > 0 && bytes as f64 > limit as f64 * MEMORY_NEAR;
    pod.resources.is_some_and(|resources| used(resources.memory_limit_bytes, resources.memory_bytes))
}

impl PodCells {
    fn of(pod: &PodRow, snapshot: &Snapshot) -> Self {
        let now_ms = snapshot.taken_ms;
        let workload = &pod.workload;
        let silent_ms = now_ms.saturating_sub(pod.heard_ms);
        let near = is_near_memory_limit(pod);
        let (status, level) = match pod.state {
            PodState::Silent => (format!("Silent {}", format::span(silent_ms)), "bad"),
            PodState::Gone => ("Gone".into(), ""),
            PodState::Reporting if near => ("Near memory limit".into(), "warn"),
            PodState::Reporting => ("Reporting".into(), "ok"),
        };
        let resources = pod.resources.unwrap_or_default();
        let limit = resources.memory_limit_bytes;
        let full = if limit == 0 { 0.0 } else { (resources.memory_bytes as f64 / limit as f64).min(1.0) };
        let service = service_label(&workload.namespace, &workload.service);
        Self {
            name: workload.pod.clone(),
            place: if workload.node.is_empty() { service } else { format!("{service} · {}", workload.node) },
            status,
            level,
            version: workload.version.clone(),
            memory: if pod.resources.is_none() { Quantity::missing() } else { format::memory(resources.memory_bytes) },
            memory_limit: if limit == 0 { String::new() } else { format!("of {}", format::memory(limit).words()) },
            memory_bar: format!("{:.0}", 116.0 * full),
            memory_is_near: near,
            cpu: cpu(pod),
            rps: format::rate(pod.rps),
            connected: pod
                .connected_ms
                .map_or_else(|| format::MISSING.into(), |since_ms| format::span(now_ms.saturating_sub(since_ms))),
            heard: format::age(silent_ms),
            receipt: pod.confirmed.map_or_else(|| format::MISSING.into(), |(revision, _)| format!("#{revision}")),
            receipt_note: pod.confirmed.map_or_else(String::new, |(_, took_ms)| format!("in {} ms", format::count(took_ms))),
            is_behind: pod.state != PodState::Gone && pod.confirmed.is_none_or(|(revision, _)| revision < snapshot.revision),
        }
    }
}

/// Processor time as a share of the limit; without a limit, in cores.
fn cpu(pod: &PodRow) -> Quantity {
    match pod.resources {
        None => Quantity::missing(),
        Some(used) if used.cpu_limit_milli == 0 => Quantity::new(format!("{:.2}", f64::from(used.cpu_milli) / 1000.0), "cores"),
        Some(used) => Quantity::new(format!("{:.0}", 100.0 * f64::from(used.cpu_milli) / f64::from(used.cpu_limit_milli)), "%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::sample;

    #[test]
    fn silent_pods_come_first_and_say_for_how_long() {
        let page = PodsPage::of(&sample::snapshot());
        let rows: Vec<_> = page.pods.iter().map(|pod| (pod.name.as_str(), pod.status.as_str(), pod.level)).collect();
        assert_eq!(rows, [("legacy-2", "Silent 14 s", "bad"), ("legacy-1", "Near memory limit", "warn")]);
        assert_eq!(page.sub, "2 sidecars in 1 service on 1 node");
        assert_eq!((page.pods[0].cpu.words().as_str(), page.pods[0].is_behind), ("30 %", false));
    }

    #[test]
    fn the_page_can_be_drawn() {
        let html = PodsPage::of(&sample::snapshot()).render().unwrap();
        assert!(html.contains("legacy-2") && html.contains("of 256 MiB"));
    }
}
