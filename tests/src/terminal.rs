//! Runs a program on a pseudo-terminal: types keys, and reads the screen as a user sees it.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use anyhow::{Result, bail, ensure};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::eventually::{SOON, eventually};

/// A running program with its own terminal.
pub struct Terminal {
    child: Child,
    keyboard: File,
    /// The program's side of the pty, held open to read its settings after the program has ended.
    program_side: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts `command` on a terminal of this size.
    #[track_caller]
    pub fn start(command: &Command, lines: u16, columns: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there is a terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let terminal = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other side opens");
        tcsetwinsize(&terminal, size(lines, columns)).expect("it has a size");
        let side = || terminal.try_clone().expect("it can be shared");
        // The terminal controls a new session, so that a resize and Ctrl-C reach the program.
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        session.env_clear().env("TERM", "xterm-256color").env("PATH", std::env::var_os("PATH").unwrap_or_default());
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = session.stdin(side()).stdout(side()).stderr(side()).spawn().expect("util-linux has setsid");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(some(lines), some(columns), 0)));
        let keyboard = File::from(ours);
        read(keyboard.try_clone().expect("it can be shared"), Arc::clone(&screen));
        Self { child, keyboard, program_side: terminal, screen }
    }

    /// Types these keys.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Resizes the terminal.
    #[track_caller]
    pub fn resize(&mut self, lines: u16, columns: u16) {
        held(&self.screen).screen_mut().set_size(some(lines), some(columns));
        tcsetwinsize(&self.program_side, size(lines, columns)).expect("it takes a size");
    }

    /// The text of the screen.
    pub fn screen(&self) -> String {
        held(&self.screen).screen().contents()
    }

    /// Draws the screen with a function.
    pub fn picture(&self, draw: impl Fn(&vt100::Screen) -> String) -> String {
        draw(held(&self.screen).screen())
    }

    /// Waits until the screen satisfies a condition.
    #[track_caller]
    pub fn expect(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(SOON, || {
            let screen = self.screen();
            if wanted(&screen) {
                return Ok(screen);
            }
            match self.child.try_wait()? {
                Some(status) => bail!("it ended with {status} before it showed {what}:\n{screen}"),
                None => bail!("it has not shown {what}:\n{screen}"),
            }
        })
    }

    /// Waits until the screen contains this text.
    #[track_caller]
    pub fn expect_words(&mut self, words: &str) -> String {
        self.expect(words, |screen| screen.contains(words))
    }

    /// Whether the terminal is in its normal state: echo, line mode, the main screen, and a visible cursor.
    pub fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.program_side).expect("it has settings").local_modes;
        let screen = held(&self.screen);
        let is_usual = !screen.screen().alternate_screen() && !screen.screen().hide_cursor();
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG) && is_usual
    }

    /// Sends a signal to the program itself.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.program(), signal).expect("it runs");
    }

    /// Whether the program is stopped, as by Ctrl-Z.
    pub fn is_stopped(&self) -> bool {
        let answer = std::fs::read_to_string(format!("/proc/{}/stat", self.program().as_raw_pid())).expect("it runs");
        answer.rsplit(") ").next().is_some_and(|state| state.starts_with('T'))
    }

    #[track_caller]
    fn program(&self) -> Pid {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(children).expect("the kernel lists its children");
        let program = children.split_whitespace().next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        // `setsid` execs the program directly if it does not need to fork.
        program.unwrap_or(Pid::from_child(&self.child))
    }

    /// Waits until it ends by itself and its terminal is restored.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let status = eventually(SOON, || match self.child.try_wait()? {
            Some(status) => Ok(status),
            None => bail!("it is still running"),
        });
        eventually(SOON, || {
            ensure!(self.is_restored(), "the terminal is not as it was");
            Ok(())
        });
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("--- the screen:\n{}", self.screen());
        }
    }
}

/// Applies the program's output to the screen.
fn read(mut output: File, screen: Arc<Mutex<vt100::Parser>>) {
    thread::spawn(move || -> Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let count = output.read(&mut bytes)?;
            held(&screen).process(&bytes[..count]);
        }
    });
}

fn size(lines: u16, columns: u16) -> Winsize {
    Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[track_caller]
fn some(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a screen has lines and columns")
}

fn held(screen: &Mutex<vt100::Parser>) -> MutexGuard<'_, vt100::Parser> {
    screen.lock().expect("nothing panics while it holds the screen")
}
