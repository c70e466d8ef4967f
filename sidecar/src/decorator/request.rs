//! The head of a request, as decorators see and edit it.

use std::any::Any;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh::endpoint::Endpoint;

use crate::decorator::forward_plan::ForwardPlan;
use crate::decorator::retry_policy::RetryPolicy;
use crate::head::answer::Edit;
use crate::head::request::RequestHead;
use crate::target::ServiceAddr;

/// A request before the service sees it. Its fields are searched only on demand.
#[derive(Debug)]
pub struct Request<'a> {
    endpoint: &'a Endpoint,
    head: &'a RequestHead<'a, 'a>,
    caller: Option<IpAddr>,
    edits: Vec<Edit>,
    plan: Option<Box<ForwardPlan>>,
}

impl<'a> Request<'a> {
    /// A request without edits.
    pub fn new(endpoint: &'a Endpoint, head: &'a RequestHead<'a, 'a>, caller: Option<IpAddr>) -> Self {
        Self { endpoint, head, caller, edits: Vec::new(), plan: None }
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

    /// Limits how long the service may take to begin its response, from the request's head on, in place of the sidecar's
    /// setting. Of several limits, the shortest counts.
    pub fn limit_response(&mut self, within: Duration) {
        self.plan.get_or_insert_default().limit_response(within);
    }

    /// The same for the whole exchange.
    pub fn limit_exchange(&mut self, within: Duration) {
        self.plan.get_or_insert_default().limit_exchange(within);
    }

    /// Lets the request be sent again by this policy, as long as all of it is at hand and its method is idempotent.
    pub(super) fn retry_by(&mut self, policy: Arc<RetryPolicy>) {
        self.plan.get_or_insert_default().retry_by(policy);
    }

    /// Sends the request to this address instead of the service's.
    pub(super) fn send_to(&mut self, address: Arc<ServiceAddr>) {
        self.plan.get_or_insert_default().send_to(address);
    }

    /// Keeps a value until the exchange has ended, however it ends. `EndedExchange::kept` finds it.
    pub fn keep(&mut self, value: impl Any) {
        self.plan.get_or_insert_default().keep(Box::new(value));
    }

    /// Takes what was planned so far.
    pub(crate) fn take_plan(&mut self) -> Option<Box<ForwardPlan>> {
        self.plan.take()
    }

    /// Adds to the plan.
    pub(crate) fn add_plan(&mut self, later: Option<Box<ForwardPlan>>) {
        match (&mut self.plan, later) {
            (Some(plan), Some(later)) => plan.add(*later),
            (Some(_), None) => {}
            (None, later) => self.plan = later,
        }
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
