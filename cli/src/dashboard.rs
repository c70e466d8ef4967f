//! `sitio dashboard`: opens the dashboard in a browser.

use std::process::{Command, ExitCode, Stdio};

use anyhow::bail;

use crate::connection::Connection;
use crate::stdout::say;
use crate::token;

/// The program that opens a URL in the default browser of this platform.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Open the dashboard in a browser.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio dashboard
  sitio dashboard --print       only say where it is")]
pub(crate) struct DashboardOptions {
    /// Print the URL, and open nothing.
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Prints the URL and opens it, if the control plane is reachable.
pub(crate) async fn run(options: DashboardOptions) -> anyhow::Result<ExitCode> {
    let url = options.connection.url().to_string();
    say(&format!("{url}\n"))?;
    if options.print {
        return Ok(ExitCode::SUCCESS);
    }
    // Checked first, because a browser would only show a connection error.
    options.connection.client()?.check_alive().await?;
    let mut browser = Command::new(OPENER);
    browser.arg(&url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for variable in token::VARIABLES {
        browser.env_remove(variable);
    }
    let opened = browser.status();
    match opened {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ok(status) => bail!("open the dashboard with {OPENER}: it ended with {status}; open {url} yourself"),
        Err(error) => bail!("open the dashboard with {OPENER}: {error}; open {url} yourself"),
    }
}
