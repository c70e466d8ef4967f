//! Lists as CSV: plain values under the names that the dashboard's files have, as safe to open in a spreadsheet.

pub(crate) mod audit;
pub(crate) mod callers;
pub(crate) mod endpoints;
pub(crate) mod history;
pub(crate) mod pods;
pub(crate) mod rules;

use control_plane::web::csv::Cell;

use crate::text::plain;

/// Words that a stranger may have chosen, whole, but with nothing in them that a terminal takes for an order.
fn words(text: &str) -> Cell {
    Cell::text(plain(text))
}

/// Words, if there are any.
fn some(text: Option<&str>) -> Cell {
    text.map_or(Cell::Missing, words)
}

/// A time in milliseconds.
fn ms(ms: Option<f64>) -> Cell {
    Cell::number(ms.map(|ms| format!("{ms:.3}")))
}

/// A number.
fn number(number: impl ToString) -> Cell {
    Cell::number(Some(number))
}

/// Requests per second.
fn rate(rps: f64) -> Cell {
    number(format!("{rps:.3}"))
}

/// A share, from 0 to 1.
fn ratio(ratio: f64) -> Cell {
    number(format!("{ratio:.6}"))
}

/// A word of the API, as the API writes it.
fn name(word: &impl serde::Serialize) -> Cell {
    let word = serde_json::to_value(word).ok();
    some(word.as_ref().and_then(serde_json::Value::as_str))
}

#[cfg(test)]
mod tests;
