//! `sitio run`: starts a program with a sidecar in front of it, and exits when the program does.

mod child;
mod sidecar_setup;
mod target;

use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context;
use axum::http::Uri;
use sidecar::config::values::NotFoundSetting;
use sidecar::control_client::dial::StreamToken;

use crate::data_dir::ControlPlaneOptions;
use crate::interrupt::{Interrupt, Interrupts};
use crate::local_mesh::LocalMesh;
use crate::ports::LOOPBACK;
use crate::run::child::{Child, GRACE, exit_code};
use crate::run::sidecar_setup::Front;
use crate::run::target::LocalService;
use crate::stdout::beside;
use crate::{token, usage};

/// The time to stop the mesh after the program has ended: no request can be answered, only the last report is sent.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Start a program with a sidecar before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sitio run --port 8080 --target 8087 -- python3 -m http.server 8087")]
pub(crate) struct RunOptions {
    /// Port to take requests on; 0 for any that is free.
    #[arg(long, value_name = "PORT")]
    port: u16,
    /// Port that the program listens on.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    target: u16,
    /// Address to take requests on.
    #[arg(long, value_name = "ADDRESS", default_value_t = LOOPBACK)]
    address: IpAddr,
    /// Name of the service [default: the program's name].
    #[arg(long)]
    name: Option<String>,
    /// Control plane to report to, such as http://127.0.0.1:8091 [default: one of our own].
    #[arg(long, value_name = "URL", value_parser = control_plane, conflicts_with_all = ["http_port", "grpc_port", "data_dir"])]
    control_plane: Option<Uri>,
    /// Rejected: a command line is visible to all who list processes.
    #[arg(long, hide = true)]
    token: Option<String>,
    /// File with the token for that control plane, read again at each dial [default: what the variable SITIO_TOKEN holds].
    #[arg(long, env = "SITIO_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    place: ControlPlaneOptions,
    /// Port for health and metrics; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    admin_port: u16,
    /// HTML file in place of the program's 404 pages, or built-in [default: none].
    #[arg(long, value_name = "PATH", value_parser = not_found_page)]
    not_found_page: Option<NotFoundSetting>,
    /// The program with its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl RunOptions {
    fn token(&self) -> anyhow::Result<StreamToken> {
        // Read here to report an error at once.
        let found = token::find(self.token_file.as_deref())?;
        Ok(match (&self.token_file, found) {
            (_, None) => StreamToken::None,
            (Some(file), _) => StreamToken::File(file.clone()),
            (None, Some(text)) => StreamToken::Text(text),
        })
    }
}

fn control_plane(value: &str) -> Result<Uri, &'static str> {
    let is_http = |uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some();
    value.parse().ok().filter(is_http).ok_or("expected a URL such as http://127.0.0.1:8091")
}

fn not_found_page(value: &str) -> io::Result<NotFoundSetting> {
    if value == "built-in" {
        return Ok(NotFoundSetting::BuiltIn);
    }
    std::fs::read(value).map(|_| NotFoundSetting::File(value.into()))
}

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
    let front = Front::bind(&options, command)?;
    let child = match Child::start(command, arguments) {
        Ok(child) => child,
        Err(not_started) => {
            beside(&format!("sitio: {not_started}"));
            return Ok(ExitCode::from(not_started.code()));
        }
    };
    let status = accompany(child, target, front, interrupts).await?;
    Ok(ExitCode::from(exit_code(status)))
}

/// Waits until the program listens, forwards to it, and ends with it.
async fn accompany(
    mut child: Child,
    target: LocalService,
    front: Front,
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
