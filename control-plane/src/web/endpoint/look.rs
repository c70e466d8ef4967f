//! Everything that moves on an endpoint's page, taken at one instant, in words and as values by key.

use std::collections::HashMap;

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::audit::Entry;
use crate::callers::CalledBy;
use crate::history::Remembered;
use crate::snapshot::{EndpointRow, Snapshot, Switch};
use crate::timeline::lately::Recent;
use crate::web::cells::{Cells, Values};
use crate::web::change;
use crate::web::chart::columns::{COLUMNS_MAX, Columns};
use crate::web::chart::heatmap::{self, HeatmapCells};
use crate::web::chart::marks::Marks;
use crate::web::chart::octaves::{NAMES_MAX, NameCells};
use crate::web::chart::spread::{self, BarCells, SpreadCells};
use crate::web::chart::stacked::{self, StackedCells};
use crate::web::chart::ticks::{TICKS_MAX, TickCells, ticks};
use crate::web::endpoint::callers::Callers;
use crate::web::endpoint::copies::Copies;
use crate::web::endpoint::numbers::Numbers;
use crate::web::endpoint::past::{self, EntryCells};
use crate::web::endpoint::responses::{Facts, ResponseCells, responses};
use crate::web::format;
use crate::web::progress::Progress;
use crate::web::row::Row;
use crate::web::zone::Zone;

/// What a look is taken at.
#[derive(Debug)]
pub struct Sight<'a> {
    /// The endpoint.
    pub row: &'a EndpointRow,
    /// The mesh around it.
    pub snapshot: &'a Snapshot,
    /// Its counts over time.
    pub columns: &'a Columns,
    /// What each of its pods did lately.
    pub lately: &'a HashMap<String, Recent>,
    /// Who has called it.
    pub called_by: &'a CalledBy,
    /// The entries of the book that are about it, newest first.
    pub entries: &'a [&'a Entry],
    /// The failures that its pods have told of.
    pub told: &'a [Remembered],
    /// Where its reader is.
    pub zone: &'a Zone,
}

/// What the page shows.
#[derive(Debug)]
pub struct Look {
    /// Its row on the overview, with its switch.
    pub row: Row,
    /// The tiles and pills.
    pub numbers: Numbers,
    /// The words around them.
    pub words: Words,
    /// The rule in force.
    pub rule: RuleCells,
    /// The latency heatmap.
    pub heatmap: HeatmapCells,
    /// Its axis.
    pub octaves: [NameCells; NAMES_MAX],
    /// Requests by status.
    pub stacked: StackedCells,
    /// The time below both.
    pub ticks: [TickCells; TICKS_MAX],
    /// What happened meanwhile.
    pub marks: Marks,
    /// Both as a table, newest first.
    pub steps: Vec<StepCells>,
    /// The distribution.
    pub spread: SpreadCells,
    /// It as a table.
    pub bars: [BarCells; spread::ROWS_MAX],
    /// The statuses.
    pub responses: [ResponseCells; super::responses::SHOWN_MAX],
    /// What else is known.
    pub facts: Facts,
    /// The pods.
    pub copies: Copies,
    /// Who has called it.
    pub callers: Callers,
    /// What was commanded of it.
    pub past: [EntryCells; past::SHOWN_MAX],
}

/// Words that change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Words {
    /// Below the title.
    pub sub: String,
    /// How it differs from the window before.
    pub versus: String,
    /// How often it was switched.
    pub switched: String,
    /// How long a column of the charts lasts.
    pub step: String,
    /// Pods that are not shown.
    pub more_pods: String,
    /// The lines of the marks on the heatmap.
    pub marks_heatmap: String,
    /// The same on the chart below it.
    pub marks_stacked: String,
    /// Where the heatmap and the chart below it are still empty, why.
    pub empty: &'static str,
}

/// The rule that is in force on the endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleCells {
    /// `rule`; empty if there is none.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// How far it is.
    pub title: String,
    /// Who has made it, when.
    pub about: String,
    /// Why.
    pub reason: String,
    /// What happens next.
    pub next: String,
}

/// One column of the charts in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StepCells {
    /// `step`; empty if there is no such row.
    pub kind: &'static str,
    /// When it began, UTC.
    pub clock: String,
    /// For machines.
    pub instant: String,
    /// Requests.
    pub hits: String,
    /// Failures.
    pub failures: String,
    /// Median.
    pub p50: String,
    /// 95 of a hundred are faster.
    pub p95: String,
    /// 99 of a hundred are faster.
    pub p99: String,
}

impl Look {
    /// What is to be seen of an endpoint.
    pub fn at(sight: &Sight<'_>) -> Self {
        let Sight { row, snapshot, columns, .. } = *sight;
        let marks = Marks::of(columns, &row.outcomes, sight.entries.iter().copied());
        let (heatmap, octaves) = heatmap::heatmap(columns, sight.zone);
        let (spread, bars) = spread::spread(&row.now);
        let copies = Copies::of(row, snapshot, sight.lately);
        Self {
            row: Row::of(row, snapshot.taken_ms),
            numbers: Numbers::of(row, snapshot, columns, sight.zone),
            words: Words::of(sight, &marks, &copies),
            rule: RuleCells::of(&row.switch, snapshot.taken_ms, sight.zone),
            heatmap,
            octaves,
            stacked: stacked::stacked(columns, sight.zone),
            ticks: ticks(columns),
            marks,
            steps: steps(columns),
            spread,
            bars,
            responses: responses(row),
            facts: Facts::of(row, sight.told, sight.zone),
            copies,
            callers: Callers::of(sight.called_by, row.rps, snapshot.taken_ms),
            past: past::rows(sight.entries.iter().copied(), sight.zone),
        }
    }

    /// The same as values by key.
    pub fn cells(&self) -> Cells {
        let mut cells = Cells::default();
        cells.insert(&self.row.id, Values::of(&self.row.cells));
        cells.insert("numbers", Values::of(&self.numbers));
        cells.insert("words", Values::of(&self.words));
        cells.insert("rule", Values::of(&self.rule));
        cells.insert("heatmap", Values::of(&self.heatmap));
        cells.insert("stacked", Values::of(&self.stacked));
        cells.insert("spread", Values::of(&self.spread));
        cells.insert("facts", Values::of(&self.facts));
        numbered(&mut cells, "octave", &self.octaves);
        numbered(&mut cells, "tick", &self.ticks);
        numbered(&mut cells, "mark", &self.marks.each);
        numbered(&mut cells, "step", &self.steps);
        numbered(&mut cells, "bar", &self.bars);
        numbered(&mut cells, "response", &self.responses);
        numbered(&mut cells, "pod", &self.copies.each);
        cells.insert("callers", Values::of(&self.callers.rest));
        numbered(&mut cells, "caller", &self.callers.each);
        numbered(&mut cells, "entry", &self.past);
        cells
    }
}

fn numbered(cells: &mut Cells, name: &str, each: &[impl Serialize]) {
    for (at, one) in each.iter().enumerate() {
        cells.insert(&format!("{name}-{at}"), Values::of(one));
    }
}

impl Words {
    fn of(sight: &Sight<'_>, marks: &Marks, copies: &Copies) -> Self {
        let row = sight.row;
        let first = row
            .first_seen_ms
            .map_or_else(|| "never called".to_owned(), |first_ms| format!("first seen {}", sight.zone.moment(first_ms)));
        let is_empty = sight.columns.golden.iter().all(GoldenMetrics::is_empty);
        Self {
            sub: format!("on {}, {first}", format::plural(row.pods.len(), "pod", "pods")),
            versus: change::sentence(&row.now, &row.before, sight.snapshot),
            switched: past::switched(sight.entries.iter().copied(), sight.snapshot.taken_ms),
            step: format!("requests per {}, by response time", format::span(sight.columns.step_ms)),
            more_pods: copies.more.clone(),
            marks_heatmap: marks.on_heatmap.clone(),
            marks_stacked: marks.on_stacked.clone(),
            empty: if is_empty { "No request in this time." } else { "" },
        }
    }
}

impl RuleCells {
    fn of(switch: &Switch, now_ms: u64, zone: &Zone) -> Self {
        let Some(status) = switch.rule() else { return Self::default() };
        let progress = Progress::of(status, now_ms, zone);
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
        let quantile = |q: f64| format::latency(golden.quantile_us(q)).words();
        StepCells {
            kind: "step",
            clock: columns.moment(at_ms),
            instant: format::instant(at_ms),
            hits: format::count(golden.hits),
            failures: format::count(golden.failures()),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    };
    let mut steps: Vec<StepCells> = columns.golden.iter().enumerate().rev().map(step).collect();
    steps.resize_with(COLUMNS_MAX as usize, StepCells::default);
    steps
}
