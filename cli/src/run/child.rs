//! The program that is decorated: started, told to end, waited for.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, kill_process, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

use crate::interrupt::Interrupt;
use crate::say::beside;
use crate::token;

/// How long a program may take to end once it was told to, as Kubernetes does it but with a person waiting.
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
    /// What a shell exits with in this case.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Missing(_) => 127,
            Self::NotExecutable(_) | Self::Other { .. } => 126,
        }
    }
}

/// A running program. If it is dropped, it is killed.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    pid: Option<Pid>,
    reach: Reach,
}

/// Who hears a signal of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The program alone. It shares our process group, to whose members the terminal itself sends Ctrl-C.
    Program,
    /// The program and all that it has started, in a process group of their own.
    Group,
}

impl Child {
    /// Starts a command with our own standard input, output and errors.
    ///
    /// On a terminal in the foreground it stays in our process group, so that it may read what is typed, stops on
    /// Ctrl-Z and ends on Ctrl-C as without us. Anywhere else nobody but us can tell it to end.
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
        // Its number may now be given to another program, which must not hear from us.
        self.pid = None;
        Ok(status)
    }

    /// Passes an interrupt on, and waits; who does not listen is killed after the grace.
    pub(super) async fn end(&mut self, interrupt: Interrupt) -> io::Result<ExitStatus> {
        match interrupt {
            // The terminal has told it already. Twice would mean: at once.
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

/// The command without the token: the program has no use for it, and it opens the whole mesh.
fn prepare(command: &OsStr, arguments: &[OsString]) -> Command {
    let mut prepared = Command::new(command);
    prepared.args(arguments).kill_on_drop(true);
    for variable in token::VARIABLES {
        prepared.env_remove(variable);
    }
    prepared
}

/// Whether our process group is the one that the terminal sends Ctrl-C to.
fn is_in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground == getpgrp())
}

/// What a shell would exit with.
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
    fn what_cannot_be_started_is_told_as_in_a_shell() {
        let missing = Child::start(OsStr::new("no-such-command-of-sitio"), &[]).unwrap_err();
        assert_eq!(
            (missing.code(), missing.to_string().as_str()),
            (127, "cannot run no-such-command-of-sitio: there is no such command")
        );
        let folder = Child::start(OsStr::new("/"), &[]).unwrap_err();
        assert_eq!((folder.code(), folder.to_string().as_str()), (126, "cannot run /: it is not executable"));
    }
}
