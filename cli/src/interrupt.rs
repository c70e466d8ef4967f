//! Ctrl-C and its relatives: the first asks for an orderly end, the second for an end at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What a person or the system asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// SIGINT, which a terminal sends on Ctrl-C.
    CtrlC,
    /// SIGTERM, or SIGHUP when the terminal is closed.
    Terminate,
}

impl Interrupt {
    /// What a shell says of a program that ended by this.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::CtrlC => 130,
            Self::Terminate => 143,
        }
    }
}

/// Hears of the first interrupt. Clones hear of the same one.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts(watch::Receiver<Option<Interrupt>>);

/// Says that there was one.
#[derive(Debug)]
pub(crate) struct Bell(watch::Sender<Option<Interrupt>>);

/// A bell and those who hear it.
pub(crate) fn bell() -> (Bell, Interrupts) {
    let (tell, told) = watch::channel(None);
    (Bell(tell), Interrupts(told))
}

impl Interrupts {
    /// Waits for the first interrupt; returns at once if it has been.
    pub(crate) async fn first(&mut self) -> Interrupt {
        match self.0.wait_for(Option::is_some).await {
            Ok(told) => told.expect("it was waited for"),
            // Nobody can ring any more.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Bell {
    /// Rings at the first interrupt, and returns at the second.
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
