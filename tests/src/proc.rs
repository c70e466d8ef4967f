//! Reads memory use and open descriptors of a process from `/proc`, and limits its descriptors.

use std::fs;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// The peak resident memory of the process in KiB.
#[track_caller]
pub fn peak_kib(pid: u32) -> u64 {
    kib(pid, "VmHWM:")
}

/// The current resident memory of the process in KiB.
#[track_caller]
pub fn resident_kib(pid: u32) -> u64 {
    kib(pid, "VmRSS:")
}

#[track_caller]
fn kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is running");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux reports this of a process");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number of kB")
}

/// The number of open descriptors of a process.
pub fn open_descriptors(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).context("the process is running")?.count())
}

/// Raises the limit of this process and its children to the hard limit, and returns it.
pub fn raise_descriptor_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the soft limit may be raised to the hard one");
    maximum.unwrap_or(u64::MAX)
}

/// Limits the descriptor numbers of a running process to below `count`. Returns the limit before.
pub fn limit_descriptors(pid: u32, count: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(pid as i32).expect("it is the id of a process");
    let maximum = getrlimit(Resource::Nofile).maximum;
    let before = prlimit(Some(pid), Resource::Nofile, Rlimit { current: count, maximum }).expect("it is a process of ours");
    before.current
}
