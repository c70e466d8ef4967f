//! Sends HTTP/2 requests with `h2load`, and reads from its summary how many were answered.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::load::LoadResult;
use crate::nghttpd::FILE;
use crate::programs::find;

/// The program.
pub const PROGRAM: &str = "h2load";
/// How to install it.
pub const HINT: &str = "apt-get install nghttp2-client";

/// A load.
#[derive(Debug, Clone, Copy)]
pub struct Http2Load {
    /// Concurrent connections.
    pub clients: usize,
    /// Concurrent requests on each of them.
    pub streams: usize,
}

/// Runs the load against an address for this time.
/// Latencies are not known: `h2load` writes them with a system call for each request, which slows the load down.
pub async fn run(address: SocketAddr, load: Http2Load, time: Duration) -> anyhow::Result<LoadResult> {
    let output = Command::new(find(PROGRAM).context("find h2load")?)
        .args(["-c", &load.clients.to_string(), "-m", &load.streams.to_string()])
        .args(["-D", &format!("{}ms", time.as_millis())])
        .arg(format!("http://{address}/{FILE}?full=1"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("run h2load")?;
    ensure!(output.status.success(), "h2load: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    Ok(LoadResult { requests: answered(&String::from_utf8_lossy(&output.stdout))?, latencies_us: Vec::new() })
}

/// The answered requests. Those under way when the time was over are not counted; any other without
/// a 2xx or 3xx makes this fail.
fn answered(summary: &str) -> anyhow::Result<u64> {
    let line = |name: &str| summary.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let requests = line("requests:").context("h2load has printed no line of its requests")?;
    let count = |what: &str| {
        let number = requests.split(',').find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok());
        number.with_context(|| format!("h2load has not printed how many requests {what}: {requests}"))
    };
    let failures = count("failed")? + count("errored")? + count("timeout")?;
    let statuses = line("status codes:").unwrap_or("not printed");
    ensure!(failures == 0, "{failures} requests failed in h2load ({requests}; status codes: {statuses})");
    let succeeded = count("succeeded")?;
    ensure!(succeeded > 0, "no request of h2load was answered ({requests})");
    Ok(succeeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_tells_how_many_requests_were_answered() {
        let summary = "finished in 500.98ms, 226944.00 req/s, 27.70MB/s\n\
                       requests: 113472 total, 113600 started, 113472 done, 113472 succeeded, 0 failed, 0 errored, 0 timeout\n\
                       status codes: 113472 2xx, 0 3xx, 0 4xx, 0 5xx\n";

        assert_eq!(answered(summary).unwrap(), 113_472);
    }

    #[test]
    fn a_failed_request_fails_the_run() {
        let summary = "requests: 100 total, 164 started, 99 done, 98 succeeded, 1 failed, 1 errored, 0 timeout\n\
                       status codes: 98 2xx, 0 3xx, 0 4xx, 1 5xx\n";

        let error = answered(summary).unwrap_err().to_string();

        assert!(error.starts_with("2 requests failed in h2load (100 total"), "{error}");
        assert!(error.ends_with("98 2xx, 0 3xx, 0 4xx, 1 5xx)"), "{error}");
    }

    #[test]
    fn a_proxy_that_does_not_listen_fails_the_run() {
        let summary = "requests: 0 total, 0 started, 0 done, 0 succeeded, 0 failed, 0 errored, 0 timeout\n";

        assert!(answered(summary).is_err(), "h2load itself ends with success");
        assert!(answered("").is_err());
    }
}
