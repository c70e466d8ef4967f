//! Generates load on many connections, counts the responses by status, and measures latencies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{Client, Response};

/// The number of responses by status; 0 means no response.
pub type Tally = BTreeMap<u16, u64>;

/// Sends `requests` GETs of `target` on each of `connections` connections, and waits for all responses.
pub fn send_all(port: u16, connections: usize, requests: u64, target: &str) -> Tally {
    let askers: Vec<_> = (0..connections)
        .map(|_| {
            let target = target.to_owned();
            thread::spawn(move || ask(port, &target, |sent| sent < requests))
        })
        .collect();
    add_up(askers)
}

/// A load that runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    askers: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// Starts to request `target` on this number of connections.
    pub fn start(port: u16, connections: usize, target: &str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let asker = || {
            let (stop, target) = (Arc::clone(&stop), target.to_owned());
            thread::spawn(move || ask(port, &target, |_| !stop.load(Ordering::Relaxed)))
        };
        let askers = (0..connections).map(|_| asker()).collect();
        Self { stop, askers }
    }

    /// Stops the load, and returns the counts.
    pub fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        add_up(self.askers)
    }
}

/// The number of all responses.
pub fn total(tally: &Tally) -> u64 {
    tally.values().sum()
}

/// Latencies, unsorted.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sends a GET on a connection, and records its latency.
    #[track_caller]
    pub fn get(&mut self, client: &mut Client, target: &str) -> Response {
        let began = Instant::now();
        let answer = client.get(target);
        self.0.push(began.elapsed());
        answer
    }

    /// The 99th percentile.
    pub fn p99(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
    }

    /// The maximum.
    pub fn max(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }
}

fn ask(port: u16, target: &str, goes_on: impl Fn(u64) -> bool) -> Tally {
    let request = format!("GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n");
    let mut tally = Tally::new();
    let mut client = None;
    let mut sent = 0;
    while goes_on(sent) {
        let mut exchange = || {
            let mut asking = match client.take() {
                Some(client) => client,
                None => Client::try_connect(port)?,
            };
            asking.try_send(&request)?;
            let response = asking.try_response("GET")?;
            if response.header("connection") != Some("close") {
                client = Some(asking);
            }
            Ok::<_, std::io::Error>(response.status())
        };
        *tally.entry(exchange().unwrap_or(0)).or_default() += 1;
        sent += 1;
    }
    tally
}

fn add_up(askers: Vec<JoinHandle<Tally>>) -> Tally {
    let mut sum = Tally::new();
    for asker in askers {
        for (status, count) in asker.join().expect("an asker does not panic") {
            *sum.entry(status).or_default() += count;
        }
    }
    sum
}
