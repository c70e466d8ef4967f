//! Reads the memory use of a process from `/proc`.

use std::fs;

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
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells this of a process");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number of kB")
}
