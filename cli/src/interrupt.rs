//! Handles SIGINT, SIGTERM and SIGHUP: the first starts a graceful stop, the second ends the process at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The kind of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// SIGINT, which a terminal sends on Ctrl-C.
    CtrlC,
    /// SIGTERM, or SIGHUP when the terminal is closed.
    Terminate,
}

impl Interrupt {
    /// The exit code by which a shell reports a process that this signal ended.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::CtrlC => 130,
            Self::Terminate => 143,
        }
    }
}

/// Receives the first interrupt. Clones receive the same one.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts(watch::Receiver<Option<Interrupt>>);

/// Sends the first interrupt to all receivers.
#[derive(Debug)]
pub(crate) struct Bell(watch::Sender<Option<Interrupt>>);

/// Creates a sender and its receiver.
pub(crate) fn bell() -> (Bell, Interrupts) {
    let (print, output) = watch::channel(None);
    (Bell(print), Interrupts(output))
}

impl Interrupts {
    /// Waits for the first interrupt; returns at once if it has already arrived.
    pub(crate) async fn first(&mut self) -> Interrupt {
        match self.0.wait_for(Option::is_some).await {
            Ok(output) => output.expect("it was waited for"),
            // The sender is gone, so no interrupt can follow.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Bell {
    /// Notifies the receivers at the first interrupt, and returns at the second.
    pub(crate) async fn watch(self) -> io::Result<Interrupt> {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let mut hangups = signal(SignalKind::hangup())?;
        loop {
            let interrupt = tokio::select! {
                _ = interrupts.recv() => Interrupt::CtrlC,
                _ = terminations.recv() => Interrupt::Terminate,
                _ = hangups.recv() => Interrupt::Terminate,
            };
            if self.0.send_replace(Some(interrupt)).is_some() {
                return Ok(interrupt);
            }
        }
    }
}
