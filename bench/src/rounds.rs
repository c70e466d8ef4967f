//! Sends each load through each proxy in turn, in several rounds, so that noise of the machine affects all of them alike.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::timeout;

use crate::contenders::Contender;
use crate::h2load::Http2Load;
use crate::load::{Load, LoadResult, Reuse};
use crate::system_calls::SystemCalls;
use crate::traffic::Traffic;

/// The usual small exchange.
pub const SMALL: &str = "64 connections, 100 B";
/// A page of usual size.
pub const TEN_KB: &str = "64 connections, 10 KB";
/// Many concurrent connections.
pub const THOUSAND: &str = "1,000 connections, 100 B";
/// Clients that do not reuse connections.
pub const EACH: &str = "a connection each, 100 B";
/// Downloads.
pub const LARGE: &str = "16 connections, 1 MB";
/// A fixed request rate instead of the maximum.
pub const PACED: &str = "5,000 requests/s, 100 B";
/// HTTP/2 as clients mean it: few connections, and many requests at once on each.
pub const HTTP2_STREAMS: &str = "HTTP/2, 8 clients × 16 streams, 100 B";
/// HTTP/2 used as HTTP/1.1 is: one request at a time on each client's connection.
pub const HTTP2_SINGLE: &str = "HTTP/2, 64 clients × 1 stream, 100 B";
/// The same, with a page of usual size.
pub const HTTP2_TEN_KB: &str = "HTTP/2, 64 clients × 1 stream, 10 KB";

/// The name of the origin where it is measured without a proxy.
pub const DIRECT: &str = "direct";

/// How much longer than planned a measurement may take before the run fails.
const PATIENCE: Duration = Duration::from_secs(15);

/// Traffic with a name.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name in the table.
    pub name: &'static str,
    /// What is sent.
    pub traffic: Traffic,
    /// Bytes of each response body.
    pub body_bytes: usize,
}

/// All scenarios.
pub const SCENARIOS: [Scenario; 9] = [
    Scenario::new(SMALL, 64, Reuse::Yes, None, 100),
    Scenario::new(TEN_KB, 64, Reuse::Yes, None, 10_000),
    Scenario::new(THOUSAND, 1000, Reuse::Yes, None, 100),
    Scenario::new(EACH, 16, Reuse::No, None, 100),
    Scenario::new(LARGE, 16, Reuse::Yes, None, 1_000_000),
    Scenario::new(PACED, 32, Reuse::Yes, Some(5000), 100),
    Scenario::http2(HTTP2_STREAMS, 8, 16, 100),
    Scenario::http2(HTTP2_SINGLE, 64, 1, 100),
    Scenario::http2(HTTP2_TEN_KB, 64, 1, 10_000),
];

/// The result of one proxy in one round.
#[derive(Debug, Clone, Copy)]
pub struct RoundSample {
    /// CPU time of the proxy per request, microseconds.
    pub cpu_us: f64,
    /// Median latency, microseconds; `None` where the load does not say.
    pub latency_p50_us: Option<f64>,
    /// 99th percentile of latency, microseconds.
    pub latency_p99_us: Option<f64>,
    /// Requests per second.
    pub rate: f64,
    /// Resident memory at the end, MiB.
    pub resident_mib: f64,
}

/// All samples by proxy; the same index in each list is the same round.
pub type Samples = BTreeMap<&'static str, Vec<RoundSample>>;

/// All results of a run.
#[derive(Debug, Default)]
pub struct Results {
    /// The scenarios with their samples.
    pub scenarios: Vec<(Scenario, Samples)>,
    /// Resident memory of each proxy before the first request, MiB.
    pub idle_mib: BTreeMap<&'static str, f64>,
    /// Size of each program, MB.
    pub program_mb: BTreeMap<&'static str, f64>,
    /// System calls, by scenario and proxy.
    pub system_calls: Vec<(&'static str, &'static str, SystemCalls)>,
    /// What was not run, and why.
    pub absent: BTreeSet<String>,
    /// The kernel's load averages before and after the run.
    pub machine_load: Vec<String>,
}

impl Results {
    /// The samples of one scenario.
    pub fn samples(&self, scenario: &str) -> Option<&Samples> {
        self.scenarios.iter().find(|(run, _)| run.name == scenario).map(|(_, samples)| samples)
    }
}

impl Scenario {
    const fn new(name: &'static str, connections: usize, reuse: Reuse, rate: Option<u64>, body_bytes: usize) -> Self {
        Self { name, traffic: Traffic::Http1(Load { connections, reuse, rate }), body_bytes }
    }

    const fn http2(name: &'static str, clients: usize, streams: usize, body_bytes: usize) -> Self {
        Self { name, traffic: Traffic::Http2(Http2Load { clients, streams }), body_bytes }
    }
}

/// Measures one scenario. The origin is also measured directly, as `direct`, to compute the latency
/// that a proxy adds.
pub async fn run(
    scenario: &Scenario,
    contenders: &[Contender],
    origin: SocketAddr,
    rounds: usize,
    time: Duration,
) -> anyhow::Result<Samples> {
    let mut samples = Samples::new();
    for _ in 0..rounds {
        for contender in contenders {
            let sample =
                measure(scenario, contender, time).await.with_context(|| format!("{}: {}", scenario.name, contender.name))?;
            samples.entry(contender.name).or_default().push(sample);
        }
        if scenario.traffic.is_paced() {
            let outcome = bounded(origin, scenario.traffic, time).await?;
            samples.entry(DIRECT).or_default().push(sample(outcome, Duration::ZERO, time, 0.0));
        }
    }
    Ok(samples)
}

async fn measure(scenario: &Scenario, contender: &Contender, time: Duration) -> anyhow::Result<RoundSample> {
    // A warm-up: the setup of connections, pools and pages is not measured.
    bounded(contender.address, scenario.traffic, time / 4).await?;
    let (cpu, began) = (contender.proxy.cpu()?, Instant::now());
    let outcome = bounded(contender.address, scenario.traffic, time).await?;
    let resident_mib = contender.proxy.resident_kib() as f64 / 1024.0;
    Ok(sample(outcome, contender.proxy.cpu()?.saturating_sub(cpu), began.elapsed(), resident_mib))
}

/// Fails if a proxy stops answering, instead of waiting for ever.
async fn bounded(address: SocketAddr, traffic: Traffic, time: Duration) -> anyhow::Result<LoadResult> {
    timeout(time + PATIENCE, traffic.run(address, time)).await.with_context(|| format!("no end after {:?}", time + PATIENCE))?
}

fn sample(mut outcome: LoadResult, cpu: Duration, took: Duration, resident_mib: f64) -> RoundSample {
    outcome.latencies_us.sort_unstable();
    let at = |share: f64| {
        let last = outcome.latencies_us.len().saturating_sub(1);
        outcome.latencies_us.get((last as f64 * share) as usize).copied().map(f64::from)
    };
    RoundSample {
        cpu_us: cpu.as_secs_f64() * 1e6 / outcome.requests.max(1) as f64,
        latency_p50_us: at(0.5),
        latency_p99_us: at(0.99),
        rate: outcome.requests as f64 / took.as_secs_f64(),
        resident_mib,
    }
}
