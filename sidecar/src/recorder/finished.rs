//! What is known of an exchange once it is over.

use std::net::IpAddr;

use mesh::exchange::Outcome;
use mesh::trace::Traceparent;

/// An exchange, finished.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// The path as it is to be remembered.
    pub path: &'a str,
    /// When the request's head had arrived, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// From then to the last byte of the response, in microseconds.
    pub took_us: u64,
    /// From the request's head to the response's first byte, in microseconds.
    pub first_byte_us: u64,
    /// The status that the downstream was sent.
    pub status: u16,
    /// Whose answer that is.
    pub author: Author,
    /// The reason phrase that came with it.
    pub reason: &'a str,
    /// Who has ended it, and how.
    pub outcome: Outcome,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The rule that answered in the service's place, if one did.
    pub rule: Option<&'a str>,
    /// Who has asked.
    pub caller: Option<IpAddr>,
    /// What the request said of its trace.
    pub trace: Option<Traceparent>,
}

impl Finished<'_> {
    /// How long it was until the service began to answer, in microseconds; `None` if it never did.
    pub fn service_began_us(&self) -> Option<u64> {
        let has_begun = matches!(self.outcome, Outcome::Answered | Outcome::BrokenOff) || self.first_byte_us < self.took_us;
        has_begun.then_some(self.first_byte_us)
    }
}

/// Who has answered, or failed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Author {
    /// The service, or nobody because of it: it cannot be reached, breaks off, or takes too long.
    #[default]
    Service,
    /// The sidecar: a decorator, a shortage of its own, or the end of its drain.
    Sitio,
}
