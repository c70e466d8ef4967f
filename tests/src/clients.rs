//! Clients that send requests without pause and without retries, and record each response with its times.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::client::Client;

/// One request and its result.
#[derive(Debug)]
pub struct RequestResult {
    /// When it was sent.
    pub began: Instant,
    /// When its response was complete.
    pub ended: Instant,
    /// The status and the `x-sitio-error` header if the sidecar made the response; or the error.
    pub answer: io::Result<(u16, Option<String>)>,
}

/// Running clients.
pub struct Clients {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<RequestResult>>>,
}

impl Clients {
    /// Starts `clients` clients. Each takes the port of its next request from `port`, and reuses its connection while
    /// it can.
    pub fn start(clients: usize, port: impl Fn() -> u16 + Clone + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let client = |_| {
            let (stop, port) = (Arc::clone(&stop), port.clone());
            thread::spawn(move || {
                let (mut results, mut kept) = (Vec::new(), None);
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answer = ask(port(), &mut kept);
                    results.push(RequestResult { began, ended: Instant::now(), answer });
                }
                results
            })
        };
        Self { clients: (0..clients).map(client).collect(), stop }
    }

    /// Stops the clients, and returns all their requests.
    pub fn stop(self) -> Vec<RequestResult> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().expect("a client does not panic")).collect()
    }
}

fn ask(port: u16, kept: &mut Option<(u16, Client)>) -> io::Result<(u16, Option<String>)> {
    let mut client = match kept.take() {
        Some((there, client)) if there == port => client,
        _ => Client::try_connect(port)?,
    };
    client.try_send("GET /results HTTP/1.1\r\nHost: shop\r\n\r\n")?;
    let answer = client.try_response("GET")?;
    if answer.header("connection") != Some("close") {
        *kept = Some((port, client));
    }
    Ok((answer.status(), answer.header("x-sitio-error").map(str::to_owned)))
}
