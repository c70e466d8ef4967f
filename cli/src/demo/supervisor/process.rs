//! The control plane's child process: start with inherited sockets, graceful stop, kill after a timeout.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use control_plane::app::listeners::AppListeners;
use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::demo::supervisor::deaths::cause;

/// The parameters of every start.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    listeners: AppListeners,
    data_dir: PathBuf,
    notifications_file: Option<PathBuf>,
}

/// A running control plane. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct ControlPlaneChild {
    child: Child,
    id: u32,
}

impl Program {
    /// Uses the current executable, which has a command for it.
    pub(super) fn of_ours(listeners: AppListeners, data_dir: &Path, notifications_file: Option<&Path>) -> anyhow::Result<Self> {
        let path = env::current_exe().context("find the program of the control plane, which is this one")?;
        let notifications_file = notifications_file.map(Path::to_owned);
        Ok(Self { path, listeners, data_dir: data_dir.to_owned(), notifications_file })
    }

    /// Starts a process and passes the sockets as standard input and output.
    ///
    /// The control plane uses neither, and these are the descriptors that a process can be given without `unsafe`.
    pub(super) fn start(&self) -> anyhow::Result<ControlPlaneChild> {
        let socket = |listener: &std::net::TcpListener| io::Result::Ok(Stdio::from(OwnedFd::from(listener.try_clone()?)));
        let (http, grpc) = (socket(&self.listeners.http), socket(&self.listeners.grpc));
        let (http, grpc) = (http.context("hand a socket over")?, grpc.context("hand a socket over")?);
        let mut command = Command::new(&self.path);
        command.args(["control-plane", "--demo", &getpid().as_raw_pid().to_string(), "--data-dir"]).arg(&self.data_dir);
        if let Some(file) = &self.notifications_file {
            command.arg("--notifications-file").arg(file);
        }
        // In its own process group it does not receive Ctrl-C: the pods stop first.
        command.stdin(http).stdout(grpc).process_group(0).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("start {} again as the control plane", self.path.display()))?;
        let id = child.id().context("start the control plane")?;
        Ok(ControlPlaneChild { child, id })
    }
}

impl ControlPlaneChild {
    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Waits until it ends.
    pub(super) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("wait for the control plane")
    }

    /// Sends SIGTERM, waits for `within`, then kills the process.
    pub(super) async fn leave(mut self, within: Duration) -> anyhow::Result<()> {
        self.ask_to_leave();
        let Ok(status) = timeout(within, self.ended()).await else {
            tracing::debug!("the control plane took too long to leave and is killed");
            return self.child.kill().await.context("kill the control plane");
        };
        match status? {
            status if status.code().is_some_and(|code| code != 0) => {
                bail!("the control plane has left in trouble ({})", cause(status))
            }
            _ => Ok(()),
        }
    }

    fn ask_to_leave(&self) {
        // The process id is only certain to be valid while the process has not been waited for.
        let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return };
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::debug!(%error, "the control plane ended before it could be signalled");
        }
    }
}
