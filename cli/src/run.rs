//! `sitio run`: starts a program with a sidecar in front of it, and exits when the program does.

mod child;
pub(crate) mod options;
mod sidecar_setup;
mod target;

use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context;

use crate::interrupt::{Interrupt, Interrupts};
use crate::local_mesh::LocalMesh;
use crate::run::child::{Child, GRACE, exit_code};
use crate::run::options::RunOptions;
use crate::run::sidecar_setup::SidecarSetup;
use crate::run::target::LocalService;
use crate::stdout::beside;
use crate::usage;

/// The time to stop the mesh after the program has ended: no request can be answered, only the last report is sent.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Runs the program behind a sidecar, and returns the program's exit code.
pub(crate) async fn run(options: RunOptions, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if options.port == options.target {
        return Ok(usage::refuse("--port and --target are the same port, so requests would go round in circles"));
    }
    if options.token.is_some() {
        let why =
            "--token shows the token to all who list processes: set the variable SITIO_TOKEN, or name a file by --token-file";
        return Ok(usage::refuse(why));
    }
    let (command, arguments) = options.command.split_first().expect("clap requires a command");
    let target = LocalService::on(options.target);
    target.refuse_if_taken().await?;
    let front = SidecarSetup::bind(&options, command)?;
    let child = match Child::start(command, arguments) {
        Ok(child) => child,
        Err(not_started) => {
            beside(&format!("sitio: {not_started}"));
            return Ok(ExitCode::from(not_started.code()));
        }
    };
    let status = supervise(child, target, front, interrupts).await?;
    Ok(ExitCode::from(exit_code(status)))
}

/// Waits until the program listens, forwards to it, and ends with it.
async fn supervise(
    mut child: Child,
    target: LocalService,
    front: SidecarSetup,
    mut interrupts: Interrupts,
) -> anyhow::Result<ExitStatus> {
    let target = tokio::select! {
        target = target.listening() => target,
        interrupt = interrupts.first() => return child.end(interrupt).await.context("wait for the program"),
        status = child.ended() => {
            let status = status.context("wait for the program")?;
            beside(&format!("sitio: the program ended ({status}) before it listened on {target}"));
            return Ok(status);
        }
    };
    let mut mesh = front.open(target);
    let status = tokio::select! {
        status = child.ended() => {
            leave(mesh, LEAVE_WITHIN).await;
            status
        }
        interrupt = interrupts.first() => tokio::join!(child.end(interrupt), leave(mesh, GRACE)).0,
        why = mesh.ended_early() => {
            child.end(Interrupt::Terminate).await.context("wait for the program")?;
            return Err(why);
        }
    };
    status.context("wait for the program")
}

/// Stops the mesh after the program has ended. The program's exit code counts; an error here is only printed.
async fn leave(mesh: LocalMesh, within: Duration) {
    if let Err(error) = mesh.stop(within).await {
        beside(&format!("sitio: {error:#}"));
    }
}
