//! The terminal while it is ours: taken, lent to the shell when somebody stops us, and given back however this ends.

use std::io::stdout;

use anyhow::Context;
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use ratatui::backend::CrosstermBackend;
use ratatui::{DefaultTerminal, Frame, Terminal};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{self, SignalKind};

/// A terminal without echo, line by line no more, that shows a screen of its own.
///
/// It is given back when this is dropped. A panic gives it back, too, before it is told, by the hook that is set with it.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
    stops: unix::Signal,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn take() -> anyhow::Result<Self> {
        let stops = unix::signal(SignalKind::from_raw(Signal::TSTP.as_raw())).context("listen for SIGTSTP")?;
        let terminal = ratatui::try_init().context("take over the terminal")?;
        Ok(Self { terminal, stops })
    }

    /// Draws everything anew.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.terminal.draw(draw).map(drop).context("draw on the terminal")
    }

    /// Waits until somebody wants us to stop, as `kill -TSTP` does; Ctrl-Z is a key as long as the terminal is ours.
    pub(super) async fn asked_to_stop(&mut self) {
        if self.stops.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Lends the terminal to the shell, stops, and takes it again once the shell lets us go on (`fg`).
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        self.terminal.show_cursor().and_then(|()| ratatui::try_restore()).context("give the terminal back")?;
        // This one cannot be caught, and so returns when it is over.
        kill_process(getpid(), Signal::STOP).context("stop")?;
        enable_raw_mode().and_then(|()| execute!(stdout(), EnterAlternateScreen)).context("take the terminal again")?;
        // One that remembers nothing draws everything. To clear the old one would ask the terminal where its cursor is.
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
