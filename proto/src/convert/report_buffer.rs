//! A reusable buffer for decoded reports, so that decoding does not allocate.

use mesh::callers::Callers;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};

/// Rows that are kept for the next report: as many as the endpoints of a sidecar. One takes about a kilobyte.
const SPARE_MAX: usize = 256;

/// The last decoded report, and the rows that it did not use.
#[derive(Debug)]
pub struct ReportBuffer {
    /// The decoded report.
    pub report: Report,
    /// The control plane's clock as the sidecar estimated it for the report, milliseconds since the
    /// Unix epoch; 0 from an older sidecar.
    pub control_ms: u64,
    /// Rows of the current report; the rows after them are left from the previous one.
    rows: usize,
    spare: Vec<EndpointReport>,
}

impl Default for ReportBuffer {
    fn default() -> Self {
        Self { report: nothing(Vec::new()), control_ms: 0, rows: 0, spare: Vec::new() }
    }
}

impl ReportBuffer {
    /// Clears the report and keeps its memory.
    pub(super) fn begin(&mut self) {
        self.rows = 0;
        self.control_ms = 0;
        self.report = nothing(std::mem::take(&mut self.report.endpoints));
    }

    /// Adds a row. It may contain old counts, but no callers and no exchanges.
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

    /// The number of rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Ends the rows: moves the unused ones to the spare rows.
    pub(super) fn end_rows(&mut self) {
        let needless = self.report.endpoints.drain(self.rows..);
        self.spare.extend(needless.take(SPARE_MAX.saturating_sub(self.spare.len())));
    }
}

fn nothing(endpoints: Vec<EndpointReport>) -> Report {
    Report { seq: 0, coverage: Coverage::Change, at_ms: 0, endpoints, resources: None, rules: Vec::new() }
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
        let mut reading = ReportBuffer::default();
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
