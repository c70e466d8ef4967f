//! Takes a snapshot: reads every pod once, then every endpoint, so that all rows describe the same instant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::long_range::LongRange;
use crate::counts::timeline::long_range::range_cache::{COMPARED_IN_MEMORY, IN_MEMORY};
use crate::counts::timeline::series::Series;
use crate::counts::timeline::time_range::TimeRange;
use crate::model::slot_outcomes::SlotOutcomes;
use crate::model::switch::Switch;
use crate::model::traffic::SPARK_POINTS;
use crate::model::window::QueryWindow;
use crate::query::reader::Reader;
use crate::query::snapshot::pods::FleetView;
use crate::query::snapshot::switches::Switches;
use crate::query::snapshot::{EndpointRow, PodRow, Snapshot};

/// The period of rates when the window is all time.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// The period of the sparkline when the window is all time.
const SPARK_WINDOW: Duration = Duration::from_secs(300);

impl Snapshot {
    /// The mesh at `now_ms`, with the rows of these series only: a page of one endpoint pays for one. `past` is what is on
    /// disk of the window: see [`long_windows::read`](crate::query::long_windows::read).
    pub(in crate::query) fn take_of(
        reader: &Reader,
        window: QueryWindow,
        past: Option<&LongRange>,
        now_ms: u64,
        of: impl Fn(&Series) -> bool,
    ) -> Self {
        let mesh = reader.mesh();
        let rules = mesh.rules.state();
        let pods = FleetView::seen(&mesh.fleet, now_ms);
        let switches = Switches::from_rules(&rules);
        // What pods have handed over may be older than the timeline.
        let since_ms = past.map_or(u64::MAX, |past| past.since_ms).min(mesh.timeline.started_ms());
        let range = past.and_then(|past| past.range);
        let window = range.map_or(window, QueryWindow::Between);
        let stretches = Stretches::of(window, since_ms, now_ms);
        let row = |series: &Series| {
            let (serving, switch) = switches.of_endpoint(series, &pods);
            EndpointRow { pods: serving, switch, in_flight: series.in_flight(), ..stretches.row(series, past) }
        };
        let series = reader.series();
        let endpoints = series.iter().filter(|series| of(series) && series.is_shown()).map(|series| row(series)).collect();
        Self {
            taken_ms: now_ms,
            window,
            covered_s: stretches.covered_s(),
            since_ms,
            before_ms: stretches.before_ms(past),
            endpoints,
            pods: pods.into_rows(&rules, reader.namespaces()),
            notices: reader.notices().firing,
            standing: mesh.window_queue.durability(),
            store_replaced: mesh.store_replaced().map(str::to_owned),
            replicas: mesh.replicas(),
            recovery: mesh.recovery.waiting(Instant::now()),
            revision: rules.revision,
            audit_entries: reader.audit_entries(),
        }
    }
}

/// Every pod, by name.
pub(in crate::query) fn pods(reader: &Reader, now_ms: u64) -> Vec<PodRow> {
    // The rules are read first: a pod that has not confirmed at least their revision is then
    // behind.
    let rules = reader.mesh().rules.state();
    FleetView::seen(&reader.mesh().fleet, now_ms).into_rows(&rules, reader.namespaces())
}

/// The time ranges that the numbers of one snapshot cover.
#[derive(Debug, Clone, Copy)]
struct Stretches {
    window: QueryWindow,
    /// Since when anything is known.
    since_ms: u64,
    now_ms: u64,
}

impl Stretches {
    fn of(window: QueryWindow, since_ms: u64, now_ms: u64) -> Self {
        Self { window, since_ms, now_ms }
    }

    /// How many seconds of the window are known.
    fn covered_s(self) -> f64 {
        let running_s = self.now_ms.saturating_sub(self.since_ms) as f64 / 1000.0;
        match self.window {
            QueryWindow::All => running_s,
            QueryWindow::Last(window) => running_s.min(window.as_secs_f64()),
            QueryWindow::Between(range) => {
                range.to_ms.min(self.now_ms).saturating_sub(range.from_ms.max(self.since_ms)) as f64 / 1000.0
            }
        }
    }

    /// The numbers of one endpoint, without its pods and its switch.
    fn row(self, series: &Series, past: Option<&LongRange>) -> EndpointRow {
        let (now, before) = match (self.window, past) {
            (QueryWindow::All, _) => (series.totals(), GoldenMetrics::default()),
            (QueryWindow::Between(_), None) => (GoldenMetrics::default(), GoldenMetrics::default()),
            (QueryWindow::Between(_), Some(past)) => (past.window(series), past.before(series)),
            (QueryWindow::Last(window), Some(past)) if window > IN_MEMORY => (past.window(series), past.before(series)),
            (QueryWindow::Last(window), past) => {
                let before = past.map_or_else(|| self.before(series, window), |past| past.before(series));
                (series.between(TimeRange::last(window, self.now_ms)), before)
            }
        };
        let (rps, blocked_rps) = match self.window {
            QueryWindow::All => self.rates(&series.between(TimeRange::last(RATE_WINDOW, self.now_ms)), RATE_WINDOW),
            QueryWindow::Last(window) => self.rates(&now, window),
            QueryWindow::Between(_) => per_second(&now, self.covered_s()),
        };
        let has_failed = now.failures() > 0 || before.failures() > 0;
        EndpointRow {
            id: series.id.to_string(),
            namespace: series.namespace().to_owned(),
            service: series.service().to_owned(),
            endpoint: series.endpoint.clone(),
            is_file: series.is_file(),
            now,
            before,
            rps,
            blocked_rps,
            in_flight: 0,
            first_seen_ms: series.seen().map(|seen| seen.first_ms),
            last_seen_ms: series.seen().map(|seen| seen.last_ms),
            traffic: match (self.window, past) {
                (QueryWindow::Last(window), Some(past)) if window > IN_MEMORY => past.traffic(series).into(),
                (QueryWindow::Between(_), Some(past)) => past.traffic(series).into(),
                (QueryWindow::Between(_), None) => Arc::new([]),
                _ => series.traffic(self.spark(), SPARK_POINTS),
            },
            outcomes: if has_failed && !self.is_range() { series.outcomes(self.now_ms) } else { SlotOutcomes::default() },
            usual_p95_us: series.usual_p95_us(self.now_ms),
            pods: Arc::default(),
            switch: Switch::On,
        }
    }

    /// Whether the window is between two instants: the results of the last hour do not apply to it.
    fn is_range(self) -> bool {
        matches!(self.window, QueryWindow::Between(_))
    }

    /// The counts of the previous window, if the timeline knows all of it.
    fn before(self, series: &Series, window: Duration) -> GoldenMetrics {
        self.compared(window).map(|stretch| series.between(stretch)).unwrap_or_default()
    }

    /// The previous window, if all of it is in memory: half of it would only look like a change.
    fn compared(self, window: Duration) -> Option<TimeRange> {
        let stretch = TimeRange::before(window, self.now_ms);
        (window <= COMPARED_IN_MEMORY && stretch.from_ms >= self.since_ms).then_some(stretch)
    }

    /// When the previous window began, if all of it is known.
    fn before_ms(self, past: Option<&LongRange>) -> Option<u64> {
        match (self.window, past) {
            (QueryWindow::All, _) | (QueryWindow::Between(_), None) => None,
            (QueryWindow::Last(_) | QueryWindow::Between(_), Some(past)) => past.before_ms,
            (QueryWindow::Last(window), None) => self.compared(window).map(|stretch| stretch.from_ms),
        }
    }

    /// Requests per second, and those answered by a rule.
    fn rates(self, golden: &GoldenMetrics, window: Duration) -> (f64, f64) {
        // The first report of a new mesh would otherwise be a rate of thousands.
        per_second(golden, TimeRange::last(window, self.now_ms).covered_s(self.since_ms, self.now_ms))
    }

    fn spark(self) -> TimeRange {
        let window = match self.window {
            QueryWindow::All | QueryWindow::Between(_) => SPARK_WINDOW,
            QueryWindow::Last(window) => window,
        };
        let step_ms = (window.as_millis() as u64 / SPARK_POINTS as u64).max(1000);
        TimeRange::steps(step_ms, SPARK_POINTS, self.now_ms)
    }
}

/// Requests per second, and those answered by a rule.
fn per_second(golden: &GoldenMetrics, covered_s: f64) -> (f64, f64) {
    let covered_s = covered_s.max(1.0);
    (golden.hits as f64 / covered_s, golden.by_rule as f64 / covered_s)
}
