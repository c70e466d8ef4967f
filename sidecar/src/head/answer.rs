//! A response made by the sidecar itself, and a change to one of the service's.

use std::borrow::Cow;

use bytes::Bytes;

/// A change to one field of a response.
#[derive(Debug)]
pub enum Edit {
    /// Sets a field and replaces all fields of that name.
    Set(Cow<'static, str>, Cow<'static, str>),
    /// Removes all fields of that name.
    Remove(Cow<'static, str>),
}

impl Edit {
    /// The name of the changed field.
    pub fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Remove(name) => name,
        }
    }
}

/// A response created by the sidecar itself.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields except Content-Length, Date and Connection, which are added when the response is sent.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A plain-text response.
    pub fn text(status: u16, text: impl Into<Bytes>) -> Self {
        Self { status, fields: vec![("Content-Type", Cow::Borrowed("text/plain; charset=utf-8"))], body: text.into() }
    }

    /// Adds one field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// The reason phrase of a status that the sidecar may send (RFC 9110, section 15).
pub fn reason_of(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        410 => "Gone",
        414 => "URI Too Long",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
