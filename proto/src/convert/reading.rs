//! A report that is read into again and again, so that taking one off the wire asks the allocator for nothing.

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};

/// Rows that are kept for the next report: as many as a sidecar keeps endpoints apart. One takes about a kilobyte.
const SPARE_MAX: usize = 256;

/// The report that was read last, and the rows that it did not need.
#[derive(Debug)]
pub struct Reading {
    /// What was read.
    pub report: Report,
    /// The control plane's clock as the sidecar knew it when it made the report, milliseconds since the Unix epoch; 0 from
    /// an older sidecar.
    pub control_ms: u64,
    /// Rows of the report so far; those behind them are of the one before.
    rows: usize,
    spare: Vec<EndpointReport>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { report: nothing(Vec::new()), control_ms: 0, rows: 0, spare: Vec::new() }
    }
}

impl Reading {
    /// Forgets what was read, and keeps the memory that it took.
    pub(super) fn begin(&mut self) {
        self.rows = 0;
        self.control_ms = 0;
        self.report = nothing(std::mem::take(&mut self.report.endpoints));
    }

    /// A row more, with anything in it but callers and exchanges.
    pub(super) fn row(&mut self) -> &mut EndpointReport {
        if self.rows == self.report.endpoints.len() {
            self.report.endpoints.push(self.spare.pop().unwrap_or_else(unnamed));
        }
        let row = &mut self.report.endpoints[self.rows];
        self.rows += 1;
        if !row.callers.is_empty() || row.recent.capacity() > 0 {
            (row.callers, row.recent) = (Callers::default(), Vec::new());
        }
        row
    }

    /// Rows of the report so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// There are no more rows.
    pub(super) fn end_rows(&mut self) {
        let needless = self.report.endpoints.drain(self.rows..);
        self.spare.extend(needless.take(SPARE_MAX.saturating_sub(self.spare.len())));
    }
}

fn nothing(endpoints: Vec<EndpointReport>) -> Report {
    Report { seq: 0, coverage: Coverage::Change, at_ms: 0, endpoints, resources: None }
}

fn unnamed() -> EndpointReport {
    EndpointReport {
        endpoint: Endpoint::other(),
        is_file: false,
        in_flight: 0,
        seen: None,
        golden: GoldenMetrics::default(),
        callers: Callers::default(),
        recent: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_used_again_and_no_flood_of_them_is_kept() {
        let mut reading = Reading::default();
        for _ in 0..3 * SPARE_MAX {
            reading.row().recent.push(mesh::exchange::Exchange::default());
        }
        reading.end_rows();
        assert_eq!(reading.report.endpoints.len(), 3 * SPARE_MAX);
        reading.begin();
        assert!(reading.row().recent.is_empty());
        reading.end_rows();
        assert_eq!((reading.report.endpoints.len(), reading.spare.len()), (1, SPARE_MAX));
        reading.begin();
        reading.row();
        assert!(reading.row().recent.is_empty());
        reading.end_rows();
        assert_eq!((reading.report.endpoints.len(), reading.spare.len()), (2, SPARE_MAX - 1));
    }
}
