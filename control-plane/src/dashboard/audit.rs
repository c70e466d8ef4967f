//! The page of the audit log: every command with author, reason and outcome; newest first.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{Redirect, Response};
use serde::Serialize;
use std::collections::HashSet;

use crate::dashboard::audit::choice::{AuditFilter, AuditView};
use crate::dashboard::audit::row::AuditRowCells;
use crate::dashboard::frame::FrameCells;
use crate::dashboard::heading::HeadingCells;
use crate::dashboard::live_frame::LiveFrame;
use crate::dashboard::live_values::Cells;
use crate::dashboard::page::{HtmlPage, PageError, PageReader, Shell};
use crate::dashboard::query::ViewQuery;
use crate::dashboard::root::Root;
use crate::dashboard::state::DashboardState;
use crate::dashboard::zone::Zone;
use crate::model::switch::Switch;
use crate::query::reader::Reader;
use crate::query::snapshot::Snapshot;
use crate::rules::outcome::RuleOutcome;
use format::number;

pub mod choice;
pub mod file;
pub mod row;

/// Maximum number of entries on the page; a link leads to older ones.
const ENTRIES_SHOWN: usize = 200;

/// The audit log at one second, filtered by a view.
#[derive(Debug)]
pub struct AuditLogView {
    taken_ms: u64,
    frame: FrameCells,
    page: AuditPageCells,
    days: Vec<AuditDay>,
}

/// The counts and texts around the table.
#[derive(Debug, Clone, Default, Serialize)]
struct AuditPageCells {
    /// `nothing` or `rows`.
    state: &'static str,
    /// `all` if the filter excludes everything.
    filtered: &'static str,
    foot: String,
    /// The number that the next, older page ends before; empty if there is none.
    older: String,
    shows: Vec<String>,
    /// The zone of the times.
    zone: String,
}

/// The entries of one day.
#[derive(Debug)]
struct AuditDay {
    heading: HeadingCells,
    entries: Vec<AuditRowCells>,
}

impl AuditLogView {
    /// The chosen entries with the outcome of each.
    pub fn of(snapshot: &Snapshot, choice: &AuditFilter, fates: &[RuleOutcome], zone: &Zone) -> Self {
        let mut days: Vec<AuditDay> = Vec::new();
        for (entry, fate) in choice.entries.iter().zip(fates) {
            let heading = row::day(entry.at_ms, snapshot.taken_ms, zone);
            if days.last().is_none_or(|day| day.heading.id != heading.id) {
                days.push(AuditDay { heading, entries: Vec::new() });
            }
            let day = days.last_mut().expect("a day was pushed if there was none");
            day.entries.push(AuditRowCells::of(entry, fate, snapshot.taken_ms, zone));
        }
        Self {
            taken_ms: snapshot.taken_ms,
            frame: FrameCells::of("Audit log", snapshot),
            page: AuditPageCells::of(snapshot, choice, zone),
            days,
        }
    }

    /// The live frame of the page, for the stream.
    pub fn live_frame(self) -> LiveFrame {
        let mut cells = Cells::default();
        cells.show("frame", &self.frame);
        cells.show("page", &self.page);
        let mut rows = Vec::new();
        for day in self.days {
            cells.show(day.heading.id.clone(), &day.heading);
            rows.push((day.heading.id, None));
            for entry in day.entries {
                cells.show(entry.id.clone(), &entry);
                rows.push((entry.id, None));
            }
        }
        LiveFrame::of(self.taken_ms, cells, rows)
    }
}

impl AuditPageCells {
    fn of(snapshot: &Snapshot, choice: &AuditFilter, zone: &Zone) -> Self {
        let (shown, there) = (choice.entries.len(), snapshot.audit_entries);
        Self {
            state: if there == 0 { "nothing" } else { "rows" },
            filtered: if shown == 0 && there > 0 { "all" } else { "some" },
            foot: format!("Showing {} of {}", number::count(shown as u64), number::count(there)),
            older: choice.older.clone(),
            shows: choice.counts.iter().map(|count| number::count(*count as u64)).collect(),
            zone: zone.words(),
        }
    }
}

/// The audit log filtered by a view.
pub fn log_view(reader: &Reader, snapshot: &Snapshot, view: &AuditView) -> AuditLogView {
    let filter = filtered(reader, snapshot, view, ENTRIES_SHOWN);
    let fates = reader.outcomes(&filter.entries);
    AuditLogView::of(snapshot, &filter, &fates, &view.zone)
}

fn filtered(reader: &Reader, snapshot: &Snapshot, view: &AuditView, limit: usize) -> AuditFilter {
    let waiting: HashSet<&str> = snapshot.endpoints.iter().filter_map(|row| waiting(&row.switch)).collect();
    AuditFilter::of(reader.audit().iter(), view, &waiting, snapshot.taken_ms, limit)
}

/// The rule that some pods have not confirmed yet.
fn waiting(switch: &Switch) -> Option<&str> {
    match switch {
        Switch::TurningOff(status) => Some(&status.rule.id),
        _ => None,
    }
}

/// The template of the page.
#[derive(Template)]
#[template(path = "audit.html")]
pub struct AuditPage {
    shell: Shell,
    audit: AuditLogView,
    query: ViewQuery,
    people: Vec<String>,
    blank_heading: HeadingCells,
    blank: AuditRowCells,
    csv: String,
}

impl AuditPage {
    fn of(snapshot: &Snapshot, audit: AuditLogView, people: Vec<String>, query: ViewQuery, reader: PageReader) -> Self {
        let csv = query.address("audit.csv", "");
        let (blank_heading, blank) = (HeadingCells::blank(), AuditRowCells::blank());
        Self {
            shell: Shell::of("audit", "Audit log", snapshot, reader).carrying(query.span()).live(),
            audit,
            query,
            people,
            blank_heading,
            blank,
            csv,
        }
    }
}

/// `GET /audit`
pub async fn audit(Query(query): Query<ViewQuery>, zone: Zone, state: DashboardState) -> HtmlPage<AuditPage> {
    let snapshot = state.snapshot();
    let audit = log_view(&state.reader, &snapshot, &AuditView::of(query.clone(), zone));
    let people = choice::people(state.reader.audit().iter());
    HtmlPage(AuditPage::of(&snapshot, audit, people, query, PageReader::from(&*state.reader.principal)))
}

/// `GET /audit.csv`
pub async fn csv(Query(query): Query<ViewQuery>, state: DashboardState) -> Response {
    let snapshot = state.snapshot();
    let choice = filtered(&state.reader, &snapshot, &AuditView::of(query, Zone::default()), usize::MAX);
    let fates = state.reader.outcomes(&choice.entries);
    file::of(snapshot.taken_ms, choice.entries.iter().map(|entry| &**entry).zip(&fates))
}

/// `POST /rules/{id}/end`: the form for browsers without script.
pub async fn end(Path(id): Path<String>, state: DashboardState) -> Result<Redirect, Box<PageError>> {
    match state.reader.withdraw_rule(&id).await {
        Ok(_) => Ok(Redirect::to(&format!("{}audit", Root::TWO_ABOVE))),
        Err(error) => Err(PageError::command("The rule was not ended", &error)),
    }
}

#[cfg(test)]
mod tests;
