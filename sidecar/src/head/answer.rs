//! A response made by the sidecar itself, and a change to a message of another party.

use std::borrow::Cow;

use bytes::Bytes;

/// The audience of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person with a browser.
    Person,
    /// Anything else.
    Program,
}

/// A change to one field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Sets a field and replaces all fields of that name.
    Set(Cow<'static, str>, Cow<'static, str>),
    /// Adds a field beside those of that name.
    Add(Cow<'static, str>, Cow<'static, str>),
    /// Removes all fields of that name.
    Remove(Cow<'static, str>),
}

impl Edit {
    /// The name of the changed field.
    pub fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Add(name, _) | Self::Remove(name) => name,
        }
    }

    /// Whether it takes the fields that a message has of this name away.
    pub fn takes_away(&self, name: &str) -> bool {
        !matches!(self, Self::Add(..)) && self.name().eq_ignore_ascii_case(name)
    }

    /// The field that it writes.
    pub fn written(&self) -> Option<(&str, &str)> {
        match self {
            Self::Set(name, value) | Self::Add(name, value) => Some((name, value)),
            Self::Remove(_) => None,
        }
    }
}

/// A response created by the sidecar itself.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields except Content-Length, Date and Connection, which are added when the response is sent.
    pub fields: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A plain-text response.
    pub fn text(status: u16, text: impl Into<Bytes>) -> Self {
        Self { status, fields: vec![("Content-Type".into(), "text/plain; charset=utf-8".into())], body: text.into() }
    }

    /// Adds one field.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

/// The reason phrase of a status that the sidecar may send (RFC 9110, section 15).
pub fn reason_of(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}
