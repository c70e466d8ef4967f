//! Measures response times and their percentiles.

use std::time::{Duration, Instant};

use crate::client::{Client, Response};

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
