//! The one door between the wire and the vocabulary, and the place where what a peer says is checked.

mod callers;
pub mod exchanges;
mod fields;
pub mod greeting;
pub mod live;
pub mod pages;
pub mod reading;
pub mod rules;
mod stats;
pub mod taps;
pub mod windows;

/// Why a message was not let in. It names the field and the bound, for whoever wrote the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field is longer, or there are more of it, than can be afforded.
    #[error("{field} is over its limit of {limit}")]
    TooMuch {
        /// The field.
        field: &'static str,
        /// Bytes of a text, entries of a list.
        limit: usize,
    },
    /// A field has a value that means nothing.
    #[error("{field} makes no sense: {why}")]
    Senseless {
        /// The field.
        field: &'static str,
        /// What would have made sense.
        why: String,
    },
}

/// Lets a text in if it is not longer than `limit` bytes and holds no control character.
fn text(field: &'static str, value: String, limit: usize) -> Result<String, Refused> {
    if value.len() > limit {
        return Err(Refused::TooMuch { field, limit });
    }
    if value.chars().any(char::is_control) {
        return Err(Refused::Senseless { field, why: "it holds a control character".into() });
    }
    Ok(value)
}

/// Lets a text in that must not be empty.
fn name(field: &'static str, value: String, limit: usize) -> Result<String, Refused> {
    if value.is_empty() { Err(Refused::Missing(field)) } else { text(field, value, limit) }
}

/// Lets a list in if it is not longer than `limit`.
fn bounded<T>(field: &'static str, list: Vec<T>, limit: usize) -> Result<Vec<T>, Refused> {
    at_most(field, list.len(), limit).map(|()| list)
}

/// Lets something in of which there are no more than `limit`.
fn at_most(field: &'static str, count: usize, limit: usize) -> Result<(), Refused> {
    if count > limit { Err(Refused::TooMuch { field, limit }) } else { Ok(()) }
}
