//! Tests that the terminal is restored after a panic and after an error, in a child process on a real pty.

use std::fs::File;
use std::io::{Read, Write, stderr};
use std::process::{Command, ExitStatus, Stdio};
use std::{env, thread};

use anyhow::bail;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::runtime::Builder;

use crate::top::screen::Screen;

/// The variable that sets how the child ends.
const ENDING: &str = "SITIO_TEST_ENDING";

/// The child's last message.
const LAST_WORDS: &str = "its last words";

/// The child: takes the terminal, draws on it, and ends in the given way, as `top` does.
fn end(ending: &str) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let outcome: anyhow::Result<()> = runtime.block_on(async {
        let mut screen = Screen::take()?;
        screen.draw(|frame| frame.render_widget("on the screen", frame.area()))?;
        match ending {
            "a panic" => panic!("{LAST_WORDS}"),
            "a question that panics" => Ok(runtime.spawn(async { panic!("{LAST_WORDS}") }).await?),
            _ => bail!(LAST_WORDS),
        }
    });
    writeln!(stderr(), "{outcome:?}").unwrap();
}

/// Runs the child on a pty; returns its status, its output, and whether the terminal is restored.
fn on_a_terminal(ending: &str) -> (ExitStatus, String, bool) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).and_then(|()| unlockpt(&ours)).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let terminal = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let before = tcgetattr(&terminal).unwrap().local_modes;

    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "--nocapture", "top::screen::tests::the_terminal_is_given_back_after_a_panic_and_after_an_error"]);
    let side = || Stdio::from(terminal.try_clone().unwrap());
    let mut child = child.env(ENDING, ending).stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
    // Our descriptor stays open: without it the pty is gone and its settings cannot be read.
    let mut output = File::from(ours.try_clone().unwrap());
    let reader = thread::spawn(move || {
        let (mut written, mut bytes) = (Vec::new(), [0; 4096]);
        // The other side is open in this process too, so there is no end of file; the loop ends at the test summary.
        while !String::from_utf8_lossy(&written).contains("test result:") {
            let count = output.read(&mut bytes).unwrap();
            written.extend_from_slice(&bytes[..count]);
        }
        String::from_utf8_lossy(&written).into_owned()
    });
    let status = child.wait().unwrap();
    let after = tcgetattr(&terminal).unwrap().local_modes;
    assert!(before.contains(LocalModes::ECHO | LocalModes::ICANON));
    (status, reader.join().unwrap(), after == before)
}

#[test]
fn the_terminal_is_given_back_after_a_panic_and_after_an_error() {
    if let Ok(ending) = env::var(ENDING) {
        return end(&ending);
    }
    for (ending, is_fine) in [("a panic", false), ("a question that panics", true), ("an error", true)] {
        let (status, written, is_restored) = on_a_terminal(ending);
        assert_eq!(status.success(), is_fine, "{ending}: {written}");
        assert!(is_restored, "{ending}: the terminal has no echo: {written}");
        let taken = written.find("\x1b[?1049h").unwrap_or_else(|| panic!("{ending}: it was never taken: {written}"));
        let given = written.find("\x1b[?1049l").unwrap_or_else(|| panic!("{ending}: it is not given back: {written}"));
        let said = written.find(LAST_WORDS).unwrap_or_else(|| panic!("{ending}: nothing is said: {written}"));
        assert!(taken < given && given < said, "{ending}: who reads the screen sees it: {written}");
        assert!(written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l"), "{ending}: the cursor is hidden: {written:?}");
    }
}
