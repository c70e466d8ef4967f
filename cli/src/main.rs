//! The `sitio` command: shows a mesh, turns its endpoints off and on, and runs programs behind a sidecar.

// These macros panic when the output is closed; `stdout.rs` does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod callers;
mod check;
mod color;
mod complete;
mod completions;
mod connection;
mod csv;
mod dashboard;
mod data_dir;
mod decorate;
mod demo;
mod disable;
mod enable;
mod endpoint_ref;
mod find;
mod hash_password;
mod hints;
mod history;
mod inject;
mod interrupt;
mod local_mesh;
mod man;
mod moment;
mod notifications;
mod outcome;
mod pods;
mod ports;
mod range;
mod receipts;
mod rule_target;
mod rules;
mod run;
#[cfg(test)]
mod sample;
mod sanitize;
mod scope;
mod show;
mod sidecars;
mod stat;
mod stdout;
mod table;
mod tap;
mod task_group;
mod token;
mod top;
mod usage;

use std::io;
use std::process::ExitCode;

use api::client::failure::Failure;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::CompleteEnv;
use platform::log::Log;
use tracing_subscriber::EnvFilter;

use crate::color::{ColorMode, When};
use crate::interrupt::{Bell, Interrupts, bell};
use crate::stdout::{NobodyReads, beside};

/// A service mesh small enough to understand in an afternoon.
#[derive(Debug, Parser)]
#[command(name = "sitio", version, arg_required_else_help = true)]
#[command(after_help = "Those that ask a control plane find it by --url or SITIO_URL, and show it SITIO_TOKEN if it wants one.
Begin with `sitio demo`, then, in another terminal, `sitio stat` and `sitio check`.")]
struct Sitio {
    /// When to use colours; auto is on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN", hide_possible_values = true)]
    color: When,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoOptions),
    Run(run::options::RunOptions),
    Stat(stat::StatOptions),
    Top(top::TopOptions),
    Tap(tap::TapOptions),
    History(history::HistoryOptions),
    Callers(callers::CallersOptions),
    Disable(disable::DisableOptions),
    Enable(enable::EnableOptions),
    Decorate(Box<decorate::DecorateOptions>),
    Undecorate(decorate::UndecorateOptions),
    Rules(rules::RulesOptions),
    Pods(pods::PodsOptions),
    Notifications(notifications::NotificationsOptions),
    Audit(audit::AuditOptions),
    Check(check::CheckOptions),
    Inject(inject::InjectOptions),
    Uninject(inject::UninjectOptions),
    Dashboard(dashboard::DashboardOptions),
    HashPassword(hash_password::HashPasswordOptions),
    Completions(completions::CompletionsOptions),
    Man(man::ManOptions),
    #[command(hide = true)]
    ControlPlane(demo::control_plane::DemoControlPlaneOptions),
}

impl Command {
    /// The default log filter. Commands print their own messages. The log is for faults; an untrusted certificate is
    /// reported once, by the command.
    fn log(&self) -> &'static str {
        match self {
            // The demo itself reports that its control plane has ended; eight sidecars would repeat it.
            Self::Demo(_) => "warn,sidecar::control_client=error,rustls_platform_verifier=off",
            _ => "warn,rustls_platform_verifier=off",
        }
    }
}

fn main() -> ExitCode {
    // Answers a completion request of a shell and exits.
    CompleteEnv::with_factory(Sitio::command).var(completions::VARIABLE).complete();
    let sitio = match Sitio::try_parse() {
        Ok(sitio) => sitio,
        Err(error) => return usage::print(&error),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(sitio.command.log()));
    let has_colours = ColorMode::when(sitio.color, &io::stderr()) == ColorMode::Colours;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colours)
        .with_writer(|| Log(io::stderr()))
        .log_internal_errors(false)
        .init();
    // Two threads: sidecars start their own, and the other work is small.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("start the runtime")),
    };
    let (bell, interrupts) = bell();
    let code = runtime.block_on(until_done(sitio, bell, interrupts));
    // All tasks have ended, or a second interrupt asks to end at once.
    runtime.shutdown_background();
    code
}

/// Runs the command until it is done or a second interrupt arrives.
async fn until_done(sitio: Sitio, bell: Bell, interrupts: Interrupts) -> ExitCode {
    tokio::select! {
        second = bell.watch() => match second {
            Ok(interrupt) => ExitCode::from(interrupt.code()),
            Err(error) => fail(&anyhow::Error::new(error).context("listen for Ctrl-C")),
        },
        code = obey(sitio, interrupts) => code,
    }
}

async fn obey(sitio: Sitio, interrupts: Interrupts) -> ExitCode {
    let paint = ColorMode::when(sitio.color, &io::stdout());
    let outcome = match sitio.command {
        Command::Demo(options) => demo::run(options, paint, interrupts).await.map(|()| ExitCode::SUCCESS),
        Command::Run(options) => run::run(options, interrupts).await,
        Command::Stat(options) => stat::run(options, paint, interrupts).await,
        Command::Top(options) => top::run(options, paint, interrupts).await,
        Command::Tap(options) => tap::run(options, paint, interrupts).await,
        Command::History(options) => history::run(options, paint, interrupts).await,
        Command::Callers(options) => callers::run(options, paint, interrupts).await,
        Command::Disable(options) => disable::run(options, paint, interrupts).await,
        Command::Enable(options) => enable::run(options, paint, interrupts).await,
        Command::Decorate(options) => decorate::run(*options, paint, interrupts).await,
        Command::Undecorate(options) => decorate::end(options, paint, interrupts).await,
        Command::Rules(options) => rules::run(options, paint, interrupts).await,
        Command::Pods(options) => pods::run(options, paint, interrupts).await,
        Command::Notifications(options) => notifications::run(options, paint, interrupts).await,
        Command::Audit(options) => audit::run(options, paint, interrupts).await,
        Command::Check(options) => check::run(options, paint, interrupts).await,
        Command::Inject(options) => inject::run(options, interrupts).await,
        Command::Uninject(options) => inject::run_back(options, interrupts).await,
        Command::HashPassword(options) => hash_password::run(options, interrupts).await.map(|()| ExitCode::SUCCESS),
        Command::Dashboard(options) => dashboard::run(options).await,
        Command::Completions(options) => completions::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Man(options) => man::run(&options, Sitio::command()).map(|()| ExitCode::SUCCESS),
        Command::ControlPlane(options) => demo::control_plane::run(options, interrupts).await.map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| fail(&error))
}

/// Prints an error with a hint, and returns the exit code.
fn fail(error: &anyhow::Error) -> ExitCode {
    if error.is::<NobodyReads>() {
        return ExitCode::SUCCESS;
    }
    let words = format!("{error:#}");
    let lines: Vec<_> = words.lines().map(sanitize::plain).collect();
    match error.downcast_ref::<Failure>().and_then(hints::on) {
        Some(advice) => beside(&format!("sitio: {}; {advice}", lines.join("\n"))),
        None => beside(&format!("sitio: {}", lines.join("\n"))),
    }
    match error.downcast_ref() {
        Some(Failure::Refused { problem, .. }) if problem.is_misuse() => ExitCode::from(usage::USAGE),
        _ => ExitCode::FAILURE,
    }
}
