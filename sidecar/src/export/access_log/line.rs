//! The JSON lines of the access log: field names and units.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesh::endpoint::Endpoint;
use mesh::exchange::{Exchange, Outcome};
use mesh::visible;
use serde::{Serialize, Serializer};

/// The latest instant that a line can format: the end of the year 9999.
const MS_MAX: u64 = 253_402_300_799_999;

/// The line of one exchange.
#[derive(Serialize)]
pub(super) struct LogLine<'a> {
    #[serde(serialize_with = "as_text")]
    time: humantime::Rfc3339Timestamp,
    method: &'a str,
    route: &'a str,
    path: &'a str,
    status: u16,
    #[serde(serialize_with = "as_text")]
    outcome: Outcome,
    /// Why a request was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_us: Option<u64>,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    pod: &'a str,
}

/// The line that reports exchanges left out.
#[derive(Serialize)]
pub(super) struct Gap<'a> {
    #[serde(serialize_with = "as_text")]
    time: humantime::Rfc3339Timestamp,
    left_out: u64,
    left_out_total: u64,
    pod: &'a str,
}

impl<'a> LogLine<'a> {
    pub(super) fn new(endpoint: &'a Endpoint, exchange: &'a Exchange, pod: &'a str) -> Self {
        let started = UNIX_EPOCH + Duration::from_millis(exchange.started_ms.min(MS_MAX));
        Self {
            time: humantime::format_rfc3339_millis(started),
            method: endpoint.method(),
            route: endpoint.route(),
            path: exchange.path.split(['?', '#']).next().unwrap_or_default(),
            status: exchange.status,
            outcome: exchange.outcome,
            reason: (exchange.outcome == Outcome::BadRequest).then_some(exchange.reason.as_str()),
            duration_us: exchange.took_us,
            first_byte_us: exchange.first_byte_us,
            bytes_in: exchange.bytes_in,
            bytes_out: exchange.bytes_out,
            caller: exchange.caller,
            trace_id: exchange.trace.map(|trace| trace.to_string()),
            rule: exchange.rule.as_deref(),
            pod,
        }
    }
}

impl<'a> Gap<'a> {
    pub(super) fn new(now: SystemTime, left_out: u64, left_out_total: u64, pod: &'a str) -> Self {
        Self { time: humantime::format_rfc3339_millis(now), left_out, left_out_total, pod }
    }
}

/// Writes one line. JSON escapes every character that could end it early; characters that a terminal hides or that
/// change the direction of text are escaped, too.
pub(super) fn write(chunk: &mut Vec<u8>, line: &impl Serialize) {
    let from = chunk.len();
    serde_json::to_writer(&mut *chunk, line).expect("texts and numbers are always JSON, and a Vec takes them all");
    if let Ok(text) = std::str::from_utf8(&chunk[from..])
        && let Cow::Owned(escaped) = visible::json(text)
    {
        chunk.truncate(from);
        chunk.extend_from_slice(escaped.as_bytes());
    }
    chunk.write_all(b"\n").expect("a Vec takes it");
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
