//! Descriptors: how many a process holds, and how many this one may.

use std::fs;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// The descriptors that a process holds.
pub fn open(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd")).context("the process is running")?.count())
}

/// Lets this process, and those that it starts, have as many as the machine allows, and tells how many that is.
pub fn raise_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the soft limit may be raised to the hard one");
    maximum.unwrap_or(u64::MAX)
}

/// Lets a process that runs open no descriptor numbered `count` or above. Returns the limit that it had.
pub fn limit(pid: u32, count: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(pid as i32).expect("it is the id of a process");
    let maximum = getrlimit(Resource::Nofile).maximum;
    let before = prlimit(Some(pid), Resource::Nofile, Rlimit { current: count, maximum }).expect("it is a process of ours");
    before.current
}
