//! Writes one line of JSON per exchange to standard output, up to a configured rate, and counts the lines left out.

use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::export::access_log::line::{Gap, LogLine};
use crate::recorder::completed_exchange::CompletedExchange;
use crate::recorder::exchange_bus::{ExchangeBus, ExchangeFilter, Subscription};

mod line;

/// How often exchanges are fetched and written, as a batch.
const INTERVAL: Duration = Duration::from_millis(100);

/// Exchanges that may wait to be written: more than a second's worth at any sensible rate. 8,192 take about 4 MiB, which
/// is used only if the log is on and the output does not keep up.
const WAITING_MAX: u32 = 8192;

/// The shortest time between two lines that report left-out exchanges; `/metrics` has the count too.
const LEFT_OUT_INTERVAL: Duration = Duration::from_secs(1);

/// How long the reader of the output may take to accept the last chunk.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// The format of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// There is no access log.
    Off,
    /// One line of JSON per exchange.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "off" => Ok(Self::Off),
            "json" => Ok(Self::Json),
            _ => Err("json or off"),
        }
    }
}

/// Counters of the access log.
#[derive(Debug, Default)]
pub struct LineCounts {
    /// Exchanges handed to the output.
    pub written: AtomicU64,
    /// Exchanges left out, because there were too many or the output was not read.
    pub left_out: AtomicU64,
}

/// The access log, before and while it is written.
pub struct AccessLog {
    reading: Subscription<LoggedExchange>,
    pod: String,
    lines_per_second: u32,
    lines: Arc<LineCounts>,
    budget: f64,
    at: Instant,
    left_out: ReportedLoss,
}

/// How many left-out exchanges a line has already reported, and when.
struct ReportedLoss {
    count: u64,
    at: Option<Instant>,
}

/// A filter that accepts every exchange.
struct Everything;

/// An exchange and the endpoint that it was counted under.
pub(crate) struct LoggedExchange {
    endpoint: Endpoint,
    exchange: Exchange,
}

impl ExchangeFilter for Everything {
    type Record = LoggedExchange;

    fn wants(&self, _: &Endpoint, _: &CompletedExchange<'_>) -> bool {
        true
    }

    fn wants_refusals(&self) -> bool {
        true
    }

    fn record(&self, endpoint: &Endpoint, finished: &CompletedExchange<'_>) -> LoggedExchange {
        LoggedExchange { endpoint: endpoint.clone(), exchange: finished.into() }
    }
}

impl AccessLog {
    /// Opens a log of the exchanges that pass `exchange_bus` from now on. It writes at most `lines_per_second` in the long
    /// run; a burst may have twice as many.
    pub fn open(
        exchange_bus: &Arc<ExchangeBus>,
        pod: String,
        lines_per_second: u32,
        lines: Arc<LineCounts>,
    ) -> anyhow::Result<Self> {
        let room = lines_per_second.clamp(1, WAITING_MAX) as usize;
        let reading = exchange_bus.read(room, Everything).context("open the access log")?;
        let budget = f64::from(lines_per_second);
        let left_out = ReportedLoss { count: 0, at: None };
        Ok(Self { reading, pod, lines_per_second, lines, budget, at: Instant::now(), left_out })
    }

    /// Writes until drained. Only the writer thread ever waits for `output`.
    pub async fn run(mut self, output: impl Write + Send + 'static, drain: CancellationToken) {
        let (chunks, ended) = match write_to(output) {
            Ok(writing) => writing,
            Err(why) => return tracing::error!("there is no access log: {why}"),
        };
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = drain.cancelled() => break,
            }
            if chunks.is_closed() {
                return tracing::warn!("standard output cannot be written to any more: there is no access log from here on");
            }
            self.offer(&chunks);
        }
        self.budget = f64::from(WAITING_MAX);
        if let Ok(Ok(place)) = tokio::time::timeout(LAST_WORDS_TIMEOUT, chunks.reserve()).await {
            place.send(self.chunk(Instant::now()));
        }
        drop(chunks);
        if tokio::time::timeout(LAST_WORDS_TIMEOUT, ended).await.is_err() {
            tracing::warn!("standard output has no reader: the end of the access log is lost");
        }
    }

    /// Hands the due lines to the writer. If it still waits for the output, they stay queued, as long as there is room.
    fn offer(&mut self, chunks: &mpsc::Sender<Vec<u8>>) {
        let Ok(place) = chunks.try_reserve() else { return self.count_left_out() };
        let chunk = self.chunk(Instant::now());
        if !chunk.is_empty() {
            place.send(chunk);
        }
    }

    /// Takes the lines that the rate allows now.
    fn chunk(&mut self, now: Instant) -> Vec<u8> {
        let rate = f64::from(self.lines_per_second);
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        (self.budget, self.at) = ((self.budget + earned).min(self.budget.max(rate)), now);
        let mut records = Vec::new();
        let taken = self.reading.take(self.budget as usize, &mut records);
        self.budget -= taken as f64;
        self.count_left_out();
        let mut chunk = Vec::new();
        for record in &records {
            line::write(&mut chunk, &LogLine::new(&record.endpoint, &record.exchange, &self.pod));
        }
        self.lines.written.fetch_add(taken as u64, Ordering::Relaxed);
        self.write_left_out(&mut chunk, now);
        chunk
    }

    fn write_left_out(&mut self, chunk: &mut Vec<u8>, now: Instant) {
        let total = self.reading.missed();
        let is_due = self.left_out.at.is_none_or(|at| now.saturating_duration_since(at) >= LEFT_OUT_INTERVAL);
        if total > self.left_out.count && is_due {
            let left_out = total - self.left_out.count;
            line::write(chunk, &Gap::new(SystemTime::now(), left_out, total, &self.pod));
            self.left_out = ReportedLoss { count: total, at: Some(now) };
        }
    }

    fn count_left_out(&self) {
        self.lines.left_out.store(self.reading.missed(), Ordering::Relaxed);
    }
}

/// Starts a thread that writes each chunk it receives; the oneshot fires when it ends. The thread owns nothing else, so
/// an output that is not read blocks only this thread.
fn write_to(mut output: impl Write + Send + 'static) -> io::Result<(mpsc::Sender<Vec<u8>>, oneshot::Receiver<()>)> {
    let (chunks, mut given) = mpsc::channel::<Vec<u8>>(1);
    let (ending, ended) = oneshot::channel();
    thread::Builder::new().name("access-log".to_owned()).spawn(move || {
        while let Some(chunk) = given.blocking_recv() {
            if output.write_all(&chunk).and_then(|()| output.flush()).is_err() {
                break; // The reader has closed the output: stop.
            }
        }
        drop(given);
        let _ = ending.send(());
    })?;
    Ok((chunks, ended))
}

#[cfg(test)]
mod tests;
