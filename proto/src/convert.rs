//! Conversions between the generated protobuf types and the types of `mesh`, with validation of what a peer sends.

mod callers;
pub mod exchanges;
mod fields;
pub mod greeting;
pub mod live;
pub mod pages;
pub mod report_buffer;
mod rule_totals;
pub mod rules;
mod stats;
pub mod taps;
pub mod windows;

/// Why a message is invalid. It names the field and the limit, for the developer of the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// A required field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field is too long, or has too many entries.
    #[error("{field} is over its limit of {limit}")]
    TooMuch {
        /// The field.
        field: &'static str,
        /// Bytes of a text, or entries of a list.
        limit: usize,
    },
    /// A field has an invalid value.
    #[error("{field} makes no sense: {why}")]
    Senseless {
        /// The field.
        field: &'static str,
        /// What is wrong with the value.
        why: String,
    },
}

/// Returns the text if it has at most `limit` bytes and no control character.
fn text(field: &'static str, value: String, limit: usize) -> Result<String, InvalidMessage> {
    if value.len() > limit {
        return Err(InvalidMessage::TooMuch { field, limit });
    }
    if value.chars().any(char::is_control) {
        return Err(InvalidMessage::Senseless { field, why: "it holds a control character".into() });
    }
    Ok(value)
}

/// Like [`text`], but the text must not be empty.
fn name(field: &'static str, value: String, limit: usize) -> Result<String, InvalidMessage> {
    if value.is_empty() { Err(InvalidMessage::Missing(field)) } else { text(field, value, limit) }
}

/// Returns the list if it has at most `limit` entries.
fn bounded<T>(field: &'static str, list: Vec<T>, limit: usize) -> Result<Vec<T>, InvalidMessage> {
    at_most(field, list.len(), limit).map(|()| list)
}

/// Checks that there are at most `limit` entries.
fn at_most(field: &'static str, count: usize, limit: usize) -> Result<(), InvalidMessage> {
    if count > limit { Err(InvalidMessage::TooMuch { field, limit }) } else { Ok(()) }
}
