//! Measures what the pod uses and may use, by the kernel's accounts of its control group or of its service's processes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use mesh::refusal::Refusals;
use mesh::report::Resources;
use platform::cgroup::{CpuTime, Memory, Source};
use serde::Serialize;

use crate::resources::accounts::Accounts;

mod accounts;
mod cores;
mod parse;
mod service;

/// Measurements between two looks for the accounts: a service may start after its sidecar, and another sidecar may come
/// into the same control group. One look reads a few files of each process.
const LOOK_EVERY: u32 = 10;

/// Measures again and again; processor use is what was used since the time before.
#[derive(Debug)]
pub struct Meter {
    accounts: Accounts,
    /// Pods among which what is measured is shared out.
    pods: NonZeroU32,
    before: Option<(Instant, CpuTime)>,
    /// What to look for again; `None` where nothing changes.
    search: Option<Search>,
}

/// A search for the pod's accounts.
#[derive(Debug)]
struct Search {
    /// The port of the service, if it is known.
    service: Option<u16>,
    /// Measurements since the last look.
    measured: u32,
}

/// What one measurement found, in the words of the control plane and in those of the seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// For reports. Connections are not the kernel's to count here, and are 0.
    pub resources: Resources,
    /// For the seeds' JSON, shared by every exchange that ended while it was the newest.
    pub machine: Arc<Machine>,
}

/// The seeds' `resource` object: the container's memory, and the machine's processors.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Machine {
    /// Bytes left until the limit.
    pub free_memory: u64,
    /// The container's limit, or all there is where it has none; bytes.
    pub total_memory: u64,
    /// The first few processors.
    pub cpus: Vec<Cpu>,
}

/// One processor, as Node.js' `os.cpus()` tells of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// What it calls itself.
    pub model: String,
    /// Its pace now, in MHz.
    pub speed: u64,
    /// Where its time went since the machine started.
    pub times: CpuTimes,
}

/// Milliseconds spent since the machine started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CpuTimes {
    /// In programs.
    pub user: u64,
    /// In programs of lowered priority.
    pub nice: u64,
    /// In the kernel.
    pub sys: u64,
    /// Doing nothing.
    pub idle: u64,
}

impl Meter {
    /// Looks for the accounts of a pod without a known service: its own control group, or none.
    pub fn new() -> Self {
        Self::beside(None)
    }

    /// The same for a pod whose service listens on this port of the machine: its own control group, or the processes of the
    /// service.
    pub fn beside(service: Option<u16>) -> Self {
        let search = Some(Search { service, measured: 0 });
        Self { accounts: Accounts::found(service), pods: NonZeroU32::MIN, before: None, search }
    }

    /// For one of so many pods in this process. The kernel does not account for each of them, so each reports an equal part of
    /// what the process uses: their sum is right, and none reports what else is in the container.
    pub fn of_part(pods: NonZeroU32) -> Self {
        Self { pods, ..Self::of(Source::Process) }
    }

    /// Measures by these accounts, whatever changes.
    fn of(source: Source) -> Self {
        Self { accounts: Accounts::Kernel(source), pods: NonZeroU32::MIN, before: None, search: None }
    }

    /// Thousandths of a core that this container may use; 0 if there is no limit.
    pub fn cpu_limit_milli(&self) -> u32 {
        self.accounts.cpu_limit_milli()
    }

    /// Measures at this instant.
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
        };
        let total_memory = if memory.limit > 0 { memory.limit } else { memory.machine };
        let free_memory = total_memory.saturating_sub(memory.used);
        Measured { resources, machine: Arc::new(Machine { free_memory, total_memory, cpus: cores::now() }) }
    }

    /// Looks for the accounts again, every few measurements.
    fn look_again(&mut self) {
        let Some(search) = &mut self.search else { return };
        search.measured += 1;
        if search.measured < LOOK_EVERY {
            return;
        }
        search.measured = 0;
        let accounts = Accounts::found(search.service);
        if accounts != self.accounts {
            // Other processes have other accounts: nothing to compare with.
            (self.accounts, self.before) = (accounts, None);
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
