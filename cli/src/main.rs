//! The `sitio` command: shows the mesh on a sample shop, or puts a sidecar before any program.

mod demo;
mod embedded;
mod interrupt;
mod local_mesh;
mod paint;
mod parts;
mod ports;
mod run;
mod sidecars;
mod usage;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::interrupt::{Bell, Interrupts, bell};
use crate::paint::Paint;

/// A service mesh small enough to understand in an afternoon.
#[derive(Debug, Parser)]
#[command(name = "sitio", version, arg_required_else_help = true)]
struct Sitio {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Options),
    Run(run::Options),
}

fn main() -> ExitCode {
    let sitio = match Sitio::try_parse() {
        Ok(sitio) => sitio,
        Err(error) => return usage::tell(&error),
    };
    // What the programs have to say they say themselves; the log is for trouble.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let has_colours = Paint::on(&io::stderr()) == Paint::Colours;
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(has_colours).with_writer(io::stderr).init();
    // Two threads: sidecars bring their own, and what is left is small.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("start the runtime")),
    };
    let (bell, interrupts) = bell();
    let code = runtime.block_on(until_done(sitio.command, bell, interrupts));
    // Nothing of ours runs any more, or it was told to end at once.
    runtime.shutdown_background();
    code
}

/// Does what was asked, unless a second interrupt comes before it is done.
async fn until_done(command: Command, bell: Bell, interrupts: Interrupts) -> ExitCode {
    tokio::select! {
        second = bell.watch() => match second {
            Ok(interrupt) => ExitCode::from(interrupt.code()),
            Err(error) => fail(&anyhow::Error::new(error).context("listen for Ctrl-C")),
        },
        code = obey(command, interrupts) => code,
    }
}

async fn obey(command: Command, interrupts: Interrupts) -> ExitCode {
    let outcome = match command {
        Command::Demo(options) => demo::run(options, interrupts).await.map(|()| ExitCode::SUCCESS),
        Command::Run(options) => run::run(options, interrupts).await,
    };
    outcome.unwrap_or_else(|error| fail(&error))
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("sitio: {error:#}");
    ExitCode::FAILURE
}
