//! `sitio pods`: lists the pods with their state, resource use, and confirmed rule revision.

use std::process::ExitCode;

use api::pods::{Pod, PodState};
use format::health::{CLOCK_OFFSET_WARNED_MS, is_memory_near};
use format::label::service_label;
use format::{number, time};

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::scope::Only;
use crate::show::ShowOptions;
use crate::table::column::{Cell, Column, Tone, kept, light, wide};
use crate::table::table;
use crate::{csv, moment};

/// Show every pod: whether it reports, what it uses, which rules it has confirmed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio pods
  sitio pods legacy --watch
  sitio pods -o wide")]
pub(crate) struct PodsOptions {
    #[command(flatten)]
    only: Only,
    #[command(flatten)]
    look: ShowOptions,
}

/// Prints the pods.
pub(crate) async fn run(options: PodsOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if let Some(refused) = options.look.refuse_time(options.only.service()) {
        return Ok(refused);
    }
    let client = options.look.connection.client()?;
    let none = "no pods found; set SITIO_CONTROL_PLANE on a sidecar, or start a program with `sitio run`";
    let page = async || {
        let mut answer = client.pods().await?;
        answer.pods.retain(|pod| options.only.holds(&pod.namespace, &pod.service));
        let taken_ms = moment::unix_ms(&answer.taken_at).unwrap_or_else(moment::now_ms);
        let columns = columns();
        options.look.format(
            &answer,
            |room| table(&columns, &answer.pods, none, taken_ms, room, paint),
            || csv::pods::file(&answer),
        )
    };
    options.look.show(interrupts, page).await
}

fn columns() -> [Column<Pod>; 15] {
    [
        kept(Column::words("POD", |pod, _| Cell::new(&pod.pod))),
        kept(Column::words("SERVICE", |pod, _| Cell::new(service_label(&pod.namespace, &pod.service)))),
        kept(Column::words("STATE", |pod, _| state(pod))),
        light(Column::words("VERSION", |pod, _| Cell::new(&pod.version))),
        Column::numbers("MEMORY", |pod, _| memory(pod)),
        wide(Column::numbers("LIMIT", |pod, _| limit(pod))),
        Column::numbers("CPU", |pod, _| cpu(pod)),
        wide(Column::numbers("CONNECTIONS", |pod, _| connections(pod))),
        Column::numbers("RPS", |pod, _| Cell::new(number::rate(pod.rps))),
        light(Column::numbers("CONNECTED", |pod, now_ms| Cell::new(moment::lasting(pod.connected_at.as_deref(), now_ms)))),
        Column::numbers("HEARD", |pod, now_ms| Cell::new(moment::ago(Some(&pod.heard_at), now_ms))),
        Column::numbers("RULES", |pod, _| confirmed(pod)),
        wide(Column::numbers("CLOCK", |pod, _| clock(pod))),
        wide(Column::words("NODE", |pod, _| Cell::new(if pod.node.is_empty() { number::MISSING } else { &pod.node }))),
        wide(Column::words("UID", |pod, _| Cell::new(&pod.pod_uid).toned(Tone::Muted))),
    ]
}

fn state(pod: &Pod) -> Cell {
    match &pod.state {
        PodState::Reporting if pod.claimants > 1 => Cell::new(format!("{} processes", pod.claimants)).toned(Tone::Red),
        PodState::Reporting if is_near_limit(pod) => Cell::new("near memory limit").toned(Tone::Amber),
        PodState::Reporting => Cell::new("reporting"),
        PodState::Silent => Cell::new("silent").toned(Tone::Red),
        PodState::Gone => Cell::new("gone").toned(Tone::Muted),
        PodState::Unknown(word) => Cell::new(word),
    }
}

/// Whether the pod's memory is near its limit.
pub(crate) fn is_near_limit(pod: &Pod) -> bool {
    pod.resources.is_some_and(|used| is_memory_near(used.memory_bytes, used.memory_limit_bytes))
}

fn memory(pod: &Pod) -> Cell {
    pod.measured().map_or_else(missing, |used| Cell::new(number::memory(used.memory_bytes).words()))
}

fn limit(pod: &Pod) -> Cell {
    let limit = pod.resources.map(|used| used.memory_limit_bytes).filter(|bytes| *bytes > 0);
    limit.map_or_else(missing, |bytes| Cell::new(number::memory(bytes).words()))
}

fn cpu(pod: &Pod) -> Cell {
    pod.measured().map_or_else(missing, |used| Cell::new(format!("{:.2}", used.cpu_milli as f64 / 1000.0)))
}

fn connections(pod: &Pod) -> Cell {
    pod.resources.map_or_else(missing, |used| Cell::new(number::count(used.connections)))
}

/// The confirmed revision, and the wanted one if the pod is behind.
fn confirmed(pod: &Pod) -> Cell {
    match pod.confirmed.map(|confirmed| confirmed.revision) {
        confirmed if pod.is_behind() => {
            Cell::new(format!("{} of {}", confirmed.unwrap_or(0), pod.revision_wanted)).toned(Tone::Amber)
        }
        None => missing(),
        Some(confirmed) => Cell::new(confirmed.to_string()),
    }
}

/// The offset of the pod's clock from the control plane's.
fn clock(pod: &Pod) -> Cell {
    let Some(offset_ms) = pod.clock_offset_ms else { return missing() };
    let sign = if offset_ms < 0 { '-' } else { '+' };
    let cell = Cell::new(format!("{sign}{}", time::apart(offset_ms.unsigned_abs())));
    if is_clock_wrong(pod) { cell.toned(Tone::Amber) } else { cell }
}

/// Whether the pod's clock differs enough from the control plane's to warn an operator.
pub(crate) fn is_clock_wrong(pod: &Pod) -> bool {
    pod.clock_offset_ms.is_some_and(|offset_ms| offset_ms.unsigned_abs() > CLOCK_OFFSET_WARNED_MS)
}

fn missing() -> Cell {
    Cell::new(number::MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_uid_that_two_processes_have_is_shown_instead_of_a_healthy_state() {
        assert_eq!(state(&sample::pod("a")), Cell::new("reporting"));
        let twice = Pod { claimants: 2, ..sample::pod("a") };
        assert_eq!(state(&twice), Cell::new("2 processes").toned(Tone::Red));
    }
}
