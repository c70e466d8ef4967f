//! The view model of an endpoint's page: everything that changes, at one instant, as text and as live values.

use std::collections::HashMap;

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::counts::timeline::recent_minutes::RecentTotals;
use crate::dashboard::chart::annotations::Marks;
use crate::dashboard::chart::columns::{COLUMNS_MAX, Columns};
use crate::dashboard::chart::distribution::{BarCells, SpreadCells};
use crate::dashboard::chart::heatmap::HeatmapCells;
use crate::dashboard::chart::log_axis::{AxisLabelCells, NAMES_MAX};
use crate::dashboard::chart::pod_starts::pod_starts;
use crate::dashboard::chart::stacked::StackedCells;
use crate::dashboard::chart::ticks::{TICKS_MAX, TickCells, ticks};
use crate::dashboard::chart::{distribution, heatmap, stacked};
use crate::dashboard::comparison;
use crate::dashboard::endpoint::callers::CallersTable;
use crate::dashboard::endpoint::numbers::Numbers;
use crate::dashboard::endpoint::past;
use crate::dashboard::endpoint::past::PastEntryCells;
use crate::dashboard::endpoint::pods::Copies;
use crate::dashboard::endpoint::responses::{Facts, ResponseCells, responses};
use crate::dashboard::endpoint::versions::Versions;
use crate::dashboard::live_values::Cells;
use crate::dashboard::notices::strip;
use crate::dashboard::notices::strip::NoticeStrip;
use crate::dashboard::progress::RuleProgress;
use crate::dashboard::root::Root;
use crate::dashboard::row::OverviewRow;
use crate::dashboard::zone::Zone;
use crate::history::request::RememberedExchange;
use crate::model::audit::AuditEntry;
use crate::model::switch::Switch;
use crate::query::callers::CalledBy;
use crate::query::snapshot::{EndpointRow, PodRow, Snapshot};
use format::{number, time};

/// The inputs of the view model.
#[derive(Debug)]
pub struct ViewSource<'a> {
    /// The endpoint.
    pub row: &'a EndpointRow,
    /// The snapshot of the mesh.
    pub snapshot: &'a Snapshot,
    /// Its counts over time.
    pub columns: &'a Columns,
    /// The recent counts of each of its pods.
    pub lately: &'a HashMap<String, RecentTotals>,
    /// Its callers.
    pub called_by: &'a CalledBy,
    /// The audit entries about it, newest first.
    pub entries: &'a [&'a AuditEntry],
    /// The failures that its pods pushed.
    pub reported: &'a [RememberedExchange],
    /// The split that covers it.
    pub versions: Versions,
    /// The reader's time zone.
    pub zone: &'a Zone,
}

/// The contents of the page.
#[derive(Debug)]
pub struct EndpointView {
    /// Its overview row, with the switch.
    pub row: OverviewRow,
    /// The tiles and pills.
    pub numbers: Numbers,
    /// The texts around them.
    pub words: Words,
    /// The notices about its service.
    pub strip: NoticeStrip,
    /// The rule in force.
    pub rule: RuleCells,
    /// The sides of a split.
    pub versions: Versions,
    /// The latency heatmap.
    pub heatmap: HeatmapCells,
    /// The axis of the heatmap.
    pub octaves: [AxisLabelCells; NAMES_MAX],
    /// The chart of requests by status.
    pub stacked: StackedCells,
    /// The time axis of both charts.
    pub ticks: [TickCells; TICKS_MAX],
    /// The annotations of both charts.
    pub marks: Marks,
    /// Both charts as a table, newest first.
    pub steps: Vec<StepCells>,
    /// The latency distribution.
    pub spread: SpreadCells,
    /// The distribution as a table.
    pub bars: [BarCells; distribution::ROWS_MAX],
    /// The responses by status.
    pub responses: [ResponseCells; crate::dashboard::endpoint::responses::SHOWN_MAX],
    /// Further facts about the window.
    pub facts: Facts,
    /// The pods.
    pub copies: Copies,
    /// The callers.
    pub callers: CallersTable,
    /// The newest audit entries.
    pub past: [PastEntryCells; past::SHOWN_MAX],
}

/// Texts that change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Words {
    /// The line below the title.
    pub sub: String,
    /// The comparison with the window before.
    pub versus: String,
    /// How often the endpoint was switched off.
    pub switched: String,
    /// The length of a column of the charts.
    pub step: String,
    /// The note on pods that are not shown.
    pub more_pods: String,
    /// SVG path of the annotation lines on the heatmap.
    pub marks_heatmap: String,
    /// SVG path of the annotation lines on the chart of requests by status.
    pub marks_stacked: String,
    /// Message if the charts are empty.
    pub empty: &'static str,
}

/// The rule that is in force on the endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleCells {
    /// `rule`; empty if there is none.
    pub kind: &'static str,
    /// The rule's id.
    pub id: String,
    /// Its progress.
    pub title: String,
    /// Who created it, and when.
    pub about: String,
    /// The reason given.
    pub reason: String,
    /// What happens next.
    pub next: String,
}

/// One column of the charts as a table row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StepCells {
    /// `step`; empty if the row is unused.
    pub kind: &'static str,
    /// Start of the column, UTC.
    pub clock: String,
    /// Start of the column in RFC 3339.
    pub instant: String,
    /// Number of requests.
    pub hits: String,
    /// Number of failures.
    pub failures: String,
    /// The median.
    pub p50: String,
    /// The 95th percentile.
    pub p95: String,
    /// The 99th percentile.
    pub p99: String,
}

impl EndpointView {
    /// Builds the view model.
    pub fn at(sight: &ViewSource<'_>) -> Self {
        let ViewSource { row, snapshot, columns, .. } = *sight;
        let is_of_service = |pod: &&PodRow| (&pod.workload.namespace, &pod.workload.service) == (&row.namespace, &row.service);
        let starts = pod_starts(snapshot.pods.iter().filter(is_of_service), row.first_seen_ms);
        let marks = Marks::of(columns, &row.outcomes, starts, sight.entries.iter().copied());
        let (heatmap, octaves) = heatmap::heatmap(columns, sight.zone);
        let (spread, bars) = distribution::spread(&row.now);
        let copies = Copies::of(row, snapshot, sight.lately);
        Self {
            row: OverviewRow::of(row, snapshot.taken_ms),
            numbers: Numbers::of(row, snapshot, columns, sight.zone),
            words: Words::of(sight, &marks, &copies),
            strip: strip::of_service(snapshot, (&row.namespace, &row.service), Root::ABOVE),
            rule: RuleCells::of(&row.switch, snapshot.taken_ms, sight.zone),
            versions: sight.versions.clone(),
            heatmap,
            octaves,
            stacked: stacked::stacked(columns, sight.zone),
            ticks: ticks(columns),
            marks,
            steps: steps(columns),
            spread,
            bars,
            responses: responses(row),
            facts: Facts::of(row, sight.reported, sight.zone),
            copies,
            callers: CallersTable::of(sight.called_by, row.rps, snapshot.taken_ms),
            past: past::rows(sight.entries.iter().copied(), sight.zone),
        }
    }

    /// The view model as live values by key.
    pub fn cells(&self) -> Cells {
        let mut cells = Cells::default();
        cells.show(self.row.id.clone(), &self.row.cells);
        cells.show("numbers", &self.numbers);
        cells.show("words", &self.words);
        cells.show("rule", &self.rule);
        cells.show("split", &self.versions.card);
        cells.show("heatmap", &self.heatmap);
        cells.show("stacked", &self.stacked);
        cells.show("spread", &self.spread);
        cells.show("facts", &self.facts);
        cells.show_each("notice", &self.strip);
        cells.show_each("side", &self.versions.sides);
        cells.show_each("octave", &self.octaves);
        cells.show_each("tick", &self.ticks);
        cells.show_each("mark", &self.marks.each);
        cells.show_each("step", &self.steps);
        cells.show_each("bar", &self.bars);
        cells.show_each("response", &self.responses);
        cells.show_each("pod", &self.copies.each);
        cells.show("callers", &self.callers.rest);
        cells.show_each("caller", &self.callers.each);
        cells.show_each("entry", &self.past);
        cells
    }
}

impl Words {
    fn of(sight: &ViewSource<'_>, marks: &Marks, copies: &Copies) -> Self {
        let row = sight.row;
        let first = row
            .first_seen_ms
            .map_or_else(|| "never called".to_owned(), |first_ms| format!("first seen {}", sight.zone.moment(first_ms)));
        let is_empty = sight.columns.golden.iter().all(GoldenMetrics::is_empty);
        Self {
            sub: format!("on {}, {first}", number::plural(row.pods.len(), "pod", "pods")),
            versus: comparison::sentence(&row.now, &row.before, sight.snapshot),
            switched: past::switched(sight.entries.iter().copied(), sight.snapshot.taken_ms),
            step: format!("requests per {}, by response time", time::span(sight.columns.step_ms)),
            more_pods: copies.more.clone(),
            marks_heatmap: marks.on_heatmap.clone(),
            marks_stacked: marks.on_stacked.clone(),
            empty: if is_empty { "No requests in this range." } else { "" },
        }
    }
}

impl RuleCells {
    fn of(switch: &Switch, now_ms: u64, zone: &Zone) -> Self {
        let Some(status) = switch.rule() else { return Self::default() };
        let progress = RuleProgress::of(status, now_ms, zone);
        Self {
            kind: "rule",
            id: progress.rule,
            title: progress.title,
            about: format!("{} {}", progress.count, progress.about),
            reason: progress.reason,
            next: progress.next,
        }
    }
}

fn steps(columns: &Columns) -> Vec<StepCells> {
    let step = |(at, golden): (usize, &GoldenMetrics)| {
        let at_ms = columns.from_ms + at as u64 * columns.step_ms;
        let quantile = |q: f64| number::latency(golden.quantile_us(q)).words();
        StepCells {
            kind: "step",
            clock: columns.moment(at_ms),
            instant: time::instant(at_ms),
            hits: number::count(golden.hits),
            failures: number::count(golden.failures()),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    };
    let mut steps: Vec<StepCells> = columns.golden.iter().enumerate().rev().map(step).collect();
    steps.resize_with(COLUMNS_MAX as usize, StepCells::default);
    steps
}
