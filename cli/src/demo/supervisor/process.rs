//! One life of the control plane: started with the sockets handed over, asked to leave, killed if it does not.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use control_plane::control_plane::Listeners;
use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::demo::supervisor::deaths::cause;

/// What every life begins with.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    listeners: Listeners,
    data_dir: PathBuf,
}

/// A running control plane. If it is dropped, it is killed.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    id: u32,
}

impl Program {
    /// This program, which has a command for it.
    pub(super) fn of_ours(listeners: Listeners, data_dir: &Path) -> anyhow::Result<Self> {
        let path = env::current_exe().context("find the program of the control plane, which is this one")?;
        Ok(Self { path, listeners, data_dir: data_dir.to_owned() })
    }

    /// Starts a process.
    ///
    /// It has no use for standard input and output, and these are the two that a process can be given without `unsafe`.
    pub(super) fn start(&self) -> anyhow::Result<Process> {
        let socket = |listener: &std::net::TcpListener| io::Result::Ok(Stdio::from(OwnedFd::from(listener.try_clone()?)));
        let (http, grpc) = (socket(&self.listeners.http), socket(&self.listeners.grpc));
        let (http, grpc) = (http.context("hand a socket over")?, grpc.context("hand a socket over")?);
        let mut command = Command::new(&self.path);
        command.args(["control-plane", "--demo", &getpid().as_raw_pid().to_string(), "--data-dir"]).arg(&self.data_dir);
        // In a process group of its own it hears no Ctrl-C: the pods leave first.
        command.stdin(http).stdout(grpc).process_group(0).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("start {} again as the control plane", self.path.display()))?;
        let id = child.id().context("start the control plane")?;
        Ok(Process { child, id })
    }
}

impl Process {
    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Waits until it ends.
    pub(super) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("wait for the control plane")
    }

    /// Asks it to leave, and waits so long; then it is killed.
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
        // Only a process that was not waited for is sure to have this number still.
        let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return };
        if let Err(error) = kill_process(pid, Signal::TERM) {
            tracing::debug!(%error, "the control plane ended before it could be signalled");
        }
    }
}
