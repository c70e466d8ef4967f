//! Clients that ask without pause and without a second try, and remember each answer with the time at which it was asked for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::client::Client;

/// One request and what became of it.
#[derive(Debug)]
pub struct Asked {
    /// When it was sent.
    pub began: Instant,
    /// When its answer was there.
    pub ended: Instant,
    /// The status, and the word of the sidecar if the answer is its own; or why there is no answer.
    pub answer: io::Result<(u16, Option<String>)>,
}

/// Clients at work.
pub struct Asking {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Asked>>>,
}

impl Asking {
    /// Starts so many. Each takes the port for its next request from `port`, and keeps a connection to it while it may.
    pub fn start(clients: usize, port: impl Fn() -> u16 + Clone + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let client = |_| {
            let (stop, port) = (Arc::clone(&stop), port.clone());
            thread::spawn(move || {
                let (mut asked, mut kept) = (Vec::new(), None);
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answer = ask(port(), &mut kept);
                    asked.push(Asked { began, ended: Instant::now(), answer });
                }
                asked
            })
        };
        Self { clients: (0..clients).map(client).collect(), stop }
    }

    /// Stops them, and tells everything that was asked.
    pub fn stop(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().expect("a client does not panic")).collect()
    }
}

fn ask(port: u16, kept: &mut Option<(u16, Client)>) -> io::Result<(u16, Option<String>)> {
    let mut client = match kept.take() {
        Some((there, client)) if there == port => client,
        _ => Client::try_connect(port)?,
    };
    client.try_send("GET /asked HTTP/1.1\r\nHost: shop\r\n\r\n")?;
    let answer = client.try_response("GET")?;
    if answer.header("connection") != Some("close") {
        *kept = Some((port, client));
    }
    Ok((answer.status(), answer.header("x-sitio-error").map(str::to_owned)))
}
