//! `sitio control-plane`: runs the control plane of a demo in its own process, so that it can be killed.

use std::io::{stdin, stdout};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use ::control_plane::app;
use ::control_plane::app::listeners::AppListeners;
use ::control_plane::app::options::AppOptions;
use anyhow::Context;
use rustix::process::getppid;
use tokio_util::sync::CancellationToken;

use crate::interrupt::Interrupts;

/// The interval between checks whether the demo is still running. The check is cheap, and nothing waits for its result.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Run the control plane of a demo, which hands the listening sockets over: HTTP as standard input, gRPC as output.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoControlPlaneOptions {
    /// Folder for everything that outlives this process.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// File with the channels of notifications.
    #[arg(long, value_name = "FILE")]
    notifications_file: Option<PathBuf>,
    /// Process id of the demo.
    #[arg(long, value_name = "PID")]
    demo: i32,
}

/// Runs the control plane until the demo signals it to stop or has ended.
pub(crate) async fn run(options: DemoControlPlaneOptions, mut interrupts: Interrupts) -> anyhow::Result<()> {
    die_with_the_demo()?;
    let (http, grpc) = (taken_over(stdin().as_fd())?, taken_over(stdout().as_fd())?);
    let drain = CancellationToken::new();
    let here = AppOptions { notifications_file: options.notifications_file, ..AppOptions::in_folder(options.data_dir) };
    let control_plane = app::run(here, AppListeners { http, grpc, webhook: None }, drain.clone());
    tokio::pin!(control_plane);
    tokio::select! {
        ended = &mut control_plane => return ended,
        _ = interrupts.first() => {}
        () = orphaned(options.demo) => {}
    }
    drain.cancel();
    control_plane.await
}

fn taken_over(socket: BorrowedFd<'_>) -> anyhow::Result<TcpListener> {
    Ok(socket.try_clone_to_owned().context("take a listening socket over")?.into())
}

/// Asks the kernel to kill this process when the demo ends. That is as abrupt as a crash, which the store survives.
#[cfg(target_os = "linux")]
fn die_with_the_demo() -> anyhow::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).context("ask to be ended with the demo")
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn die_with_the_demo() -> anyhow::Result<()> {
    Ok(())
}

/// Returns when the demo has ended: before the kernel was asked to signal that, or on a system that cannot.
async fn orphaned(demo: i32) {
    while getppid().is_some_and(|parent| parent.as_raw_pid() == demo) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
