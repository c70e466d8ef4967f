//! Reads the machine's CPUs for the JSON of the original articles.

use std::path::Path;

use platform::cgroup::text;

use crate::resources::cpu::Cpu;
use crate::resources::parse;

/// The most CPUs listed. Every exchange in the history contains them, and some machines have hundreds.
const CPUS_MAX: usize = 4;

/// The current state of the first CPUs.
pub(super) fn now() -> Vec<Cpu> {
    listed(&text(Path::new("/proc/stat")), &text(Path::new("/proc/cpuinfo")))
}

/// Parses the CPUs. `cpuinfo` differs by architecture; a missing model or frequency becomes empty or 0.
pub(super) fn listed(stat: &str, cpuinfo: &str) -> Vec<Cpu> {
    let model = parse::cpuinfo(cpuinfo, "model name").next().unwrap_or_default();
    let mut speeds = parse::cpuinfo(cpuinfo, "cpu MHz");
    let mut speed = || speeds.next().and_then(|mhz| mhz.parse::<f64>().ok()).map_or(0, |mhz| mhz.round() as u64);
    parse::cpu_times(stat).take(CPUS_MAX).map(|times| Cpu { model: model.to_owned(), speed: speed(), times }).collect()
}
