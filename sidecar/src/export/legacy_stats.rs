//! Writes the statistics JSON of the original articles: the `/stats` page and the periodic lines on standard output.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use axum::http::StatusCode;
use mesh::endpoint::Endpoint;
use mesh::golden::{CLIENT_GONE, GoldenMetrics};
use serde::Serialize;
use serde_json::Number;
use tokio_util::sync::CancellationToken;

use crate::ledger::collector::LedgerHandle;
use crate::ledger::history::Remembered;
use crate::ledger::{Ledger, LedgerRow};
use crate::resources::Machine;

/// Statistics by route. All methods of one route share an entry; each exchange in the history keeps its own method.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Stats<'a>(BTreeMap<&'a str, StatsEntry<'a>>);

#[derive(Debug, Serialize)]
struct StatsEntry<'a> {
    hit: u64,
    /// Total time divided by hits; responses of a rule are not timed and do not lower it.
    avg: String,
    total: Number,
    file: bool,
    pod: &'a str,
    history: Vec<Item<'a>>,
    #[serde(skip)]
    golden: GoldenMetrics,
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    request: StatsRequest<'a>,
    response: StatsResponse<'a>,
    time: String,
    started: u64,
    resource: &'a Machine,
}

#[derive(Debug, Serialize)]
struct StatsRequest<'a> {
    endpoint: &'a str,
    method: &'a str,
}

#[derive(Debug, Serialize)]
struct StatsResponse<'a> {
    status: String,
    state: &'a str,
}

/// Returns everything that `pod` has counted since its start, in the JSON of the original articles.
pub fn json(ledger: &Ledger, pod: &str) -> String {
    let mut stats = Stats(BTreeMap::new());
    for (endpoint, row) in ledger.rows().filter(|(_, row)| row.total.hits > 0) {
        stats.0.entry(endpoint.route()).or_insert_with(|| StatsEntry::new(row.is_file, pod)).add(endpoint, row);
    }
    serde_json::to_string(&stats).expect("texts and numbers under keys of text are always JSON")
}

/// Prints the JSON at every interval, as the original articles do, and once more at drain.
pub async fn print(ledger_handle: LedgerHandle, pod: String, interval: Duration, drain: CancellationToken) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    loop {
        tokio::select! {
            _ = ticks.tick() => print_once(&ledger_handle, &pod).await,
            () = drain.cancelled() => return print_once(&ledger_handle, &pod).await,
        }
    }
}

async fn print_once(ledger_handle: &LedgerHandle, pod: &str) {
    ledger_handle.refresh().await;
    let json = ledger_handle.read(|ledger| json(ledger, pod));
    // A closed standard output is not an error.
    let _ = writeln!(std::io::stdout().lock(), "logs -> \n  {json}");
}

impl<'a> StatsEntry<'a> {
    fn new(file: bool, pod: &'a str) -> Self {
        let (avg, total, golden) = (milliseconds(0.0).1, 0.into(), GoldenMetrics::default());
        Self { hit: 0, avg, total, file, pod, history: Vec::new(), golden }
    }

    fn add(&mut self, endpoint: &'a Endpoint, row: &'a LedgerRow) {
        self.golden.merge(&row.total);
        self.hit = self.golden.hits;
        self.total = milliseconds(self.golden.total_us as f64).0;
        self.avg = milliseconds(self.golden.mean_us().unwrap_or(0.0)).1;
        self.history.extend(row.history.iter().map(|remembered| Item::new(endpoint, remembered)));
        self.history.sort_by_key(|item| item.started);
    }
}

impl<'a> Item<'a> {
    fn new(endpoint: &'a Endpoint, remembered: &'a Remembered) -> Self {
        let exchange = &remembered.exchange;
        let state = if exchange.reason.is_empty() { reason(exchange.status) } else { &exchange.reason };
        Self {
            request: StatsRequest { endpoint: &exchange.path, method: endpoint.method() },
            response: StatsResponse { status: exchange.status.to_string(), state },
            time: milliseconds(exchange.took_us as f64).1,
            started: exchange.started_ms,
            resource: &remembered.machine,
        }
    }
}

/// Converts to milliseconds with at most two decimals, as JavaScript prints them: a number, and a text with its unit.
fn milliseconds(us: f64) -> (Number, String) {
    let hundredths = (us / 10.0).round();
    let ms = hundredths / 100.0;
    let number = if hundredths % 100.0 == 0.0 { Number::from(ms as u64) } else { Number::from_f64(ms).unwrap_or(0.into()) };
    let text = format!("{number}ms");
    (number, text)
}

/// Returns the standard reason phrase of a status. The service may omit its own (RFC 9112, section 4).
fn reason(status: u16) -> &'static str {
    match StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
        Some(reason) => reason,
        None if status == CLIENT_GONE => "Client Closed Request",
        None => "",
    }
}

#[cfg(test)]
mod tests;
