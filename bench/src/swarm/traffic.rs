//! The traffic of a swarm's pods: the same second repeated, so that every total is known exactly.

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::refusal::Refusals;
use mesh::report::{Coverage, EndpointReport, ListenerState, Report, Resources, ServiceSigns};
use mesh::window::{Window, WindowKind, WindowRow};

/// Requests for each endpoint of each pod in one second. With 20 endpoints a pod has 400 requests a second.
const HITS: u64 = 20;

/// The resource use of each pod.
pub(super) const RESOURCES: Resources = Resources {
    memory_bytes: 64 << 20,
    memory_limit_bytes: 0,
    cpu_milli: 250,
    cpu_limit_milli: 0,
    throttled_milli: 0,
    connections: 64,
    refused: Refusals::NONE,
    service: ServiceSigns {
        listener: ListenerState::Listening,
        restarts: 0,
        since_restart_ms: 0,
        oom_kills: 0,
        since_oom_kill_ms: 0,
    },
};

/// The traffic of one pod, by endpoint.
#[derive(Debug)]
pub struct PodTraffic {
    second: Vec<(Endpoint, GoldenMetrics)>,
}

/// What a report covers.
#[derive(Debug, Clone, Copy)]
pub struct Covered {
    /// Its number on the stream.
    pub seq: u64,
    /// Whether it is a snapshot.
    pub coverage: Coverage,
    /// Seconds of traffic.
    pub seconds: u64,
    /// When it is made, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl PodTraffic {
    /// The traffic of a pod with this number of endpoints.
    pub fn of(endpoints: usize) -> Self {
        let endpoint = |number: usize| {
            let route = format!("/api/v2/resource-{}/{{id}}/detail", letters(number));
            Endpoint::named("GET", &route).expect("the route is one")
        };
        Self { second: (0..endpoints).map(|number| (endpoint(number), second(number as u64))).collect() }
    }

    /// Requests in one second, over all endpoints.
    pub fn hits(&self) -> u64 {
        self.second.iter().map(|(_, golden)| golden.hits).sum()
    }

    /// A report of this number of seconds. With zero seconds it is the report of a pod without requests.
    pub fn report(&self, covered: Covered) -> Report {
        let part = |(endpoint, golden): &(Endpoint, GoldenMetrics)| EndpointReport {
            endpoint: endpoint.clone(),
            is_file: false,
            in_flight: 1,
            seen: None,
            golden: times(golden, covered.seconds),
            callers: Callers::default(),
            recent: Vec::new(),
        };
        let active = if covered.seconds == 0 { [].iter() } else { self.second.iter() };
        Report {
            seq: covered.seq,
            coverage: covered.coverage,
            at_ms: covered.at_ms,
            endpoints: active.map(part).collect(),
            resources: Some(RESOURCES),
            rules: Vec::new(),
        }
    }
}

impl PodTraffic {
    /// A window of one slot, or a baseline up to it, with this number of seconds of traffic.
    pub fn window(&self, kind: WindowKind, slot: u64, seconds: u64) -> Window {
        let row = |(endpoint, golden): &(Endpoint, GoldenMetrics)| WindowRow {
            endpoint: endpoint.clone(),
            is_file: false,
            golden: times(golden, seconds),
            seen: None,
        };
        let active = if seconds == 0 { [].iter() } else { self.second.iter() };
        Window { id: slot, span: 1, kind, rows: active.map(row).collect() }
    }
}

/// One second of one endpoint: latencies spread over an octave or two around the endpoint's own
/// median, and one failure.
fn second(seed: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    let middle_us = 1000 + seed * 700;
    for hit in 0..HITS {
        // Multiples of a generator are spread well, and are the same in every run.
        let spread = ((seed + 1) * 7919 + hit * 104_729) % 1000;
        let took_us = middle_us * (500 + spread) / 700;
        golden.hits += 1;
        golden.time(took_us, took_us / 2);
        golden.carry(300, 2000 + spread);
        let is_failed = hit == 0;
        golden.failed += u64::from(is_failed);
        golden.add_status(if is_failed { 500 } else { 200 }, 1);
    }
    golden
}

/// Multiplies the counts, by doubling.
fn times(golden: &GoldenMetrics, mut count: u64) -> GoldenMetrics {
    if count == 1 {
        return golden.clone();
    }
    let (mut sum, mut doubled) = (GoldenMetrics::default(), golden.clone());
    while count > 0 {
        if count & 1 == 1 {
            sum.merge(&doubled);
        }
        count >>= 1;
        if count > 0 {
            let same = doubled.clone();
            doubled.merge(&same);
        }
    }
    sum
}

/// A number in letters, so that a route detector does not treat it as an id.
fn letters(number: usize) -> String {
    let letter = |digit: usize| char::from(b'a' + digit as u8);
    [letter(number / 26 % 26), letter(number % 26)].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_seconds_are_so_many_times_one_second() {
        let traffic = PodTraffic::of(3);
        let report = |seconds| traffic.report(Covered { seq: 1, coverage: Coverage::Snapshot, seconds, at_ms: 0 });
        let mut sum = GoldenMetrics::default();
        (0..7).for_each(|_| sum.merge(&report(1).endpoints[2].golden));
        assert_eq!(report(7).endpoints[2].golden, sum);
        assert_eq!(sum.hits * 3, traffic.hits() * 7);
    }
}
