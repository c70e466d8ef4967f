//! A proxy as a child process, pinned to its core; reads its cost from the kernel's accounting.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::thread::{CpuSet, sched_setaffinity};

/// How long a program may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running proxy; killed when it is dropped.
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

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far of all its threads and its children.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let mut total = 0;
        for process in family(self.child.id()) {
            for task in std::fs::read_dir(process.join("task"))?.flatten() {
                // The time of a thread that ended just now is lost, but a proxy's threads do not end.
                let Ok(times) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
                total += times.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(total))
    }

    /// CPU time of its threads whose name begins with `name`.
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

    /// Resident memory of it and its children, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let resident = |process: PathBuf| {
            let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        family(self.child.id()).into_iter().map(resident).sum()
    }

    /// Kills it with SIGKILL and waits for its exit.
    pub fn kill(&mut self) {
        // It may have exited already; only the wait matters.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it listens on an address.
    pub fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            anyhow::ensure!(self.poll_alive(), "it ended instead of listening at {address}");
            anyhow::ensure!(Instant::now() < deadline, "it does not listen at {address} after {START_TIMEOUT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether it still runs.
    pub fn poll_alive(&mut self) -> bool {
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

/// The /proc folders of a process and its children; the process itself comes first.
fn family(process: u32) -> Vec<PathBuf> {
    let root = PathBuf::from(format!("/proc/{process}"));
    let children = std::fs::read_to_string(root.join(format!("task/{process}/children"))).unwrap_or_default();
    let children: Vec<PathBuf> = children.split_whitespace().map(|id| PathBuf::from(format!("/proc/{id}"))).collect();
    std::iter::once(root).chain(children).collect()
}
