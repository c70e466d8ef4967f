//! The decorator interface: two hooks around a service, each called once per exchange.

use std::fmt;

use mesh::endpoint::Endpoint;

use crate::head::answer::{Answer, Edit};
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

impl fmt::Debug for dyn Decorator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
