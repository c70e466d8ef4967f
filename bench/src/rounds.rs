//! Runs each load through each contender in turn, round after round, so that a noisy moment hits all alike.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::contenders::Contender;
use crate::load::{self, Load, Reuse};

/// A load with a name.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// How it is called in the table.
    pub name: &'static str,
    /// The load.
    pub load: Load,
    /// Bytes of each answer's body.
    pub body_bytes: usize,
}

/// Everything that is run.
pub const SCENARIOS: [Scenario; 6] = [
    Scenario::new("64 connections, 100 B", 64, Reuse::Yes, None, 100),
    Scenario::new("64 connections, 10 KB", 64, Reuse::Yes, None, 10_000),
    Scenario::new("1,000 connections, 100 B", 1000, Reuse::Yes, None, 100),
    Scenario::new("a connection each, 100 B", 16, Reuse::No, None, 100),
    Scenario::new("16 connections, 1 MB", 16, Reuse::Yes, None, 1_000_000),
    Scenario::new("5,000 requests/s, 100 B", 32, Reuse::Yes, Some(5000), 100),
];

/// What one contender did in one round.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Processor time of the proxy for each request, microseconds.
    pub cpu_us: f64,
    /// Half of the requests took less, microseconds.
    pub latency_p50_us: f64,
    /// 99 of 100 requests took less, microseconds.
    pub latency_p99_us: f64,
    /// Requests a second.
    pub rate: f64,
    /// Memory resident at the end, MiB.
    pub resident_mib: f64,
}

/// All samples, by contender.
pub type Samples = BTreeMap<&'static str, Vec<Sample>>;

impl Scenario {
    const fn new(name: &'static str, connections: usize, reuse: Reuse, rate: Option<u64>, body_bytes: usize) -> Self {
        Self { name, load: Load { connections, reuse, rate }, body_bytes }
    }
}

/// Measures one scenario. The origin itself is measured too, as `direct`, for the latency that a proxy adds.
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
        if scenario.load.rate.is_some() {
            let outcome = load::run(origin, scenario.load, time, Arc::default()).await?;
            samples.entry("direct").or_default().push(sample(outcome, Duration::ZERO, time, 0.0));
        }
    }
    Ok(samples)
}

async fn measure(scenario: &Scenario, contender: &Contender, time: Duration) -> anyhow::Result<Sample> {
    // What comes first (connections, pools, pages) is not what is asked about.
    load::run(contender.address, scenario.load, time / 4, Arc::default()).await?;
    let (cpu, began) = (contender.proxy.cpu()?, Instant::now());
    let outcome = load::run(contender.address, scenario.load, time, Arc::default()).await?;
    let resident_mib = contender.proxy.resident_kib() as f64 / 1024.0;
    Ok(sample(outcome, contender.proxy.cpu()?.saturating_sub(cpu), began.elapsed(), resident_mib))
}

fn sample(mut outcome: load::Outcome, cpu: Duration, took: Duration, resident_mib: f64) -> Sample {
    outcome.latencies_us.sort_unstable();
    let at = |share: f64| {
        let last = outcome.latencies_us.len().saturating_sub(1);
        outcome.latencies_us.get((last as f64 * share) as usize).copied().map_or(0.0, f64::from)
    };
    Sample {
        cpu_us: cpu.as_secs_f64() * 1e6 / outcome.requests.max(1) as f64,
        latency_p50_us: at(0.5),
        latency_p99_us: at(0.99),
        rate: outcome.requests as f64 / took.as_secs_f64(),
        resident_mib,
    }
}
