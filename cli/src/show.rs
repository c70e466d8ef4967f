//! Options and output of all commands that show data: connection, format, and repetition with `--watch`.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use api::client::failure::Failure;
use clap::ValueEnum;
use mesh::visible::json;
use serde::Serialize;

use crate::connection::Connection;
use crate::interrupt::Interrupts;
use crate::outcome::yaml;
use crate::stdout::{beside, say};
use crate::table::TableWidth;
use crate::{hints, sanitize, usage};

/// The longest window that a control plane keeps by default.
const WINDOW_MAX: Duration = Duration::from_secs(90 * 24 * 3600);

/// Options of a command that shows data.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct ShowOptions {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table, value_name = "FORMAT")]
    pub(crate) output: ListFormat,
    /// Print it again every so often, until Ctrl-C [without a time: 2s].
    #[arg(
        short,
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2s",
        value_parser = interval
    )]
    watch: Option<Duration>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// The output format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people, cut to the terminal; whole in a pipe.
    Table,
    /// For people, with all columns, never cut.
    Wide,
    /// As the API returns it.
    Json,
    /// The same as YAML.
    Yaml,
    /// For spreadsheets: a line each, with the names of the columns first.
    Csv,
}

impl ShowOptions {
    /// Rejects a duration in place of a service name, as in `--watch 5s`: an optional value needs an equals sign.
    pub(crate) fn refuse_time(&self, word: Option<&str>) -> Option<ExitCode> {
        let time = word.filter(|word| self.watch.is_some() && humantime::parse_duration(word).is_ok())?;
        Some(usage::refuse(&format!("{time} is no time here; for that, write --watch={time}")))
    }

    /// Formats an answer: `table` formats it for people, `csv` for spreadsheets.
    pub(crate) fn format<T: Serialize>(
        &self,
        answer: &T,
        table: impl FnOnce(TableWidth) -> String,
        csv: impl FnOnce() -> String,
    ) -> anyhow::Result<String> {
        Ok(match self.output {
            ListFormat::Csv => csv(),
            ListFormat::Table => table(TableWidth::usual()),
            ListFormat::Wide => table(TableWidth::wide()),
            // One line for each answer, so that a program can read them one by one.
            ListFormat::Json if self.watch.is_some() => format!("{}\n", json(&serde_json::to_string(answer)?)),
            ListFormat::Json => format!("{}\n", json(&serde_json::to_string_pretty(answer)?)),
            ListFormat::Yaml if self.watch.is_some() => format!("---\n{}", yaml(answer)?),
            ListFormat::Yaml => yaml(answer)?,
        })
    }

    /// Prints `page` once, or repeatedly with `--watch`.
    pub(crate) async fn show(
        &self,
        mut interrupts: Interrupts,
        mut page: impl AsyncFnMut() -> anyhow::Result<String>,
    ) -> anyhow::Result<ExitCode> {
        let Some(interval) = self.watch else {
            tokio::select! {
                page = page() => say(&page?)?,
                interrupt = interrupts.first() => return Ok(ExitCode::from(interrupt.code())),
            }
            return Ok(ExitCode::SUCCESS);
        };
        let mut screen = PagedScreen::of(self.output);
        let mut ticks = tokio::time::interval(interval);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = interrupts.first() => return Ok(ExitCode::SUCCESS),
            }
            tokio::select! {
                page = page() => screen.show(page)?,
                _ = interrupts.first() => return Ok(ExitCode::SUCCESS),
            }
        }
    }
}

/// How a page relates to the page before it.
enum PagedScreen {
    /// It replaces the page before it.
    Same,
    /// It follows after a blank line.
    Below,
    /// It follows directly, for programs.
    Stream,
    /// It follows as one CSV file. True once the header row is printed, which only the first page contains.
    Csv(bool),
}

impl PagedScreen {
    fn of(output: ListFormat) -> Self {
        match output {
            ListFormat::Json | ListFormat::Yaml => Self::Stream,
            ListFormat::Csv => Self::Csv(false),
            ListFormat::Table | ListFormat::Wide if stdout().is_terminal() => Self::Same,
            ListFormat::Table | ListFormat::Wide => Self::Below,
        }
    }

    /// Shows a page, or a temporary failure: a watcher wants to see when the control plane is back, and not to start
    /// again.
    fn show(&mut self, page: anyhow::Result<String>) -> anyhow::Result<()> {
        let error = match page {
            Ok(page) => return say(&self.next(&page)),
            Err(error) => error,
        };
        let Some(failure) = error.downcast_ref::<Failure>().filter(|failure| failure.may_pass()) else { return Err(error) };
        let advice = hints::on(failure).unwrap_or_default();
        let words = format!("sitio: {}; {advice}", sanitize::plain(&failure.to_string()));
        match self {
            // Standard error shares the terminal, so the next page would overwrite a message there.
            Self::Same => say(&self.next(&format!("{words}\n"))),
            Self::Below | Self::Stream | Self::Csv(_) => {
                beside(&words);
                Ok(())
            }
        }
    }

    fn next(&mut self, page: &str) -> String {
        match self {
            // Overwritten line by line and not cleared first, because clearing flickers.
            Self::Same => format!("\x1b[H{}\x1b[J", page.replace('\n', "\x1b[K\n")),
            Self::Below => format!("{page}\n"),
            Self::Stream => page.to_owned(),
            Self::Csv(reported @ false) => {
                *reported = !page.is_empty();
                page.to_owned()
            }
            Self::Csv(true) => page.split_once('\n').map_or("", |(_, lines)| lines).to_owned(),
        }
    }
}

/// Parses a window as the API accepts it; `all` is everything since the pods started.
pub(crate) fn window(value: &str) -> Result<String, String> {
    if value == "all" {
        return Ok(value.to_owned());
    }
    let window = humantime::parse_duration(value).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=WINDOW_MAX).contains(&window) {
        return Ok(value.to_owned());
    }
    Err("it must be 1s to 90d, such as 5m, or all".to_owned())
}

fn interval(value: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(value).map_err(|error| error.to_string())?;
    if interval < Duration::from_millis(100) { Err("it must be 100ms at least".to_owned()) } else { Ok(interval) }
}
