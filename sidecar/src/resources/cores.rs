//! Tells of the machine's processors as the seeds do.

use std::path::Path;

use platform::cgroup::text;

use crate::resources::Cpu;
use crate::resources::parse;

/// Processors told of. Every exchange in the history shows them, and machines with hundreds exist.
const CPUS_MAX: usize = 4;

/// The first few processors as they are now.
pub(super) fn now() -> Vec<Cpu> {
    listed(&text(Path::new("/proc/stat")), &text(Path::new("/proc/cpuinfo")))
}

/// `cpuinfo` differs by architecture: where it names no model or pace, these are empty and 0.
pub(super) fn listed(stat: &str, cpuinfo: &str) -> Vec<Cpu> {
    let model = parse::cpuinfo(cpuinfo, "model name").next().unwrap_or_default();
    let mut speeds = parse::cpuinfo(cpuinfo, "cpu MHz");
    let mut speed = || speeds.next().and_then(|mhz| mhz.parse::<f64>().ok()).map_or(0, |mhz| mhz.round() as u64);
    parse::cpu_times(stat).take(CPUS_MAX).map(|times| Cpu { model: model.to_owned(), speed: speed(), times }).collect()
}
