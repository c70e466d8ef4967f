//! The command `sitio`, as a person types it.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::programs::program;

/// How long a command may take that does not wait for anything.
const AT_ONCE: Duration = Duration::from_secs(20);

/// What a command has said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its output.
    pub out: String,
    /// What it said beside.
    pub err: String,
}

impl Said {
    /// Its output, if all went well.
    #[track_caller]
    pub fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Its output as JSON, if all went well.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.fine();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// What it said beside, if it ended with this code and had no output.
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

/// The command that asks the control plane on this port.
pub fn asking(http_port: u16, arguments: &[&str]) -> Command {
    let mut command = bare();
    command.env("SITIO_URL", format!("http://127.0.0.1:{http_port}")).args(arguments);
    command
}

/// Waits for a command to end by itself.
#[track_caller]
pub fn said(command: Command) -> Said {
    let mut process = Process::start(command);
    let status = process.ended(AT_ONCE);
    let text = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect();
    Said { code: status.code(), out: text(process.stdout()), err: text(process.stderr()) }
}
