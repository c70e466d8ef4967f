//! Processor time of a pod, used and allowed.

use serde::Serialize;

/// One CPU, in the format of Node.js' `os.cpus()`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// The model name.
    pub model: String,
    /// The current clock frequency in MHz.
    pub speed: u64,
    /// How its time was spent since the machine started.
    pub times: CpuTimes,
}

/// Milliseconds spent since the machine started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CpuTimes {
    /// In user programs.
    pub user: u64,
    /// In user programs with lowered priority.
    pub nice: u64,
    /// In the kernel.
    pub sys: u64,
    /// Idle.
    pub idle: u64,
}
