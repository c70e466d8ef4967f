//! Runs a child process, collects its output, and ends it when dropped.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::eventually::{SOON, eventually};

/// The time between SIGTERM and SIGKILL.
const LEAVE: Duration = Duration::from_secs(8);

/// The number of output lines kept, so that a program that logs every exchange under load does not fill the test's
/// memory.
const LINES_MAX: usize = 20_000;

/// A running child process.
pub struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Process {
    /// Starts `command`, and collects its output.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().rsplit('/').next().unwrap_or_default().to_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {name}: {error}"));
        let stdout = keep(child.stdout.take().expect("stdout is piped"));
        let stderr = keep(child.stderr.take().expect("stderr is piped"));
        Self { name, child, stdout, stderr }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        kept(&self.stdout).clone()
    }

    /// The lines of standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        kept(&self.stderr).clone()
    }

    /// Waits for the first output line, of stdout or stderr, in which `wanted` finds a value.
    #[track_caller]
    pub fn line<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        eventually(SOON, || {
            let lines = [self.stdout(), self.stderr()].concat();
            if let Some(found) = lines.iter().find_map(|line| wanted(line)) {
                return Ok(found);
            }
            match self.child.try_wait()? {
                Some(status) => bail!("{} ended with {status} before it said {what}:\n{}", self.name, lines.join("\n")),
                None => bail!("{} has not said {what}:\n{}", self.name, lines.join("\n")),
            }
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // The process may be gone already; then the signal is not needed.
        let _ = kill_process(self.pid(), signal);
    }

    /// Kills it, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it ends by itself and all its output is read.
    #[track_caller]
    pub fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let name = self.name.clone();
        let status = eventually(deadline, || match self.child.try_wait()? {
            Some(status) => Ok(status),
            None => bail!("{name} is still running"),
        });
        // Each reader thread holds a second reference to its lines until it has read to the end.
        let _ = self.drained(Instant::now() + Duration::from_secs(2));
        status
    }

    fn drained(&self, until: Instant) -> Result<()> {
        while Arc::strong_count(&self.stdout) + Arc::strong_count(&self.stderr) > 2 {
            if Instant::now() > until {
                bail!("another process holds the output of {}", self.name);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let until = Instant::now() + LEAVE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(5));
            }
            self.kill();
        }
        if thread::panicking() {
            let said = [self.stdout(), self.stderr()].concat();
            let last = &said[said.len().saturating_sub(40)..];
            eprintln!("--- {} ({}) said:\n{}", self.name, self.child.id(), last.join("\n"));
        }
    }
}

/// Reads a pipe to its end, so that the child never blocks on it.
fn keep(pipe: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let kept = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut lines = self::kept(&kept);
            if lines.len() < LINES_MAX {
                lines.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
    });
    lines
}

fn kept(lines: &Lines) -> MutexGuard<'_, Vec<String>> {
    lines.lock().expect("nothing panics while it holds the lines")
}

/// The path of a program in the target directory of this test.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let this = env::current_exe().expect("the system knows the path of this test");
    let found = this.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built beside {}: run `make test`", this.display()))
}

/// The path of a file of this crate, such as `node_modules/axe-core/axe.min.js`.
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
