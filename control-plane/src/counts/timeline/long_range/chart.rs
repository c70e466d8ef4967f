//! A chart of any window: the sum of some series, in steps of a round length.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::long_range::retention::Retention;
use crate::counts::timeline::long_range::{add_tail, named};
use crate::counts::timeline::series::Series;
use crate::counts::timeline::{Timeline, time_range};
use crate::store::StoreError;
use crate::store::metrics_store::{MetricsStore, SlotRange, StoreView, StoredSeries};
use crate::store::rollup::Resolution;

/// The data of one chart: the sum of some series, in steps.
#[derive(Debug, Default)]
pub struct Chart {
    /// The first millisecond.
    pub from_ms: u64,
    /// The first millisecond after the end.
    pub to_ms: u64,
    /// Length of a step.
    pub step_ms: u64,
    /// When the data begins, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The steps, oldest first.
    pub points: Vec<GoldenMetrics>,
    /// The sum of all steps.
    pub whole: GoldenMetrics,
    /// The window before; `None` if that window is not completely stored.
    pub before: Option<GoldenMetrics>,
    /// The total of these series in memory when the chart was read; later counts belong to the
    /// newest step.
    pub counted: GoldenMetrics,
}

/// A request for a chart.
#[derive(Debug, Clone)]
pub struct ChartRequest {
    /// The series to add up.
    pub series: Vec<Arc<Series>>,
    /// Length of the window.
    pub window_ms: u64,
    /// End of the window; `None` for now.
    pub to_ms: Option<u64>,
    /// Whether to read the window before, too.
    pub compares: bool,
    /// Limit on the number of steps.
    pub steps_max: u64,
}

impl Chart {
    /// Reads the chart at `now_ms`: from memory if the window is short enough, otherwise from disk.
    pub fn read(
        metrics_store: &dyn MetricsStore,
        timeline: &Timeline,
        request: &ChartRequest,
        now_ms: u64,
    ) -> Result<Self, StoreError> {
        if request.to_ms.is_none() && request.window_ms <= IN_MEMORY_MS {
            return Ok(Self::recent(timeline, request, now_ms));
        }
        let mut chart = Self::default();
        metrics_store.view(&mut |view| {
            chart = Self::load(view, timeline, request, now_ms)?;
            Ok(())
        })?;
        Ok(chart)
    }

    fn recent(timeline: &Timeline, request: &ChartRequest, now_ms: u64) -> Self {
        let finest_s = if request.window_ms <= SECONDS_IN_MEMORY_MS { 1 } else { 10 };
        let mut chart = Self::empty(request.window_ms, now_ms, step_ms(request, finest_s));
        chart.since_ms = timeline.started_ms();
        let (from_ms, to_ms) = (chart.from_ms, chart.to_ms);
        let range = time_range::TimeRange { from_ms, to_ms };
        let before = time_range::TimeRange { from_ms: from_ms.saturating_sub(to_ms - from_ms), to_ms: from_ms };
        let is_known = before.from_ms >= chart.since_ms.max(now_ms.saturating_sub(IN_MEMORY_MS));
        chart.before = (request.compares && is_known).then(GoldenMetrics::default);
        for series in &request.series {
            for (point, step) in chart.points.iter_mut().zip(series.steps(range, chart.step_ms)) {
                point.merge(&step);
            }
            if let Some(sum) = &mut chart.before {
                sum.merge(&series.between(before));
            }
        }
        chart.add_up();
        chart
    }

    /// An empty chart whose last step contains `end_ms`.
    fn empty(window_ms: u64, end_ms: u64, step_ms: u64) -> Self {
        let steps = window_ms.div_ceil(step_ms).max(1);
        let to_ms = (end_ms / step_ms + 1) * step_ms;
        let from_ms = to_ms.saturating_sub(steps * step_ms);
        Self { from_ms, to_ms, step_ms, points: vec![GoldenMetrics::default(); steps as usize], ..Self::default() }
    }

    fn add_up(&mut self) {
        for point in &self.points {
            self.whole.merge(point);
        }
    }

    fn load(view: &dyn StoreView, timeline: &Timeline, request: &ChartRequest, now_ms: u64) -> Result<Self, StoreError> {
        let (kept, reach) = (view.series()?, Retention::read(view)?);
        let asked: BTreeSet<usize> = request.series.iter().map(|series| series.number).collect();
        let names = named(&kept, timeline);
        let only: BTreeSet<u32> =
            names.iter().filter(|(_, series)| asked.contains(&series.number)).map(|(number, _)| *number).collect();
        let end_ms = request.to_ms.unwrap_or(now_ms);
        let (resolution, step_ms) = steps(request, end_ms.saturating_sub(request.window_ms), reach);
        let mut chart = Self::empty(request.window_ms, end_ms, step_ms);
        chart.since_ms = reach.since_ms();
        let (from_ms, to_ms) = (chart.from_ms, chart.to_ms);
        view.each_slot(SlotRange { resolution, from_ms, to_ms }, Some(&only), &mut |slot| {
            chart.points.get_mut(((slot.from_ms - from_ms) / step_ms) as usize).map_or(Ok(()), |point| slot.add_to(point))
        })?;
        if request.to_ms.is_none() {
            chart.add_tail(&kept, &names, request);
        }
        chart.add_up();
        let before_ms = from_ms.saturating_sub(chart.to_ms - from_ms);
        if request.compares && before_ms >= chart.since_ms {
            let mut before = GoldenMetrics::default();
            for piece in reach.pieces(before_ms, from_ms) {
                view.each_slot(piece, Some(&only), &mut |slot| slot.add_to(&mut before))?;
            }
            chart.before = Some(before);
        }
        Ok(chart)
    }

    fn add_tail(&mut self, kept: &BTreeMap<u32, StoredSeries>, names: &HashMap<u32, Arc<Series>>, request: &ChartRequest) {
        let mut on_disk: HashMap<usize, GoldenMetrics> = HashMap::new();
        for (number, kept) in kept {
            on_disk.entry(names[number].number).or_default().merge(&kept.total);
        }
        let Some(newest) = self.points.last_mut() else { return };
        for series in &request.series {
            let live = series.totals();
            add_tail(newest, &live, on_disk.get(&series.number).unwrap_or(&GoldenMetrics::default()));
            self.counted.merge(&live);
        }
    }

    /// Returns the steps at a later instant, given the current total of these series in memory.
    pub fn points_by_now(&self, live: &GoldenMetrics) -> Vec<GoldenMetrics> {
        let mut points = self.points.clone();
        if let Some(newest) = points.last_mut() {
            add_tail(newest, live, &self.counted);
        }
        points
    }
}

/// How far back memory holds slots of ten seconds, and slots of one second.
const IN_MEMORY_MS: u64 = 3_600_000;
const SECONDS_IN_MEMORY_MS: u64 = 300_000;

/// Default limit on the steps of a chart: one for every few pixels.
pub const STEPS_MAX: u64 = 240;

/// Round step lengths, in seconds.
const STEPS_S: [u64; 18] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/// Returns the shortest step that shows the window within the limit, and is at least `finest_s`.
fn step_ms(request: &ChartRequest, finest_s: u64) -> u64 {
    let fits = |step_s: &u64| *step_s >= finest_s && request.window_ms.div_ceil(*step_s * 1000) <= request.steps_max;
    STEPS_S.into_iter().find(fits).unwrap_or(86_400) * 1000
}

/// Returns the slots to read for a window, and the steps to show it in.
fn steps(request: &ChartRequest, from_ms: u64, reach: Retention) -> (Resolution, u64) {
    let step_ms = step_ms(request, 10);
    // The longest slots that fit into a step, or longer ones where the shorter do not go back far
    // enough.
    let fitting = Resolution::ALL.into_iter().rfind(|resolution| resolution.step_ms() <= step_ms);
    let at_least = fitting.unwrap_or(Resolution::TenSeconds);
    let resolution = Resolution::ALL.into_iter().find(|resolution| *resolution >= at_least && reach.covers(*resolution, from_ms));
    let resolution = resolution.unwrap_or(Resolution::Hour);
    (resolution, step_ms.max(resolution.step_ms()))
}
