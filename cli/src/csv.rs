//! CSV output of lists, with the same column names and spreadsheet escaping as the dashboard's CSV files.

pub(crate) mod audit;
pub(crate) mod callers;
pub(crate) mod endpoints;
pub(crate) mod history;
pub(crate) mod notifications;
pub(crate) mod pods;
pub(crate) mod rules;

use format::csv::CsvCell;

use crate::sanitize::plain;

/// Untrusted text, in full, with control characters escaped so that a terminal does not interpret them.
fn words(text: &str) -> CsvCell {
    CsvCell::text(plain(text))
}

/// Optional text.
fn some(text: Option<&str>) -> CsvCell {
    text.map_or(CsvCell::Missing, words)
}

/// A duration in milliseconds.
fn ms(ms: Option<f64>) -> CsvCell {
    CsvCell::number(ms.map(|ms| format!("{ms:.3}")))
}

/// A number.
fn number(number: impl ToString) -> CsvCell {
    CsvCell::number(Some(number))
}

/// Requests per second.
fn rate(rps: f64) -> CsvCell {
    number(format!("{rps:.3}"))
}

/// A ratio from 0 to 1.
fn ratio(ratio: f64) -> CsvCell {
    number(format!("{ratio:.6}"))
}

/// An enum value as the API spells it.
fn name(word: &impl serde::Serialize) -> CsvCell {
    let word = serde_json::to_value(word).ok();
    some(word.as_ref().and_then(serde_json::Value::as_str))
}

#[cfg(test)]
mod tests;
