//! How long answers took, and what share of them took longer.

use std::time::{Duration, Instant};

use crate::client::{Client, Response};

/// Latencies, in no order.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sends a GET on a connection, and adds how long its answer took.
    #[track_caller]
    pub fn get(&mut self, client: &mut Client, target: &str) -> Response {
        let began = Instant::now();
        let answer = client.get(target);
        self.0.push(began.elapsed());
        answer
    }

    /// 99 of 100 took no longer.
    pub fn p99(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
    }

    /// None took longer.
    pub fn max(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }
}
