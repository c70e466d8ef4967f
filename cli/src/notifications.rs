//! `sitio notifications`: lists what is wrong with services, and tests the channels that report it.

use std::process::ExitCode;

use api::notifications::{Notification, NotificationState};
use format::label::service_label;

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::sanitize::plain;
use crate::scope::Only;
use crate::show::ShowOptions;
use crate::stdout::say;
use crate::table::column::{Cell, Column, Tone, kept, light, wide};
use crate::table::table;
use crate::{csv, moment};

/// Show what is wrong with services now and was lately, or test a channel.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio notifications
  sitio notifications legacy --watch
  sitio notifications --test ops")]
pub(crate) struct NotificationsOptions {
    /// Send a test message through this channel of the notifications file, and print what the receiver answered.
    #[arg(long, value_name = "CHANNEL", conflicts_with_all = ["watch", "output"])]
    test: Option<String>,
    #[command(flatten)]
    only: Only,
    #[command(flatten)]
    look: ShowOptions,
}

/// Prints the notices, or tests a channel.
pub(crate) async fn run(options: NotificationsOptions, paint: ColorMode, mut interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if let Some(refused) = options.look.refuse_time(options.only.service()) {
        return Ok(refused);
    }
    let client = options.look.connection.client()?;
    if let Some(channel) = &options.test {
        let result = tokio::select! {
            result = client.test_notifications(channel) => result?,
            interrupt = interrupts.first() => return Ok(ExitCode::from(interrupt.code())),
        };
        let word = if result.delivered { "accepted" } else { "not delivered" };
        say(&format!("{}: {word}: {}\n", plain(&result.channel), plain(&result.answer)))?;
        return Ok(if result.delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let page = async || {
        let mut answer = client.notifications().await?;
        for notices in [&mut answer.firing, &mut answer.resolved] {
            notices.retain(|notice| options.only.holds(&notice.namespace, &notice.service));
        }
        let taken_ms = moment::unix_ms(&answer.taken_at).unwrap_or_else(moment::now_ms);
        let notices: Vec<Notification> = answer.firing.iter().chain(&answer.resolved).cloned().collect();
        let none = "nothing is wrong, and nothing was lately";
        options.look.format(
            &answer,
            |room| table(&COLUMNS, &notices, none, taken_ms, room, paint),
            || csv::notifications::file(&notices),
        )
    };
    options.look.show(interrupts, page).await
}

const COLUMNS: [Column<Notification>; 8] = [
    kept(Column::words("STATE", |notice, _| state(notice))),
    kept(Column::words("SERVICE", |notice, _| Cell::new(service_label(&notice.namespace, &notice.service)))),
    kept(Column::words("CONDITION", |notice, _| Cell::new(notice.condition.to_string().replace('_', " ")))),
    Column::numbers("PODS", |notice, _| Cell::new(notice.pods_total.to_string())),
    Column::whole("SINCE (UTC)", |notice, _| Cell::new(moment::date_and_time(&notice.since))),
    light(Column::words("LASTED", |notice, now_ms| Cell::new(lasted(notice, now_ms)))),
    Column::words("DETAIL", |notice, _| Cell::new(&notice.detail)),
    wide(Column::words("LAST FAILED EXCHANGE", |notice, _| Cell::new(exchange(notice)))),
];

fn state(notice: &Notification) -> Cell {
    let tone = if notice.state == NotificationState::Firing { Tone::Red } else { Tone::Muted };
    Cell::new(notice.state.to_string()).toned(tone)
}

fn lasted(notice: &Notification, now_ms: u64) -> String {
    let until_ms = notice.resolved_at.as_deref().and_then(moment::unix_ms).unwrap_or(now_ms);
    moment::lasting(Some(&notice.since), until_ms)
}

fn exchange(notice: &Notification) -> String {
    let first = notice.exchanges.first();
    first.map_or_else(String::new, |one| format!("{} {} {} {}", one.method, one.path, one.status, one.outcome))
}
