//! `sitio audit`: lists the operator commands with their author, reason and result.

use std::process::ExitCode;

use api::audit::{AuditLogEntry, AuditLogEvent, AuditQuery};
use format::label::service_label;
use format::number;

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::scope::Only;
use crate::show::ShowOptions;
use crate::table::column::{Cell, Column, Tone, kept, light, wide};
use crate::table::table;
use crate::{csv, moment};

/// The largest number of entries that a control plane returns in one response.
const LIMIT_MAX: i64 = 2000;

/// Show who has turned what off and on, the newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio audit
  sitio audit --limit 500 -o json")]
pub(crate) struct AuditOptions {
    /// How many entries to look at, 2000 at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=LIMIT_MAX))]
    limit: u32,
    #[command(flatten)]
    only: Only,
    #[command(flatten)]
    look: ShowOptions,
}

/// Prints the audit entries.
pub(crate) async fn run(options: AuditOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if let Some(refused) = options.look.refuse_time(options.only.service()) {
        return Ok(refused);
    }
    let client = options.look.connection.client()?;
    let page = async || {
        let mut answer = client.audit(&AuditQuery { limit: Some(options.limit.into()) }).await?;
        answer.audit.retain(|entry| options.only.holds(&entry.namespace, &entry.service));
        let none = "nothing of that has been asked for yet";
        options.look.format(
            &answer,
            |room| table(&COLUMNS, &answer.audit, none, 0, room, paint),
            || csv::audit::file(&answer.audit),
        )
    };
    options.look.show(interrupts, page).await
}

const COLUMNS: [Column<AuditLogEntry>; 13] = [
    wide(Column::numbers("NUMBER", |entry, _| Cell::new(entry.number.to_string()))),
    Column::whole("TIME (UTC)", |entry, _| Cell::new(moment::date_and_time(&entry.at))),
    light(Column::words("BY", |entry, _| Cell::new(&entry.by))),
    kept(Column::words("EVENT", |entry, _| event(entry))),
    kept(Column::words("SERVICE", |entry, _| Cell::new(service_label(&entry.namespace, &entry.service)))),
    light(Column::words("METHOD", |entry, _| Cell::new(&entry.method))),
    kept(Column::words("ROUTE", |entry, _| Cell::new(&entry.route))),
    wide(Column::words("PODS", |entry, _| {
        Cell::new(if entry.pods.is_empty() { "all".to_owned() } else { entry.pods.join(",") })
    })),
    light(Column::words("RULE", |entry, _| Cell::new(entry.rule.as_deref().unwrap_or(number::MISSING)))),
    wide(Column::numbers("REVISION", |entry, _| {
        Cell::new(entry.revision.map_or_else(|| number::MISSING.to_owned(), |revision| revision.to_string()))
    })),
    wide(Column::whole("UNTIL (UTC)", |entry, _| {
        Cell::new(entry.expires_at.as_deref().map_or_else(|| number::MISSING.to_owned(), moment::date_and_time))
    })),
    Column::words("REASON", |entry, _| Cell::new(&entry.reason)),
    light(Column::words("NOTE", |entry, _| Cell::new(&entry.note))),
];

fn event(entry: &AuditLogEntry) -> Cell {
    let tone = if entry.event == AuditLogEvent::Refused { Tone::Amber } else { Tone::Calm };
    Cell::new(entry.event.to_string().replace('_', " ")).toned(tone)
}
