//! Annotations on charts: commands with author and reason, limit crossings, and starts of pods.

use mesh::golden::GoldenMetrics;
use serde::Serialize;

use crate::dashboard::chart::columns::Columns;
use crate::dashboard::chart::line::uprights;
use crate::dashboard::chart::threshold_crossings::{Crossing, crossings, dated, is_beginning};
use crate::dashboard::chart::{LEFT, RIGHT, heatmap, stacked};
use crate::model::audit::{AuditEntry, AuditEvent};
use crate::model::slot_outcomes::{SlotOutcome, SlotOutcomes};
use format::health::FAILING_RED;
use format::{number, time};

/// Maximum number of annotations on a chart; the newest are kept.
pub const MARKS_MAX: usize = 6;

/// Maximum number of starts of pods among them, so that a service that scales often hides no command.
const STARTS_MAX: usize = 3;

/// The longest step of a chart of one hour.
const SHORT_STEP_MS: u64 = 60_000;

/// Estimated width of a letter of a label; rather too wide.
const LETTER: f64 = 6.6;

/// An event to annotate on a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The instant, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Short text for the chart.
    pub name: String,
    /// Full text: what, who and why.
    pub words: String,
    /// The CSS kind: `off`, `on`, `bad`, `ok` or `pods`.
    pub kind: &'static str,
}

/// An annotation's label on the chart and its line in the list below, as live values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MarkCells {
    /// X coordinate of the label.
    pub x: String,
    /// Y coordinate of the label.
    pub y: String,
    /// `start` or `end`: the side of the line that the label is on.
    pub anchor: &'static str,
    /// The label.
    pub name: String,
    /// The full text.
    pub words: String,
    /// The CSS kind; empty if this annotation is unused.
    pub kind: &'static str,
    /// The instant in RFC 3339, for `<time datetime>` and the script.
    pub instant: String,
    /// The instant in UTC, for people.
    pub clock: String,
}

/// The annotation lines of both time charts, and the annotations, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// SVG path of the lines on the heatmap.
    pub on_heatmap: String,
    /// SVG path of the lines on the chart of requests by status.
    pub on_stacked: String,
    /// The annotations.
    pub each: [MarkCells; MARKS_MAX],
}

impl Marks {
    /// Collects annotations from the audit log, the starts of pods (oldest first), the last hour's outcomes and the
    /// columns before.
    pub fn of<'a>(
        columns: &Columns,
        outcomes: &SlotOutcomes,
        starts: Vec<Mark>,
        entries: impl Iterator<Item = &'a AuditEntry>,
    ) -> Self {
        let is_on_chart = |mark: &Mark| columns.x(mark.at_ms).is_some();
        let mut marks: Vec<Mark> = starts.into_iter().filter(is_on_chart).collect();
        marks.drain(..marks.len().saturating_sub(STARTS_MAX));
        marks.extend(entries.filter_map(ruled).chain(crossed(columns, outcomes)).filter(is_on_chart));
        marks.sort_by_key(|mark| mark.at_ms);
        marks.drain(..marks.len().saturating_sub(MARKS_MAX));
        let places: Vec<f64> = marks.iter().filter_map(|mark| columns.x(mark.at_ms)).collect();
        let mut each = std::array::from_fn(|_| MarkCells::default());
        let mut lines = LabelLines::default();
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

/// The X coordinate up to which each row of labels is occupied.
#[derive(Debug, Default)]
struct LabelLines([f64; MARKS_MAX]);

impl LabelLines {
    /// The highest row in which a label covers no other.
    fn room(&mut self, from: f64, to: f64) -> usize {
        let line = self.0.iter().position(|reach| *reach <= from).unwrap_or_default();
        self.0[line] = to;
        line
    }
}

fn cells(mark: &Mark, x: f64, lines: &mut LabelLines, columns: &Columns) -> MarkCells {
    // A label goes to the side of its line that has more room.
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
        instant: time::instant(mark.at_ms),
        clock: columns.moment(mark.at_ms),
    }
}

/// The annotation of an audit entry; `None` if the entry did not turn the endpoint off or on.
fn ruled(entry: &AuditEntry) -> Option<Mark> {
    let pods = match entry.about.pods.len() {
        0 => "all pods".into(),
        some => number::plural(some, "pod", "pods"),
    };
    let because = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
    let (name, words, kind) = match entry.event {
        AuditEvent::TurnedOff => (format!("off, {}", entry.by), format!("turned off on {pods} by {}{because}", entry.by), "off"),
        AuditEvent::TurnedOn => (format!("on, {}", entry.by), format!("turned on again by {}", entry.by), "on"),
        AuditEvent::Decorated => {
            (format!("decorated, {}", entry.by), format!("decorated on {pods} by {}{because}", entry.by), "off")
        }
        AuditEvent::Undecorated => {
            (format!("undecorated, {}", entry.by), format!("the decorator was removed by {}", entry.by), "on")
        }
        AuditEvent::Lapsed if !entry.about.action.is_empty() => {
            ("undecorated, expired".into(), "the decorator was removed: its rule expired".into(), "on")
        }
        AuditEvent::Lapsed => ("on, expired".into(), "turned on again: the rule expired".into(), "on"),
        AuditEvent::Pinned | AuditEvent::Unpinned | AuditEvent::Refused => return None,
    };
    Some(Mark { at_ms: entry.at_ms, name, words, kind })
}

/// Limit crossings. The last hour is judged by slots, which are the same in every window; the time before by columns.
fn crossed(columns: &Columns, outcomes: &SlotOutcomes) -> impl Iterator<Item = Mark> {
    let start_ms = |column: usize| columns.from_ms + column as u64 * columns.step_ms;
    let is_before = |(at, _): &(usize, &GoldenMetrics)| outcomes.slots.is_empty() || start_ms(at + 1) <= outcomes.from_ms;
    let before: Vec<SlotOutcome> =
        columns.golden.iter().enumerate().take_while(is_before).map(|(_, golden)| SlotOutcome::from_metrics(golden)).collect();
    let known = |crossing: &Crossing| !matches!(crossing, Crossing::Over(column) if is_beginning(&before, *column));
    let of_columns = |crossing: Crossing| match crossing {
        Crossing::Over(column) | Crossing::Under(column) => (start_ms(column), crossing),
    };
    // In windows up to an hour all columns are within the last hour, and `dated` covers them.
    let is_long = columns.step_ms > SHORT_STEP_MS;
    let before = crossings(&before, FAILING_RED).into_iter().filter(known).filter(|_| is_long).map(of_columns);
    let crossings: Vec<(u64, Crossing)> = before.chain(dated(outcomes, FAILING_RED)).collect();
    crossings.into_iter().map(|(at_ms, crossing)| mark_of(at_ms, crossing))
}

fn mark_of(at_ms: u64, crossing: Crossing) -> Mark {
    let limit = number::percent(FAILING_RED).words();
    let (name, way, kind) = match crossing {
        Crossing::Over(_) => ("5xx over limit", "rose over", "bad"),
        Crossing::Under(_) => ("5xx under limit", "fell under", "ok"),
    };
    Mark { at_ms, name: name.into(), words: format!("5xx {way} the limit of {limit}"), kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;
    use crate::dashboard::sample::{NOW_MS, golden};
    use crate::model::audit::AuditSubject;

    fn columns() -> Columns {
        let each = (0..60).map(|column| golden(100, if column < 36 { 0 } else { 9 }, 10)).collect();
        Columns { from_ms: NOW_MS - 300_000, step_ms: 5000, golden: each, to_come_ms: 0 }
    }

    /// Over the limit since column 36.
    fn outcomes() -> SlotOutcomes {
        let from_ms = NOW_MS / 10_000 * 10_000 - 3_600_000;
        let slots = (0..360).map(|slot| SlotOutcome { served: 100, failures: if slot < 348 { 0 } else { 9 } }).collect();
        SlotOutcomes { from_ms, began_ms: 0, slots }
    }

    fn entry(at_ms: u64, event: AuditEvent) -> AuditEntry {
        let status = sample::rule(&sample::snapshot().endpoints[3], &[]);
        let reason = if event == AuditEvent::TurnedOff { "<b>INC-2291</b>" } else { "" };
        AuditEntry {
            number: 1,
            at_ms,
            by: "operator".into(),
            address: None,
            event,
            rule: Some("r-118".into()),
            revision: Some(118),
            about: AuditSubject::rule(&status.rule),
            reason: reason.into(),
            note: String::new(),
        }
    }

    #[test]
    fn rules_and_limits_are_marked_in_the_order_of_time() {
        let entries = [entry(NOW_MS - 60_000, AuditEvent::TurnedOff), entry(NOW_MS - 400_000, AuditEvent::TurnedOff)];
        let marks = Marks::of(&columns(), &outcomes(), vec![], entries.iter());
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
        let entries: Vec<_> = (0..20).map(|at| entry(NOW_MS - 1000 * at, AuditEvent::Lapsed)).collect();
        let marks = Marks::of(&columns(), &outcomes(), vec![], entries.iter());
        assert_eq!(marks.each[5].clock, "14:07:41");
        assert_eq!(
            marks.each.each_ref().map(|mark| mark.y.as_str()),
            ["18", "32", "46", "60", "74", "88"],
            "no name covers another"
        );
        assert_eq!(marks.on_heatmap.matches('M').count(), MARKS_MAX);
    }

    #[test]
    fn many_starts_of_pods_hide_no_command() {
        let start =
            |ago_s: u64| Mark { at_ms: NOW_MS - ago_s * 1000, name: ago_s.to_string(), words: String::new(), kind: "pods" };
        let starts = [400, 110, 100, 90, 80].map(start).to_vec();
        let entries = [entry(NOW_MS - 60_000, AuditEvent::TurnedOff), entry(NOW_MS - 200_000, AuditEvent::TurnedOff)];
        let marks = Marks::of(&columns(), &outcomes(), starts, entries.iter());
        let kinds = marks.each.each_ref().map(|mark| (mark.kind, mark.name.as_str()));
        let (off, over) = (("off", "off, operator"), ("bad", "5xx over limit"));
        assert_eq!(kinds, [off, over, ("pods", "100"), ("pods", "90"), ("pods", "80"), off], "the newest, in the order of time");
    }
}
