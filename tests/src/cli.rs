//! Runs the `sitio` command as a user types it.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Process, program};

/// The timeout of a command that does not wait for anything.
const AT_ONCE: Duration = Duration::from_secs(20);

/// The result of a command.
#[derive(Debug)]
pub struct CommandOutput {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl CommandOutput {
    /// Its output; fails unless the exit code is 0.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Its output as JSON; fails unless the exit code is 0.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.success();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Its standard error; fails unless it ended with this code and without output.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{self:?}");
        self.err
    }
}

/// The command with an empty environment.
pub fn bare() -> Command {
    let mut command = Command::new(program("sitio"));
    command.env_clear();
    command
}

/// The command, set to use the control plane on this port.
pub fn client_command(http_port: u16, arguments: &[&str]) -> Command {
    let mut command = bare();
    command.env("SITIO_URL", format!("http://127.0.0.1:{http_port}")).args(arguments);
    command
}

/// Runs a command until it ends by itself.
#[track_caller]
pub fn run(command: Command) -> CommandOutput {
    let mut process = Process::start(command);
    let status = process.ended(AT_ONCE);
    let text = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect();
    CommandOutput { code: status.code(), out: text(process.stdout()), err: text(process.stderr()) }
}
