//! The child process of `sitio run`: start, signals, and exit code.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, kill_process, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

use crate::interrupt::Interrupt;
use crate::stdout::beside;
use crate::token;

/// The time between the signal to stop and SIGKILL: as in Kubernetes, but shorter, because a user waits.
pub(super) const GRACE: Duration = Duration::from_secs(8);

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStarted {
    #[error("cannot run {0}: there is no such command")]
    Missing(String),
    #[error("cannot run {0}: it is not executable")]
    NotExecutable(String),
    #[error("cannot run {command}: {source}")]
    Other { command: String, source: io::Error },
}

impl NotStarted {
    /// The exit code that a shell uses for this error.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Missing(_) => 127,
            Self::NotExecutable(_) | Self::Other { .. } => 126,
        }
    }
}

/// A running program. Dropping it kills the program.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    pid: Option<Pid>,
    reach: Reach,
}

/// Which processes our signals reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Only the program. It shares our process group, to which the terminal itself sends Ctrl-C.
    Program,
    /// The program and all its descendants, in a process group of their own.
    Group,
}

impl Child {
    /// Starts a command with our standard input, output and error.
    ///
    /// In the foreground of a terminal it stays in our process group, so that it can read input, stops on Ctrl-Z and
    /// ends on Ctrl-C as without `sitio run`. Elsewhere only we can signal it to end.
    pub(super) fn start(command: &OsStr, arguments: &[OsString]) -> Result<Self, NotStarted> {
        let reach = if is_in_foreground() { Reach::Program } else { Reach::Group };
        let mut prepared = prepare(command, arguments);
        if reach == Reach::Group {
            prepared.process_group(0);
        }
        let name = || command.to_string_lossy().into_owned();
        let process = prepared.spawn().map_err(|source| match source.kind() {
            ErrorKind::NotFound => NotStarted::Missing(name()),
            ErrorKind::PermissionDenied => NotStarted::NotExecutable(name()),
            _ => NotStarted::Other { command: name(), source },
        })?;
        let pid = process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { process, pid, reach })
    }

    /// Waits until it ends.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.wait().await?;
        // The process id may now belong to another program, which must not receive our signals.
        self.pid = None;
        Ok(status)
    }

    /// Forwards an interrupt and waits; after the grace period, kills the program.
    pub(super) async fn end(&mut self, interrupt: Interrupt) -> io::Result<ExitStatus> {
        match interrupt {
            // The terminal has already sent SIGINT. Many programs take a second one as a request to end at once.
            Interrupt::CtrlC if self.reach == Reach::Program && is_in_foreground() => {
                if let Ok(status) = timeout(GRACE / 2, self.ended()).await {
                    return status;
                }
                self.signal(Signal::TERM);
            }
            Interrupt::CtrlC => self.signal(Signal::INT),
            Interrupt::Terminate => self.signal(Signal::TERM),
        }
        if let Ok(status) = timeout(GRACE, self.ended()).await {
            return status;
        }
        beside(&format!("sitio: it did not end within {} s and is killed", GRACE.as_secs()));
        self.signal(Signal::KILL);
        self.ended().await
    }

    fn signal(&self, signal: Signal) {
        let Some(pid) = self.pid else { return };
        let sent = match self.reach {
            Reach::Program => kill_process(pid, signal),
            Reach::Group => kill_process_group(pid, signal),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "the program ended before it could be signalled");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Builds the command without the token variables: the program does not need the token, which grants access to the
/// whole mesh.
fn prepare(command: &OsStr, arguments: &[OsString]) -> Command {
    let mut prepared = Command::new(command);
    prepared.args(arguments).kill_on_drop(true);
    for variable in token::VARIABLES {
        prepared.env_remove(variable);
    }
    prepared
}

/// Whether our process group is the terminal's foreground group, which receives Ctrl-C.
fn is_in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground == getpgrp())
}

/// The exit code that a shell would report.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let signalled = status.signal().map(|signal| 128 + signal);
    // Codes are bytes on Unix, and signals are below 65.
    status.code().or(signalled).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Child::start(OsStr::new("sh"), &["-c".into(), script.into()]).unwrap()
    }

    #[test]
    fn a_program_does_not_inherit_the_token() {
        let prepared = prepare(OsStr::new("sh"), &[]);
        let removed: Vec<_> = prepared.as_std().get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert_eq!(removed, token::VARIABLES);
    }

    #[tokio::test]
    async fn a_programs_exit_code_is_passed_on() {
        let status = shell("exit 7").ended().await.unwrap();
        assert_eq!(exit_code(status), 7);
    }

    #[tokio::test]
    async fn a_program_killed_by_a_signal_exits_as_in_a_shell() {
        let status = shell("kill -9 $$").ended().await.unwrap();
        assert_eq!(exit_code(status), 137);
    }

    #[tokio::test]
    async fn a_termination_reaches_the_program() {
        let mut sleeper = shell("exec sleep 60");
        let status = sleeper.end(Interrupt::Terminate).await.unwrap();
        assert_eq!(exit_code(status), 143);
    }

    #[test]
    fn a_command_that_cannot_start_is_reported_as_by_a_shell() {
        let missing = Child::start(OsStr::new("no-such-command-of-sitio"), &[]).unwrap_err();
        assert_eq!(
            (missing.code(), missing.to_string().as_str()),
            (127, "cannot run no-such-command-of-sitio: there is no such command")
        );
        let folder = Child::start(OsStr::new("/"), &[]).unwrap_err();
        assert_eq!((folder.code(), folder.to_string().as_str()), (126, "cannot run /: it is not executable"));
    }
}
