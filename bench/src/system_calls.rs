//! Counts the system calls of a proxy per exchange, with `strace` if it is installed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::contenders::Contender;
use crate::programs::find;
use crate::traffic::Traffic;

/// How long to count. A proxy is slow under `strace`, but makes the same calls.
const TIME: Duration = Duration::from_secs(1);

/// System calls per exchange, by purpose.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SystemCalls {
    /// Reads from sockets.
    pub reads: f64,
    /// Writes to sockets.
    pub writes: f64,
    /// Waits for events.
    pub waits: f64,
    /// All others.
    pub others: f64,
    /// All calls by name, as totals over `exchanges`.
    pub by_name: BTreeMap<String, u64>,
    /// Exchanges carried while counting.
    pub exchanges: u64,
}

/// Sends traffic through a proxy and counts. `None` if `strace` is not installed, or may not attach.
pub async fn count(contender: &Contender, traffic: Traffic, folder: &Path) -> anyhow::Result<Option<SystemCalls>> {
    let Some(strace) = find("strace") else { return Ok(None) };
    let file = folder.join("strace.txt");
    let process = contender.proxy.id().to_string();
    let mut tracer = Command::new(strace)
        .args(["-f", "-c", "-U", "name,calls", "-p", &process, "-o"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .context("start strace")?;
    if !wait_for_attach(&mut tracer)? {
        tracer.wait()?;
        return Ok(None);
    }
    let outcome = traffic.run(contender.address, TIME).await;
    let id = Pid::from_child(&tracer);
    kill_process(id, Signal::INT).context("end strace")?;
    tracer.wait()?;
    let summary = std::fs::read_to_string(&file).context("read what strace has counted")?;
    let requests = outcome?.requests;
    ensure!(requests > 0, "nothing went through the proxy under strace");
    Ok(Some(sort(&summary, requests)))
}

/// Whether `strace` has attached: its first line reports either that or an error.
fn wait_for_attach(tracer: &mut Child) -> anyhow::Result<bool> {
    let said = tracer.stderr.take().context("strace has no voice")?;
    let first = BufReader::new(said).lines().next().transpose()?;
    Ok(first.is_some_and(|line| line.contains("attached")))
}

fn sort(summary: &str, exchanges: u64) -> SystemCalls {
    let mut calls = SystemCalls { exchanges, ..SystemCalls::default() };
    for line in summary.lines() {
        let mut columns = line.split_whitespace();
        let (Some(name), Some(Ok(count))) = (columns.next(), columns.next().map(str::parse::<u64>)) else { continue };
        if name == "total" {
            continue;
        }
        let each = count as f64 / exchanges as f64;
        match name {
            "read" | "readv" | "recvfrom" | "recvmsg" => calls.reads += each,
            "write" | "writev" | "sendto" | "sendmsg" => calls.writes += each,
            "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "poll" | "select" => calls.waits += each,
            _ => calls.others += each,
        }
        calls.by_name.insert(name.to_owned(), count);
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_sorted_by_purpose() {
        let summary = "syscall              calls\n---------------- ---------\nsendto                 200\nrecvfrom               220\n\
                       epoll_wait              10\naccept4                  1\n---------------- ---------\ntotal                  431\n";

        let calls = sort(summary, 100);

        assert_eq!((calls.reads, calls.writes, calls.waits, calls.others), (2.2, 2.0, 0.1, 0.01));
        assert_eq!(calls.by_name.values().sum::<u64>(), 431, "each is counted once, and the total is none of them");
    }
}
