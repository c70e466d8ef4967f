//! Measures the pod's CPU and memory use and limits, from its control group or its service's processes.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mesh::refusal::Refusals;
use mesh::report::Resources;
use platform::cgroup::{CpuTime, Memory, Source};
use serde::Serialize;

use crate::resources::accounts::Accounts;
use crate::resources::cpu::Cpu;
use crate::resources::service_signs::SignWatch;

mod accounts;
mod cores;
pub mod cpu;
mod parse;
mod service;
mod service_signs;

/// Measurements between two searches for the data source. A service may start after its sidecar, and
/// another sidecar may join the same control group. One search reads a few files of each process.
const LOOK_EVERY: u32 = 10;

/// Measures repeatedly. CPU use is the difference from the previous measurement.
#[derive(Debug)]
pub struct Meter {
    accounts: Accounts,
    /// The number of pods among which the measured values are divided.
    pods: NonZeroU32,
    before: Option<(Instant, CpuTime)>,
    /// The search to repeat; `None` if the source never changes.
    search: Option<CgroupSearch>,
    signs: SignWatch,
}

/// The repeated search for the data source of a pod.
#[derive(Debug)]
struct CgroupSearch {
    /// The service's port, if known.
    service: Option<u16>,
    /// Measurements since the last search.
    measured: u32,
}

/// The result of one measurement, for the control plane and for the legacy stats.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// For reports. `connections` is 0, because the kernel does not count them here.
    pub resources: Resources,
    /// For the JSON of the original articles. All exchanges that end before the next measurement share it.
    pub machine: Arc<Machine>,
}

/// The `resource` object of the original articles: the container's memory and the machine's CPUs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Machine {
    /// Bytes left below the limit.
    pub free_memory: u64,
    /// The container's limit in bytes, or the machine's memory if there is no limit.
    pub total_memory: u64,
    /// The first few CPUs.
    pub cpus: Vec<Cpu>,
}

impl Meter {
    /// A meter for a pod whose service is unknown. It uses the pod's own control group, or measures nothing.
    pub fn new() -> Self {
        Self::for_service(None)
    }

    /// A meter for a pod whose service listens on this local port. It uses the pod's own control group, or
    /// the processes of the service.
    pub fn for_service(service: Option<u16>) -> Self {
        let search = Some(CgroupSearch { service, measured: 0 });
        let signs = SignWatch::new(Path::new("/proc"), service);
        Self { accounts: Accounts::found(service), pods: NonZeroU32::MIN, before: None, search, signs }
    }

    /// A meter for one of several pods in this process. The kernel does not account for each pod, so each
    /// reports an equal part of the process. The sum is correct, and excludes other processes of the
    /// container.
    pub fn shared(pods: NonZeroU32) -> Self {
        Self { pods, ..Self::fixed(Source::Process) }
    }

    /// A meter that always uses this source.
    fn fixed(source: Source) -> Self {
        let signs = SignWatch::new(Path::new("/proc"), None);
        Self { accounts: Accounts::Kernel(source), pods: NonZeroU32::MIN, before: None, search: None, signs }
    }

    /// The CPU limit of this container in thousandths of a core; 0 if there is none.
    pub fn cpu_limit_milli(&self) -> u32 {
        self.accounts.cpu_limit_milli()
    }

    /// Measures at the instant `now`.
    pub fn measure(&mut self, now: Instant) -> Measured {
        self.look_again();
        let pods = u64::from(self.pods.get());
        let memory = self.accounts.memory();
        let memory = Memory { used: memory.used / pods, ..memory };
        let cpu = self.accounts.cpu_time();
        let cpu = CpuTime { used_us: cpu.used_us / pods, ..cpu };
        let (cpu_milli, throttled_milli) = self.before.map_or((0, 0), |(then, before)| {
            let elapsed_us = now.saturating_duration_since(then).as_micros().max(1) as u64;
            let milli = |us: u64, us_before: u64| (us.saturating_sub(us_before).saturating_mul(1000) / elapsed_us) as u32;
            (milli(cpu.used_us, before.used_us), milli(cpu.throttled_us, before.throttled_us))
        });
        self.before = Some((now, cpu));

        let resources = Resources {
            memory_bytes: memory.used,
            memory_limit_bytes: memory.limit,
            cpu_milli,
            cpu_limit_milli: self.cpu_limit_milli(),
            throttled_milli,
            connections: 0,
            refused: Refusals::default(),
            service: self.signs.look(self.accounts.oom_kills(), now),
        };
        let total_memory = if memory.limit > 0 { memory.limit } else { memory.machine };
        let free_memory = total_memory.saturating_sub(memory.used);
        Measured { resources, machine: Arc::new(Machine { free_memory, total_memory, cpus: cores::now() }) }
    }

    /// Repeats the search for the data source every few measurements.
    fn look_again(&mut self) {
        let Some(search) = &mut self.search else { return };
        search.measured += 1;
        if search.measured < LOOK_EVERY {
            return;
        }
        search.measured = 0;
        let accounts = Accounts::found(search.service);
        if accounts != self.accounts {
            // Values of another source cannot be compared with the previous ones.
            (self.accounts, self.before) = (accounts, None);
            self.signs.forget_kill_count();
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
