//! The pods as CSV.

use client::pods::{Pod, Pods};
use format::csv::{CsvCell, text};

use crate::csv::{name, number, rate, some, words};

const HEADS: [&str; 21] = [
    "pod",
    "namespace",
    "service",
    "node",
    "state",
    "version",
    "memory_bytes",
    "memory_limit_bytes",
    "cpu_milli",
    "cpu_limit_milli",
    "rps",
    "connected_at",
    "heard_at",
    "revision",
    "took_ms",
    "revision_wanted",
    "connections",
    "uid",
    "taken_at",
    "clock_offset_ms",
    "clock_error_ms",
];

/// One line for each pod.
pub(crate) fn file(answer: &Pods) -> String {
    text(&HEADS, answer.pods.iter().map(|pod| row(pod, answer)))
}

fn row(pod: &Pod, answer: &Pods) -> Vec<CsvCell> {
    let (used, measured) = (pod.resources, pod.measured());
    vec![
        words(&pod.pod),
        words(&pod.namespace),
        words(&pod.service),
        words(&pod.node),
        name(&pod.state),
        words(&pod.version),
        CsvCell::number(measured.map(|used| used.memory_bytes)),
        CsvCell::number(used.map(|used| used.memory_limit_bytes).filter(|limit| *limit > 0)),
        CsvCell::number(measured.map(|used| used.cpu_milli)),
        CsvCell::number(used.map(|used| used.cpu_limit_milli).filter(|limit| *limit > 0)),
        rate(pod.rps),
        some(pod.connected_at.as_deref()),
        words(&pod.heard_at),
        CsvCell::number(pod.confirmed.map(|confirmed| confirmed.revision)),
        CsvCell::number(pod.confirmed.map(|confirmed| confirmed.took_ms)),
        number(pod.revision_wanted),
        CsvCell::number(used.map(|used| used.connections)),
        words(&pod.pod_uid),
        words(&answer.taken_at),
        CsvCell::number(pod.clock_offset_ms),
        CsvCell::number(pod.clock_error_ms),
    ]
}
