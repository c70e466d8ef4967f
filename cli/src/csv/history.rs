//! The recent requests of an endpoint as CSV.

use api::history::{Exchange, History};
use format::column::{Column, RequestColumn};
use format::csv::{CsvCell, table};

use crate::csv::{ms, number, some, words};

/// One line for each exchange.
pub(crate) fn file(history: &History) -> String {
    table(RequestColumn::ALL, &history.exchanges, |exchange, column| cell(exchange, &history.method, column))
}

fn cell(exchange: &Exchange, method: &str, column: RequestColumn) -> CsvCell {
    match column {
        RequestColumn::Started => words(&exchange.started),
        RequestColumn::Status => number(exchange.status),
        RequestColumn::Method => words(method),
        RequestColumn::Path => words(&exchange.path),
        RequestColumn::Took => ms(Some(exchange.took_ms)),
        RequestColumn::FirstByte => ms(exchange.first_byte_ms),
        RequestColumn::BytesIn => number(exchange.bytes_in),
        RequestColumn::BytesOut => number(exchange.bytes_out),
        RequestColumn::Caller => some(exchange.caller.as_deref()),
        RequestColumn::Pod => words(&exchange.pod),
        RequestColumn::Trace => some(exchange.trace_id.as_deref()),
        RequestColumn::Rule => some(exchange.rule.as_deref()),
        RequestColumn::Outcome => words(&exchange.outcome),
    }
}
