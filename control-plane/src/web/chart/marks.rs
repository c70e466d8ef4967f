//! What happened while a chart was drawn: where a rule or a limit began and ended, and by whom and why.

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::audit::{Entry, Event};
use crate::snapshot::{Outcome, Outcomes};
use crate::web::chart::columns::Columns;
use crate::web::chart::limits::{Crossing, crossings, dated, is_beginning};
use crate::web::chart::line::uprights;
use crate::web::chart::{LEFT, RIGHT, heatmap, stacked};
use crate::web::format;
use crate::web::judge::FAILING_RED;

/// Marks on a chart; of more, the newest.
pub const MARKS_MAX: usize = 6;

/// The longest step of a chart of an hour.
const SHORT_STEP_MS: u64 = 60_000;

/// The width of a letter of a name, rather too much.
const LETTER: f64 = 6.6;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// In few words, for the chart.
    pub name: String,
    /// All of it: what, who and why.
    pub words: String,
    /// `off`, `on`, `bad` or `ok`.
    pub kind: &'static str,
}

/// A mark's name on the chart, and its line in the list below.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MarkCells {
    /// Where its name stands.
    pub x: String,
    /// How high.
    pub y: String,
    /// `start` or `end`: on which side of its line.
    pub anchor: &'static str,
    /// Its name.
    pub name: String,
    /// All of it.
    pub words: String,
    /// Its kind; empty if there is no such mark.
    pub kind: &'static str,
    /// When, for machines and for the script.
    pub instant: String,
    /// When, in UTC.
    pub clock: String,
}

/// The lines on both charts over time, and the marks, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The path of the lines on the heatmap.
    pub on_heatmap: String,
    /// The path of the lines on the chart below it.
    pub on_stacked: String,
    /// Each of them.
    pub each: [MarkCells; MARKS_MAX],
}

impl Marks {
    /// What the last hour, the columns before it and the book tell.
    pub fn of<'a>(columns: &Columns, outcomes: &Outcomes, entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut marks: Vec<Mark> = entries.filter_map(ruled).chain(crossed(columns, outcomes)).collect();
        marks.retain(|mark| columns.x(mark.at_ms).is_some());
        marks.sort_by_key(|mark| mark.at_ms);
        marks.drain(..marks.len().saturating_sub(MARKS_MAX));
        let places: Vec<f64> = marks.iter().filter_map(|mark| columns.x(mark.at_ms)).collect();
        let mut each = std::array::from_fn(|_| MarkCells::default());
        let mut lines = Lines::default();
        for (at, (mark, x)) in marks.iter().zip(&places).enumerate() {
            each[at] = cells(mark, *x, &mut lines, columns);
        }
        Self {
            on_heatmap: uprights(places.iter().copied(), heatmap::TOP, heatmap::BOTTOM),
            on_stacked: uprights(places.iter().copied(), stacked::TOP, stacked::BOTTOM),
            each,
        }
    }
}

/// How far to the right names reach on each line of them.
#[derive(Debug, Default)]
struct Lines([f64; MARKS_MAX]);

impl Lines {
    /// The highest line on which a name covers no other.
    fn room(&mut self, from: f64, to: f64) -> usize {
        let line = self.0.iter().position(|reach| *reach <= from).unwrap_or_default();
        self.0[line] = to;
        line
    }
}

fn cells(mark: &Mark, x: f64, lines: &mut Lines, columns: &Columns) -> MarkCells {
    // Names stand on the side of their line where there is room.
    let is_late = x > LEFT.midpoint(RIGHT);
    let width = LETTER * mark.name.chars().count() as f64;
    let from = if is_late { x - 7.0 - width } else { x + 7.0 };
    MarkCells {
        x: format!("{:.1}", if is_late { x - 7.0 } else { x + 7.0 }),
        y: (18 + 14 * lines.room(from, from + width + LETTER)).to_string(),
        anchor: if is_late { "end" } else { "start" },
        name: mark.name.clone(),
        words: mark.words.clone(),
        kind: mark.kind,
        instant: format::instant(mark.at_ms),
        clock: columns.moment(mark.at_ms),
    }
}

/// What an entry of the book did to the endpoint, if anything.
fn ruled(entry: &Entry) -> Option<Mark> {
    let pods = match entry.about.pods.len() {
        0 => "all pods".into(),
        some => format::plural(some, "pod", "pods"),
    };
    let because = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
    let (name, words, kind) = match entry.event {
        Event::TurnedOff => (format!("off, {}", entry.by), format!("turned off on {pods} by {}{because}", entry.by), "off"),
        Event::TurnedOn => (format!("on, {}", entry.by), format!("turned on again by {}", entry.by), "on"),
        Event::Lapsed => ("on, time over".into(), "turned on again, its time was over".into(), "on"),
        Event::Pinned | Event::Unpinned | Event::Refused => return None,
    };
    Some(Mark { at_ms: entry.at_ms, name, words, kind })
}

/// Crossings of the limit: by the slots of the last hour, which are the same in every window, and by columns before that.
fn crossed(columns: &Columns, outcomes: &Outcomes) -> impl Iterator<Item = Mark> {
    let start_ms = |column: usize| columns.from_ms + column as u64 * columns.step_ms;
    let is_before = |(at, _): &(usize, &GoldenMetrics)| outcomes.slots.is_empty() || start_ms(at + 1) <= outcomes.from_ms;
    let before: Vec<Outcome> =
        columns.golden.iter().enumerate().take_while(is_before).map(|(_, golden)| Outcome::of(golden)).collect();
    let known = |crossing: &Crossing| !matches!(crossing, Crossing::Over(column) if is_beginning(&before, *column));
    let of_columns = |crossing: Crossing| match crossing {
        Crossing::Over(column) | Crossing::Under(column) => (start_ms(column), crossing),
    };
    // In windows of an hour and less, all columns are in the last hour, and have one clock with it.
    let is_long = columns.step_ms > SHORT_STEP_MS;
    let before = crossings(&before, FAILING_RED).into_iter().filter(known).filter(|_| is_long).map(of_columns);
    let crossings: Vec<(u64, Crossing)> = before.chain(dated(outcomes, FAILING_RED)).collect();
    crossings.into_iter().map(|(at_ms, crossing)| mark_of(at_ms, crossing))
}

fn mark_of(at_ms: u64, crossing: Crossing) -> Mark {
    let limit = format::percent(FAILING_RED).words();
    let (name, way, kind) = match crossing {
        Crossing::Over(_) => ("5xx over limit", "rose over", "bad"),
        Crossing::Under(_) => ("5xx under limit", "fell under", "ok"),
    };
    Mark { at_ms, name: name.into(), words: format!("5xx {way} the limit of {limit}"), kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::About;
    use crate::web::sample::{self, NOW_MS, golden};

    fn columns() -> Columns {
        let each = (0..60).map(|column| golden(100, if column < 36 { 0 } else { 9 }, 10)).collect();
        Columns { from_ms: NOW_MS - 300_000, step_ms: 5000, golden: each, to_come_ms: 0 }
    }

    /// Over the limit since the 36th column.
    fn outcomes() -> Outcomes {
        let from_ms = NOW_MS / 10_000 * 10_000 - 3_600_000;
        let slots = (0..360).map(|slot| Outcome { served: 100, failures: if slot < 348 { 0 } else { 9 } }).collect();
        Outcomes { from_ms, began_ms: 0, slots }
    }

    fn entry(at_ms: u64, event: Event) -> Entry {
        let status = sample::rule(&sample::snapshot().endpoints[3], &[]);
        let reason = if event == Event::TurnedOff { "<b>INC-2291</b>" } else { "" };
        Entry {
            number: 1,
            at_ms,
            by: "operator".into(),
            event,
            rule: Some("r-118".into()),
            revision: Some(118),
            about: About::rule(&status.rule),
            reason: reason.into(),
            note: String::new(),
        }
    }

    #[test]
    fn rules_and_limits_are_marked_in_the_order_of_time() {
        let entries = [entry(NOW_MS - 60_000, Event::TurnedOff), entry(NOW_MS - 400_000, Event::TurnedOff)];
        let marks = Marks::of(&columns(), &outcomes(), entries.iter());
        assert_eq!(marks.on_heatmap, "M488.3 6V278M638.4 6V278", "what happened before is not on the chart");
        assert_eq!(marks.on_stacked, "M488.3 4V154M638.4 4V154");
        assert_eq!((marks.each[0].name.as_str(), marks.each[0].kind), ("5xx over limit", "bad"));
        assert_eq!(marks.each[1].words, "turned off on all pods by operator: <b>INC-2291</b>");
        assert_eq!(
            (marks.each[1].y.as_str(), marks.each[1].anchor, marks.each[2].kind),
            ("18", "end", ""),
            "there is room beside it"
        );
    }

    #[test]
    fn of_too_many_the_newest_are_marked() {
        let entries: Vec<_> = (0..20).map(|at| entry(NOW_MS - 1000 * at, Event::Lapsed)).collect();
        let marks = Marks::of(&columns(), &outcomes(), entries.iter());
        assert_eq!(marks.each[5].clock, "14:07:41");
        assert_eq!(
            marks.each.each_ref().map(|mark| mark.y.as_str()),
            ["18", "32", "46", "60", "74", "88"],
            "no name covers another"
        );
        assert_eq!(marks.on_heatmap.matches('M').count(), MARKS_MAX);
    }
}
