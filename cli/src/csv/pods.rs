//! The pods as CSV.

use api::pods::{Pod, Pods};
use format::column::{Column, PodColumn};
use format::csv::{CsvCell, table};

use crate::csv::{name, number, rate, some, words};

/// One line for each pod.
pub(crate) fn file(answer: &Pods) -> String {
    table(PodColumn::ALL, &answer.pods, |pod, column| cell(pod, answer, column))
}

fn cell(pod: &Pod, answer: &Pods, column: PodColumn) -> CsvCell {
    let (used, measured) = (pod.resources, pod.measured());
    match column {
        PodColumn::Pod => words(&pod.pod),
        PodColumn::Namespace => words(&pod.namespace),
        PodColumn::Service => words(&pod.service),
        PodColumn::Node => words(&pod.node),
        PodColumn::State => name(&pod.state),
        PodColumn::Version => words(&pod.version),
        PodColumn::Memory => CsvCell::number(measured.map(|used| used.memory_bytes)),
        PodColumn::MemoryLimit => CsvCell::number(used.map(|used| used.memory_limit_bytes).filter(|limit| *limit > 0)),
        PodColumn::Cpu => CsvCell::number(measured.map(|used| used.cpu_milli)),
        PodColumn::CpuLimit => CsvCell::number(used.map(|used| used.cpu_limit_milli).filter(|limit| *limit > 0)),
        PodColumn::Rps => rate(pod.rps),
        PodColumn::ConnectedAt => some(pod.connected_at.as_deref()),
        PodColumn::HeardAt => words(&pod.heard_at),
        PodColumn::Revision => CsvCell::number(pod.confirmed.map(|confirmed| confirmed.revision)),
        PodColumn::Took => CsvCell::number(pod.confirmed.map(|confirmed| confirmed.took_ms)),
        PodColumn::RevisionWanted => number(pod.revision_wanted),
        PodColumn::Connections => CsvCell::number(used.map(|used| used.connections)),
        PodColumn::Uid => words(&pod.pod_uid),
        PodColumn::TakenAt => words(&answer.taken_at),
        PodColumn::ClockOffset => CsvCell::number(pod.clock_offset_ms),
        PodColumn::ClockError => CsvCell::number(pod.clock_error_ms),
    }
}
