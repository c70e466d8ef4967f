//! Measures what the container uses and may use, by the kernel's accounting of its control group.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use mesh::refusal::Refusals;
use mesh::report::Resources;
use platform::cgroup::{CpuTime, Memory, Source};
use serde::Serialize;

mod cores;
mod parse;

/// Measures again and again; processor use is what was used since the time before.
#[derive(Debug)]
pub struct Meter {
    source: Source,
    /// Pods among which what is measured is shared out.
    pods: NonZeroU32,
    before: Option<(Instant, CpuTime)>,
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
    /// Looks where this machine keeps its accounts: control groups v2, v1, or the process table.
    pub fn new() -> Self {
        Self { source: Source::found(), pods: NonZeroU32::MIN, before: None }
    }

    /// For one of so many pods in this process. Nobody accounts for each of them, so each tells an equal part of what the
    /// process uses: all of them together tell the truth, and none tells of what else is in the container.
    pub fn of_part(pods: NonZeroU32) -> Self {
        Self { source: Source::Process, pods, before: None }
    }

    /// Measures by these accounts.
    #[cfg(test)]
    fn of(source: Source) -> Self {
        Self { source, pods: NonZeroU32::MIN, before: None }
    }

    /// Thousandths of a core that this container may use; 0 if there is no limit.
    pub fn cpu_limit_milli(&self) -> u32 {
        self.source.cpu_limit_milli()
    }

    /// Measures at this instant.
    pub fn measure(&mut self, now: Instant) -> Measured {
        let pods = u64::from(self.pods.get());
        let memory = self.source.memory();
        let memory = Memory { used: memory.used / pods, ..memory };
        let cpu = self.source.cpu_time();
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
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
