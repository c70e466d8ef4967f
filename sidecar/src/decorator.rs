//! The decorator interface: two hooks around a service, each called once per exchange.

use std::borrow::Cow;

use bytes::Bytes;
use mesh::endpoint::Endpoint;

use crate::head::request::RequestHead;

pub mod not_found_page;

/// Code in the sidecar that may answer a request or change a response.
///
/// Both hooks run on the worker's thread and must not block. A hook that panics is skipped for that exchange and counted.
pub trait Decorator: Send + Sync {
    /// The name under which this decorator is configured and counted.
    fn name(&self) -> &'static str;

    /// Sees the request before the upstream does. It may answer in the upstream's place.
    fn before(&self, _endpoint: &Endpoint, _request: &RequestHead<'_, '_>) -> Step {
        Step::Forward
    }

    /// Sees the response's head before the downstream does. It may edit or replace the response.
    fn after(&self, _endpoint: &Endpoint, _response: &Response<'_>) -> Verdict {
        Verdict::Keep
    }
}

/// What to do with a request.
#[derive(Debug)]
pub enum Step {
    /// Forward it to the upstream.
    Forward,
    /// Send this response instead.
    Answer(Answer),
}

/// What to do with a response.
#[derive(Debug)]
pub enum Verdict {
    /// Forward it unchanged.
    Keep,
    /// Forward it with these fields changed.
    Edit(Vec<Edit>),
    /// Send this response instead and drop the upstream's.
    Replace(Answer),
}

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

/// The head of a response, as a decorator sees it. Fields are searched only on demand.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The status.
    pub status: u16,
    /// All fields in the order received.
    pub fields: &'a [httparse::Header<'a>],
}

impl<'a> Response<'a> {
    /// The value of the first field with this name, case-insensitive.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
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
