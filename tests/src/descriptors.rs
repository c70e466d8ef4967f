//! Counts and limits the open file descriptors of processes.

use std::fs;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// The number of open descriptors of a process.
pub fn open(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).context("the process is running")?.count())
}

/// Raises the limit of this process and its children to the hard limit, and returns it.
pub fn raise_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the soft limit may be raised to the hard one");
    maximum.unwrap_or(u64::MAX)
}

/// Limits the descriptor numbers of a running process to below `count`. Returns the limit before.
pub fn limit(pid: u32, count: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(pid as i32).expect("it is the id of a process");
    let maximum = getrlimit(Resource::Nofile).maximum;
    let before = prlimit(Some(pid), Resource::Nofile, Rlimit { current: count, maximum }).expect("it is a process of ours");
    before.current
}
