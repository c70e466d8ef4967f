//! The page of the audit log: every command with author, reason and outcome; newest first.

use std::collections::HashSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use serde::Serialize;

use crate::rules::fate::Fate;
use crate::rules::state::AUDIT_AT_HAND_MAX;
use crate::snapshot::{Snapshot, Switch};
use crate::web::Web;
use crate::web::audit::choice::Choice;
use crate::web::audit::row::EntryCells;
use crate::web::cells::Cells;
use crate::web::format;
use crate::web::frame::FrameCells;
use crate::web::heading::HeadingCells;
use crate::web::moment::Moment;
use crate::web::page::{Page, Problem, Shell};
use crate::web::root::Root;
use crate::web::view::ViewQuery;
use crate::web::zone::Zone;

pub mod choice;
pub mod file;
pub mod row;

pub use choice::AuditView;

/// Maximum number of entries on the page; a link leads to older ones.
const ENTRIES_SHOWN: usize = 200;

/// The audit log at one second, filtered by a view.
#[derive(Debug)]
pub struct Audit {
    taken_ms: u64,
    frame: FrameCells,
    page: PageCells,
    days: Vec<Day>,
}

/// The counts and texts around the table.
#[derive(Debug, Clone, Default, Serialize)]
struct PageCells {
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
struct Day {
    heading: HeadingCells,
    entries: Vec<EntryCells>,
}

impl Audit {
    /// The chosen entries with the outcome of each.
    pub fn of(snapshot: &Snapshot, choice: &Choice, fates: &[Fate], zone: &Zone) -> Self {
        let mut days: Vec<Day> = Vec::new();
        for (entry, fate) in choice.entries.iter().zip(fates) {
            let heading = row::day(entry.at_ms, snapshot.taken_ms, zone);
            if days.last().is_none_or(|day| day.heading.id != heading.id) {
                days.push(Day { heading, entries: Vec::new() });
            }
            let day = days.last_mut().expect("a day was pushed if there was none");
            day.entries.push(EntryCells::of(entry, fate, snapshot.taken_ms, zone));
        }
        Self {
            taken_ms: snapshot.taken_ms,
            frame: FrameCells::of("Audit log", snapshot),
            page: PageCells::of(snapshot, choice, zone),
            days,
        }
    }

    /// The live frame of the page, for the stream.
    pub fn moment(self) -> Moment {
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
        Moment::of(self.taken_ms, cells, rows)
    }
}

impl PageCells {
    fn of(snapshot: &Snapshot, choice: &Choice, zone: &Zone) -> Self {
        let (shown, there) = (choice.entries.len(), snapshot.audit_entries);
        Self {
            state: if there == 0 { "nothing" } else { "rows" },
            filtered: if shown == 0 && there > 0 { "all" } else { "some" },
            foot: format!("Showing {} of {}", format::count(shown as u64), format::count(there)),
            older: choice.older.clone(),
            shows: choice.counts.iter().map(|count| format::count(*count as u64)).collect(),
            zone: zone.words(),
        }
    }
}

impl Web {
    /// The audit log filtered by a view.
    pub fn audit(&self, snapshot: &Snapshot, view: &AuditView) -> Audit {
        let choice = self.choice(snapshot, view, ENTRIES_SHOWN);
        let fates = self.state.rules.fates(&choice.entries);
        Audit::of(snapshot, &choice, &fates, &view.zone)
    }

    fn choice(&self, snapshot: &Snapshot, view: &AuditView, limit: usize) -> Choice {
        let rules = self.state.rules.state();
        let waiting: HashSet<&str> = snapshot.endpoints.iter().filter_map(|row| waiting(&row.switch)).collect();
        Choice::of(rules.audit().take(AUDIT_AT_HAND_MAX), view, &waiting, snapshot.taken_ms, limit)
    }
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
    audit: Audit,
    query: ViewQuery,
    people: Vec<String>,
    blank_heading: HeadingCells,
    blank: EntryCells,
    csv: String,
}

impl AuditPage {
    fn of(snapshot: &Snapshot, audit: Audit, people: Vec<String>, query: ViewQuery) -> Self {
        let csv = query.address("audit.csv", "");
        let (blank_heading, blank) = (HeadingCells::blank(), EntryCells::blank());
        Self {
            shell: Shell::of("audit", "Audit log", snapshot).carrying(query.span()).live(),
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
pub async fn audit(Query(query): Query<ViewQuery>, zone: Zone, State(web): State<Arc<Web>>) -> Page<AuditPage> {
    let snapshot = web.snapshot();
    let audit = web.audit(&snapshot, &AuditView::of(query.clone(), zone));
    let people = choice::people(web.state.rules.state().audit());
    Page(AuditPage::of(&snapshot, audit, people, query))
}

/// `GET /audit.csv`
pub async fn csv(Query(query): Query<ViewQuery>, State(web): State<Arc<Web>>) -> Response {
    let snapshot = web.snapshot();
    let choice = web.choice(&snapshot, &AuditView::of(query, Zone::default()), usize::MAX);
    let fates = web.state.rules.fates(&choice.entries);
    file::of(snapshot.taken_ms, choice.entries.iter().map(|entry| &**entry).zip(&fates))
}

/// `POST /rules/{id}/end`: the form for browsers without script.
pub async fn end(Path(id): Path<String>, State(web): State<Arc<Web>>) -> Result<Redirect, Box<Problem>> {
    match web.turn_on(&id).await {
        Ok(_) => Ok(Redirect::to(&format!("{}audit", Root::TWO_ABOVE))),
        Err(error) => Err(Problem::refused(StatusCode::CONFLICT, format!("The rule was not ended: {error}."))),
    }
}

#[cfg(test)]
mod tests;
