//! A proxy as a process: pinned to its core, and its cost read from the kernel's accounting.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::thread::{CpuSet, sched_setaffinity};

/// How long a program may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running proxy; ended when it is dropped.
pub struct Proxy {
    child: Child,
}

impl Proxy {
    /// Starts a command on one core.
    pub fn start(command: &mut Command, core: usize) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("start {program}"))?;
        pin(child.id(), core)?;
        Ok(Self { child })
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of all its threads and its children so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let mut total = 0;
        for process in family(self.child.id()) {
            for task in std::fs::read_dir(process.join("task"))?.flatten() {
                // A thread that ended between the two lines took its time with it, which a proxy's threads do not.
                let Ok(times) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
                total += times.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(total))
    }

    /// Processor time of its threads whose name begins so.
    pub fn cpu_of(&self, name: &str) -> anyhow::Result<Duration> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))?.flatten() {
            let is_meant = std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.starts_with(name));
            let times = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let spent = times.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
            total += if is_meant { spent } else { 0 };
        }
        Ok(Duration::from_nanos(total))
    }

    /// Memory that only it and its children hold, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let resident = |process: PathBuf| {
            let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        family(self.child.id()).into_iter().map(resident).sum()
    }

    /// Ends it as `kill -9` does, and returns when it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself; waiting is what matters.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Returns when it listens at an address.
    pub fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            anyhow::ensure!(self.is_alive(), "it ended instead of listening at {address}");
            anyhow::ensure!(Instant::now() < deadline, "it does not listen at {address} after {START_TIMEOUT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for process in family(self.child.id()).into_iter().skip(1) {
            let id = process.file_name().and_then(|name| name.to_str()?.parse().ok()).and_then(rustix::process::Pid::from_raw);
            let _ = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM));
        }
        self.kill();
    }
}

/// Binds a process and all threads it has, or will start, to one core.
pub fn pin(process: u32, core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).context("read the proxy's threads")?;
    for thread in threads.flatten() {
        let id = thread.file_name().to_str().and_then(|name| name.parse().ok()).and_then(rustix::process::Pid::from_raw);
        sched_setaffinity(id, &cores).context("pin a thread to its core")?;
    }
    Ok(())
}

/// A process and its children, as folders of /proc, itself first.
fn family(process: u32) -> Vec<PathBuf> {
    let root = PathBuf::from(format!("/proc/{process}"));
    let children = std::fs::read_to_string(root.join(format!("task/{process}/children"))).unwrap_or_default();
    let children: Vec<PathBuf> = children.split_whitespace().map(|id| PathBuf::from(format!("/proc/{id}"))).collect();
    std::iter::once(root).chain(children).collect()
}
