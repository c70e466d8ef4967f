//! The data of a completed exchange.

use std::net::IpAddr;

use mesh::exchange::Outcome;
use mesh::trace::Traceparent;

/// A completed exchange.
#[derive(Debug, Clone, Copy)]
pub struct CompletedExchange<'a> {
    /// The path as it is to be recorded.
    pub path: &'a str,
    /// When the request's head had arrived, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// From then to the last byte of the response, in microseconds.
    pub took_us: u64,
    /// From the request's head to the response's first byte, in microseconds.
    pub first_byte_us: u64,
    /// The status sent to the downstream.
    pub status: u16,
    /// The source of that response.
    pub author: Author,
    /// The reason phrase of the response.
    pub reason: &'a str,
    /// How it ended, and which side ended it.
    pub outcome: Outcome,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The rule that answered in place of the service, if any.
    pub rule: Option<&'a str>,
    /// The address of the caller.
    pub caller: Option<IpAddr>,
    /// The trace context of the request.
    pub trace: Option<Traceparent>,
}

impl CompletedExchange<'_> {
    /// Time until the service began its response, in microseconds; `None` if it never did.
    pub fn service_began_us(&self) -> Option<u64> {
        let has_begun = matches!(self.outcome, Outcome::Answered | Outcome::BrokenOff) || self.first_byte_us < self.took_us;
        has_begun.then_some(self.first_byte_us)
    }
}

/// Which side produced the response, or failed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Author {
    /// The service, or no response because of it: it cannot be reached, breaks off, or takes too long.
    #[default]
    Service,
    /// The sidecar: a decorator, a shortage of its own resources, or the end of its drain.
    Sitio,
}
