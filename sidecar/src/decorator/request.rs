//! The head of a request, as decorators see and edit it.

use std::borrow::Cow;
use std::net::IpAddr;

use mesh::endpoint::Endpoint;

use crate::head::answer::Edit;
use crate::head::request::RequestHead;

/// A request before the service sees it. Its fields are searched only on demand.
#[derive(Debug)]
pub struct Request<'a> {
    endpoint: &'a Endpoint,
    head: &'a RequestHead<'a, 'a>,
    caller: Option<IpAddr>,
    edits: Vec<Edit>,
}

impl<'a> Request<'a> {
    /// A request without edits.
    pub fn new(endpoint: &'a Endpoint, head: &'a RequestHead<'a, 'a>, caller: Option<IpAddr>) -> Self {
        Self { endpoint, head, caller, edits: Vec::new() }
    }

    /// The endpoint under which it is counted.
    pub fn endpoint(&self) -> &'a Endpoint {
        self.endpoint
    }

    /// The method, as received.
    pub fn method(&self) -> &'a str {
        self.head.method
    }

    /// The target: a path with its query, or `*`.
    pub fn target(&self) -> &'a str {
        self.head.target
    }

    /// The value of the first field with this name, case-insensitive. Edits do not show.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.head.field(name)
    }

    /// The whole head, as received.
    pub fn head(&self) -> &'a RequestHead<'a, 'a> {
        self.head
    }

    /// The address of the other end of the connection.
    pub fn caller(&self) -> Option<IpAddr> {
        self.caller
    }

    /// Sets a field for the service, and replaces all fields of that name.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) {
        self.edits.push(Edit::Set(name.into(), value.into()));
    }

    /// Adds a field for the service.
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
