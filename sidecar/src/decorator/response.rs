//! The head of a response, as decorators see and edit it.

use std::borrow::Cow;
use std::net::IpAddr;

use mesh::endpoint::Endpoint;
use mesh::trace::Traceparent;

use crate::head::answer::{Audience, Edit};

/// A response of the service, before the caller sees it. Its fields are searched only on demand.
#[derive(Debug)]
pub struct Response<'a> {
    /// What is known of the request.
    pub request: RequestFacts<'a>,
    /// The status.
    pub status: u16,
    /// The reason phrase; empty over HTTP/2.
    pub reason: &'a str,
    /// All fields in the order received.
    pub fields: &'a [httparse::Header<'a>],
    edits: Vec<Edit>,
}

/// What is known of a request when its response arrives.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The path, without its query unless queries are kept, cut after 512 bytes.
    pub path: &'a str,
    /// The caller's address.
    pub caller: Option<IpAddr>,
    /// Whether the caller is a person with a browser.
    pub audience: Audience,
    /// The trace context.
    pub trace: Option<Traceparent>,
}

impl<'a> Response<'a> {
    /// A response without edits.
    pub fn new(request: RequestFacts<'a>, (status, reason): (u16, &'a str), fields: &'a [httparse::Header<'a>]) -> Self {
        Self { request, status, reason, fields, edits: Vec::new() }
    }

    /// The endpoint under which the exchange is counted.
    pub fn endpoint(&self) -> &'a Endpoint {
        self.request.endpoint
    }

    /// The value of the first field with this name, case-insensitive. Edits do not show.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// Sets a field for the caller, and replaces all fields of that name.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) {
        self.edits.push(Edit::Set(name.into(), value.into()));
    }

    /// Adds a field for the caller.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) {
        self.edits.push(Edit::Add(name.into(), value.into()));
    }

    /// Removes all fields of that name.
    pub fn remove(&mut self, name: impl Into<Cow<'static, str>>) {
        self.edits.push(Edit::Remove(name.into()));
    }

    /// Makes all these edits.
    pub(crate) fn edit(&mut self, edits: &[Edit]) {
        self.edits.extend_from_slice(edits);
    }

    /// The edits so far.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Drops the edits after the first `count`.
    pub(crate) fn truncate_edits(&mut self, count: usize) {
        self.edits.truncate(count);
    }

    /// Takes the edits.
    pub(crate) fn into_edits(self) -> Vec<Edit> {
        self.edits
    }
}
