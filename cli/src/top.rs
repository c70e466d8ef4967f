//! `sitio top`: a live full-screen view of the endpoints, with keys to sort, search, inspect and switch them.

mod choice;
mod draw;
mod fetch;
mod keys;
mod model;
mod screen;

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use crossterm::event::EventStream;
use futures_util::StreamExt;

use crate::color::ColorMode;
use crate::connection::Connection;
use crate::interrupt::Interrupts;
use crate::stat::Sort;
use crate::top::fetch::Asks;
use crate::top::keys::KeyAction;
use crate::top::model::Model;
use crate::top::screen::Screen;
use crate::{complete, usage};

/// Watch the endpoints live on a full screen; ? shows the keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "Keys:
  ↑ ↓ j k      select           Enter   recent requests of the selected endpoint
  / Esc        find, and clear  x       turn it off, or on again
  s S r        sort by the next column, by the one before, the other way round
  1 to 9       the last minute, 5 or 15 minutes, 1, 6 or 24 hours, 7, 30 or 90 days
  p ? q        pause, help, quit; Ctrl-Z stops it until `fg`

Examples:
  sitio top
  sitio top legacy --sort p95")]
pub(crate) struct TopOptions {
    /// Only of this service.
    #[arg(add = complete::services())]
    service: Option<String>,
    /// Only of this namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    /// What comes first.
    #[arg(long, value_enum, default_value_t = Sort::Rps, value_name = "COLUMN")]
    sort: Sort,
    /// How often to ask.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    #[command(flatten)]
    connection: Connection,
}

/// The shortest interval; with a shorter one the screen only flickers.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

fn interval(value: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(value).map_err(|error| error.to_string())?;
    if interval < INTERVAL_MIN { Err("it must be 100ms at least".to_owned()) } else { Ok(interval) }
}

/// Runs until the user quits.
pub(crate) async fn run(options: TopOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Ok(usage::refuse("top needs a terminal; `sitio stat --watch` does without one"));
    }
    let client = options.connection.client()?;
    let mut model = Model::new(client.url().to_string(), options.sort);
    let mut asks = Asks::new(client, options.service, options.namespace, options.interval);
    let screen = Screen::take()?;
    watch(screen, &mut model, &mut asks, paint, interrupts).await.map(|()| ExitCode::SUCCESS)
}

async fn watch(
    mut screen: Screen,
    model: &mut Model,
    asks: &mut Asks,
    paint: ColorMode,
    mut interrupts: Interrupts,
) -> anyhow::Result<()> {
    let mut events = EventStream::new();
    asks.list(model.window, Duration::ZERO);
    loop {
        screen.draw(|frame| draw::all(frame, model, paint))?;
        let wish = tokio::select! {
            event = events.next() => keys::on_key(model, &event.context("read the keyboard: it is closed")??),
            // After a panic, the panic hook has already restored the terminal.
            output = asks.next_fetched() => asks.take(output.context("ask the control plane")?, model),
            () = screen.asked_to_stop() => KeyAction::Stop,
            _ = interrupts.first() => KeyAction::Quit,
        };
        match wish {
            KeyAction::Nothing => {}
            KeyAction::Quit => return Ok(()),
            KeyAction::Stop => screen.stop()?,
            KeyAction::List => asks.list(model.window, Duration::ZERO),
            KeyAction::History(id) => asks.history(id),
            KeyAction::TurnOff(command) => asks.turn_off(*command),
            KeyAction::TurnOn(rule) => asks.turn_on(rule),
        }
    }
}
