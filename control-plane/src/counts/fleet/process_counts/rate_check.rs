//! Refuses reports that count more than a CPU and a network card can do in the time that they cover.

use mesh::report::{Coverage, Report};

/// Limit of requests in a millisecond. To parse one head takes about 230 ns, so 23 cores at full
/// load parse as many. A sidecar has two workers unless it is configured otherwise, and 64 at most.
const HITS_PER_MS_MAX: u64 = 100_000;

/// Limit of body bytes in a millisecond: a network card of 400 Gbit/s receives and sends as many.
const BYTES_PER_MS_MAX: u64 = 2 * 50_000_000;

/// How much longer than the real time the time of a report may be: a busy stream delays reports,
/// and the next one then comes at once.
const LATE_MS_MAX: u64 = 10_000;

/// When a report arrived, and how old its process was.
#[derive(Debug, Clone, Copy)]
pub struct ReportArrival {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// How long the process had run when it made the report, in milliseconds.
    pub age_ms: u64,
    /// The same by its own clock or by ours, whichever is more: a clock that was set back makes no
    /// process younger.
    pub life_ms: u64,
}

/// What a process has counted in its whole life.
#[derive(Debug, Default)]
pub(super) struct RateCheck {
    bytes: u64,
}

/// A report counts more than is possible in its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} {what} in {time_ms} ms are impossible: the limit is {max}")]
pub struct Implausible {
    what: &'static str,
    count: u64,
    time_ms: u64,
    max: u64,
}

impl RateCheck {
    /// Checks a report before it is counted. Requests are compared with the time since the previous
    /// report. Bytes are compared with the whole life of the process, because those of a connection
    /// that lasted for days are counted when it ends.
    pub(super) fn check(&mut self, report: &Report, arrival: ReportArrival, reported_ms: Option<u64>) -> Result<(), Implausible> {
        let (mut hits, mut bytes) = (0_u64, 0_u64);
        for row in &report.endpoints {
            hits = hits.saturating_add(row.golden.hits);
            bytes = bytes.saturating_add(row.golden.bytes_in).saturating_add(row.golden.bytes_out);
        }
        let life_ms = arrival.life_ms;
        let (time_ms, all_bytes) = match (report.coverage, reported_ms) {
            (Coverage::Change, Some(reported_ms)) => {
                (arrival.now_ms.saturating_sub(reported_ms), self.bytes.saturating_add(bytes))
            }
            // A change without a report before it is refused for that reason later.
            (Coverage::Change, None) => (life_ms, self.bytes),
            (Coverage::Snapshot, _) => (life_ms, bytes),
        };
        within("requests", hits, time_ms, HITS_PER_MS_MAX)?;
        within("bytes", all_bytes, life_ms, BYTES_PER_MS_MAX)?;
        self.bytes = all_bytes;
        Ok(())
    }
}

fn within(what: &'static str, count: u64, time_ms: u64, per_ms: u64) -> Result<(), Implausible> {
    let max = time_ms.saturating_add(LATE_MS_MAX).saturating_mul(per_ms);
    if count > max { Err(Implausible { what, count, time_ms, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use mesh::callers::Callers;
    use mesh::endpoint::Endpoint;
    use mesh::golden::GoldenMetrics;
    use mesh::report::EndpointReport;

    use super::*;

    const NOW_MS: u64 = 1_763_647_200_000;
    const DAY_MS: u64 = 86_400_000;

    fn report(coverage: Coverage, hits: u64, bytes_out: u64) -> Report {
        let mut golden = GoldenMetrics::default();
        (golden.hits, golden.bytes_out) = (hits, bytes_out);
        let endpoint = EndpointReport {
            endpoint: Endpoint::other(),
            is_file: false,
            in_flight: 0,
            seen: None,
            golden,
            callers: Callers::default(),
            recent: Vec::new(),
        };
        Report { seq: 1, coverage, at_ms: NOW_MS, endpoints: vec![endpoint], resources: None, rules: Vec::new() }
    }

    #[test]
    fn more_requests_than_a_processor_parses_are_refused() {
        let arrival = ReportArrival { now_ms: NOW_MS, age_ms: DAY_MS, life_ms: DAY_MS };
        let change = |hits| RateCheck::default().check(&report(Coverage::Change, hits, 0), arrival, Some(NOW_MS - 1000));
        assert_eq!(change(1_000_000), Ok(()));
        let refused = change(1 << 49).unwrap_err().to_string();
        assert_eq!(refused, "562949953421312 requests in 1000 ms are impossible: the limit is 1100000000");
        let snapshot = |hits| RateCheck::default().check(&report(Coverage::Snapshot, hits, 0), arrival, None);
        assert!(snapshot(1_000_000_000_000).is_ok() && snapshot(1 << 49).is_err());
    }

    #[test]
    fn bytes_of_a_connection_that_lasted_for_days_may_come_at_once() {
        let arrival = ReportArrival { now_ms: NOW_MS, age_ms: 0, life_ms: 7 * DAY_MS };
        let mut rate_check = RateCheck::default();
        let mut change = |bytes| rate_check.check(&report(Coverage::Change, 1, bytes), arrival, Some(NOW_MS - 1000));
        assert_eq!(change(10_000_000_000_000), Ok(()), "ten terabytes in a week");
        assert!(change(70_000_000_000_000_000).is_err());
    }
}
