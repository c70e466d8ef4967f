//! Waits for the Enter key between two steps, if there is a terminal to press it on.

use std::io::{IsTerminal, stdin, stdout};

use tokio::sync::mpsc;

use crate::stdout::say;

/// Lines that may be typed ahead.
const LINES_MAX: usize = 16;

/// The keyboard of a terminal; absent without one.
#[derive(Debug)]
pub(super) struct Prompt(Option<mpsc::Receiver<()>>);

impl Prompt {
    /// Reads lines by a thread of its own: a read of a terminal cannot be cancelled, and must not keep the program from ending.
    pub(super) fn start() -> Self {
        if !stdin().is_terminal() || !stdout().is_terminal() {
            return Self(None);
        }
        let (sender, receiver) = mpsc::channel(LINES_MAX);
        std::thread::spawn(move || {
            let mut line = String::new();
            while stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0) && sender.blocking_send(()).is_ok() {
                line.clear();
            }
        });
        Self(Some(receiver))
    }

    /// Waits for the Enter key. Without a terminal, or at the end of its input, the tour goes on.
    pub(super) async fn next(&mut self) -> anyhow::Result<()> {
        if let Self(Some(lines)) = self {
            say("      Press Enter for the next step, Ctrl-C to end. ")?;
            lines.recv().await;
        }
        Ok(())
    }
}
