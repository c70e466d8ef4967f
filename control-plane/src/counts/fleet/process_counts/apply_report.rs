//! Adds the reports of a pod to its counts: a lost or repeated report changes no total.

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use mesh::endpoint::Endpoint;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::workload::Workload;

use crate::counts::fleet::process_counts::ProcessCounts;
use crate::counts::fleet::process_counts::endpoint_counts::EndpointCounts;
use crate::counts::fleet::process_counts::rate_check::{Implausible, ReportArrival};
use crate::counts::timeline::Timeline;
use crate::counts::timeline::counted_span::CountedSpan;

/// The result of adding a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absorbed {
    /// It was counted. The number is that of its new hits.
    Counted(u64),
    /// It was counted before.
    Repeated,
    /// A newer stream has superseded this one.
    Superseded,
}

/// Why a report cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Uncountable {
    /// The report before it is missing.
    #[error("report {got} arrived, but {expected} was expected: attach again and begin with a snapshot")]
    Gap {
        /// Its number.
        got: u64,
        /// The number that was expected.
        expected: u64,
    },
    /// A stream must begin with a snapshot, and this one did not.
    #[error("the stream began with a change: attach again and begin with a snapshot")]
    NoSnapshot,
    /// The memory quota has no room for it.
    #[error(
        "its counts would take {bytes} bytes; the limit is {max}, or less when other processes use much: \
         it reports too many endpoints, latencies or statuses"
    )]
    TooHeavy {
        /// Bytes that the process would take.
        bytes: usize,
        /// Bytes that one process may take.
        max: usize,
    },
    /// Its numbers contradict each other.
    #[error("the counts of {0} are impossible: {1}")]
    Contradiction(Endpoint, &'static str),
    /// It counts more than is possible in its time.
    #[error("{0}")]
    Implausible(#[from] Implausible),
}

/// The endpoint whose part of a report cannot be true, and why.
fn contradiction(row: &EndpointReport) -> Option<(&Endpoint, &'static str)> {
    let maximum = || row.golden.has_maximum_over_sum().then_some("a maximum is over its sum");
    row.golden.contradiction().or_else(maximum).map(|why| (&row.endpoint, why))
}

impl ProcessCounts {
    /// Adds what is new in a report to the timeline.
    pub(crate) fn absorb(
        &mut self,
        report: &Report,
        workload: &Workload,
        arrival: ReportArrival,
        timeline: &Timeline,
    ) -> Result<Absorbed, Uncountable> {
        if let Some((endpoint, why)) = report.endpoints.iter().find_map(contradiction) {
            return Err(Uncountable::Contradiction(endpoint.clone(), why));
        }
        self.rate_check.check(report, arrival, self.reported_ms)?;
        let too_heavy = |bytes| Uncountable::TooHeavy { bytes, max: timeline.process_quota().per_share() };
        self.memory.check(report, timeline).map_err(too_heavy)?;
        let span = CountedSpan { from_ms: self.covered_from(report, arrival), to_ms: arrival.now_ms };
        if self.reported_ms.is_none() {
            self.since_ms = span.from_ms;
        }
        let endpoints = self.aliases.rename(&report.endpoints);
        let hits = match (report.coverage, self.seq) {
            (Coverage::Snapshot, _) => self.absorb_snapshot(&endpoints, workload, span, timeline),
            (Coverage::Change, None) => return Err(Uncountable::NoSnapshot),
            (Coverage::Change, Some(seq)) if report.seq <= seq => return Ok(Absorbed::Repeated),
            (Coverage::Change, Some(seq)) if report.seq > seq + 1 => {
                return Err(Uncountable::Gap { got: report.seq, expected: seq + 1 });
            }
            (Coverage::Change, Some(_)) => self.absorb_change(&endpoints, workload, span, timeline),
        };
        self.memory.record_rules(&report.rules);
        self.seq = Some(report.seq);
        self.reported_ms = Some(arrival.now_ms);
        Ok(Absorbed::Counted(hits))
    }

    /// Start of the time that the report's new counts cover. The first snapshot of a process covers
    /// its whole life.
    fn covered_from(&self, report: &Report, arrival: ReportArrival) -> u64 {
        let resumed_ms = self.resumed_ms.filter(|resumed_ms| *resumed_ms > 0);
        match (self.reported_ms.or(resumed_ms), report.coverage) {
            (Some(known_ms), _) => known_ms.min(arrival.now_ms),
            (None, Coverage::Snapshot) => arrival.now_ms.saturating_sub(arrival.age_ms),
            (None, Coverage::Change) => arrival.now_ms,
        }
    }

    /// Adds totals. Returns the hits that are new.
    fn absorb_snapshot(
        &mut self,
        endpoints: &[EndpointReport],
        workload: &Workload,
        span: CountedSpan,
        timeline: &Timeline,
    ) -> u64 {
        // This process has not counted what the snapshot leaves out, so the table never outgrows
        // one report.
        let exact = IndexMap::with_capacity_and_hasher(endpoints.len(), RandomState::default());
        let mut before = std::mem::replace(&mut self.endpoints, exact);
        let origin = self.origin;
        let mut hits = 0;
        for row in endpoints {
            let nothing = || EndpointCounts::new(&row.endpoint, row.is_file, (workload, origin), timeline);
            let mut counted = before.swap_remove(&row.endpoint).unwrap_or_else(nothing);
            hits += counted.apply_snapshot(row, span, timeline);
            self.note_shared_series(&counted);
            self.endpoints.insert(row.endpoint.clone(), counted);
        }
        self.memory.recompute(self.endpoints.iter());
        hits
    }

    /// Adds changes. Returns their hits.
    fn absorb_change(
        &mut self,
        endpoints: &[EndpointReport],
        workload: &Workload,
        span: CountedSpan,
        timeline: &Timeline,
    ) -> u64 {
        let (mut hits, mut place, origin) = (0, 0, self.origin);
        for row in endpoints {
            if let Some((at, counted)) = self.find(&row.endpoint, place) {
                let before = counted.bytes();
                hits += counted.apply_change(row, span, timeline);
                let after = counted.bytes();
                self.memory.adjust(before, after);
                place = at + 1;
                continue;
            }
            let mut counted = EndpointCounts::new(&row.endpoint, row.is_file, (workload, origin), timeline);
            hits += counted.apply_change(row, span, timeline);
            self.memory.adjust(0, counted.bytes());
            self.note_shared_series(&counted);
            self.endpoints.insert(row.endpoint.clone(), counted);
        }
        hits
    }

    /// The counts of an endpoint, and their index. The index `first` is tried before a lookup.
    fn find(&mut self, endpoint: &Endpoint, first: usize) -> Option<(usize, &mut EndpointCounts)> {
        let is_there = self.endpoints.get_index(first).is_some_and(|(known, _)| known == endpoint);
        let place = if is_there { first } else { self.endpoints.get_index_of(endpoint)? };
        self.endpoints.get_index_mut(place).map(|(_, counted)| (place, counted))
    }
}
