//! Owns the terminal in raw mode and on the alternate screen; restores it on suspend, on exit and on panic.

use std::io::stdout;

use anyhow::Context;
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use ratatui::backend::CrosstermBackend;
use ratatui::{DefaultTerminal, Frame, Terminal};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{self, SignalKind};

/// The terminal in raw mode, without echo, on the alternate screen.
///
/// Dropping this restores the terminal. On a panic, the hook that is set here restores it before the message is
/// printed.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
    stops: unix::Signal,
}

impl Screen {
    /// Takes over the terminal.
    pub(super) fn take() -> anyhow::Result<Self> {
        let stops = unix::signal(SignalKind::from_raw(Signal::TSTP.as_raw())).context("listen for SIGTSTP")?;
        let terminal = ratatui::try_init().context("take over the terminal")?;
        Ok(Self { terminal, stops })
    }

    /// Draws a frame.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.terminal.draw(draw).map(drop).context("draw on the terminal")
    }

    /// Waits for SIGTSTP, as from `kill -TSTP`. In raw mode Ctrl-Z is a key and sends no signal.
    pub(super) async fn asked_to_stop(&mut self) {
        if self.stops.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Restores the terminal, suspends the process, and takes the terminal again when the shell resumes it (`fg`).
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        self.terminal.show_cursor().and_then(|()| ratatui::try_restore()).context("give the terminal back")?;
        // SIGSTOP cannot be caught; the call returns when the process is resumed.
        kill_process(getpid(), Signal::STOP).context("stop")?;
        enable_raw_mode().and_then(|()| execute!(stdout(), EnterAlternateScreen)).context("take the terminal again")?;
        // A new Terminal has no previous frame and draws everything. Clearing the old one would query the cursor
        // position.
        self.terminal = Terminal::new(CrosstermBackend::new(stdout())).context("look at the terminal")?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

#[cfg(test)]
mod tests;
