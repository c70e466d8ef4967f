//! The recent requests of an endpoint as CSV.

use client::history::{Exchange, History};
use format::csv::{CsvCell, text};

use crate::csv::{ms, number, some, words};

const HEADS: [&str; 13] = [
    "started",
    "status",
    "method",
    "path",
    "took_ms",
    "first_byte_ms",
    "bytes_in",
    "bytes_out",
    "caller",
    "pod",
    "trace",
    "rule",
    "outcome",
];

/// One line for each exchange.
pub(crate) fn file(history: &History) -> String {
    text(&HEADS, history.exchanges.iter().map(|exchange| row(exchange, &history.method)))
}

fn row(exchange: &Exchange, method: &str) -> Vec<CsvCell> {
    vec![
        words(&exchange.started),
        number(exchange.status),
        words(method),
        words(&exchange.path),
        ms(Some(exchange.took_ms)),
        ms(exchange.first_byte_ms),
        number(exchange.bytes_in),
        number(exchange.bytes_out),
        some(exchange.caller.as_deref()),
        words(&exchange.pod),
        some(exchange.trace_id.as_deref()),
        some(exchange.rule.as_deref()),
        words(&exchange.outcome),
    ]
}
