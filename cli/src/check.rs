//! `sitio check`: diagnoses the installation and prints each finding with what to do about it.

mod control_plane;
mod findings;
mod losses;
mod pods;
mod replicas;
mod rules;
mod store;
mod traffic;

use std::process::ExitCode;

use api::client::Client;

use crate::check::findings::{Findings, Severity};
use crate::color::ColorMode;
use crate::connection::Connection;
use crate::interrupt::Interrupts;
use crate::outcome::OutcomeFormat;
use crate::stdout::say;

/// Look for what is wrong: control plane, clocks, pods, rules, and what was lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio check
  sitio check -o json | jq '.[] | select(.level == \"error\")'

Exit code: 0 if there is no error (warnings are none), 1 if there is one.")]
pub(crate) struct CheckOptions {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = OutcomeFormat::Table, value_name = "FORMAT")]
    output: OutcomeFormat,
    #[command(flatten)]
    connection: Connection,
}

/// Runs all checks and prints the findings.
pub(crate) async fn run(options: CheckOptions, paint: ColorMode, mut interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.connection.client()?;
    let findings = tokio::select! {
        findings = look(&client) => findings,
        interrupt = interrupts.first() => return Ok(ExitCode::from(interrupt.code())),
    };
    say(&options.output.format(&findings, || findings.words(paint))?)?;
    Ok(if findings.worst() == Severity::Error { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs the checks in order; stops early if the control plane is unreachable or refuses access.
async fn look(client: &Client) -> Findings {
    let mut findings = Findings::default();
    if !control_plane::look(client, &mut findings).await {
        return findings;
    }
    let recovery = store::look(client, &mut findings).await;
    // Both are read once, the pods after the rules, so that no pod is behind in one finding and up to date in the next.
    let rules = client.rules().await;
    let pods = client.pods().await;
    pods::look(&pods, &mut findings);
    traffic::look(client, &mut findings).await;
    rules::look(rules, pods.as_ref().ok(), &mut findings);
    losses::look(client, recovery.as_ref(), &mut findings).await;
    findings
}
