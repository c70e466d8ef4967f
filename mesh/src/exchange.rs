//! One finished exchange (a request and its response) as the history keeps it.

use core::net::IpAddr;
use std::fmt;

use crate::trace::TraceId;

/// Bytes of a path that the history keeps. The endpoint has the route; the path helps a person to
/// recognise a request.
pub const PATH_BYTES_MAX: usize = 256;

/// Bytes of a reason phrase that are kept. The longest registered one has 31 (IANA HTTP Status Code Registry).
pub const REASON_BYTES_MAX: usize = 64;

/// A finished exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// When the request's head was complete, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// From the request's head to the response's last byte, in microseconds.
    pub took_us: u64,
    /// From the request's head to the first byte of the service's response, in microseconds; `None`
    /// without a response.
    pub first_byte_us: Option<u64>,
    /// The status sent downstream; 499 if the downstream left before a status was sent.
    pub status: u16,
    /// The reason phrase of the response; often empty.
    pub reason: String,
    /// How the exchange ended, and by which side.
    pub outcome: Outcome,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The requested path, cut at [`PATH_BYTES_MAX`], without the query unless the query is to be kept.
    pub path: String,
    /// The caller's address; `None` if the connection has no IP address.
    pub caller: Option<IpAddr>,
    /// The trace of the request, from its `traceparent`.
    pub trace: Option<TraceId>,
    /// The id of the rule that answered instead of the service, if any.
    pub rule: Option<String>,
}

impl Exchange {
    /// Shifts the start time by a clock offset.
    pub fn shift(&mut self, by_ms: i64) {
        self.started_ms = self.started_ms.saturating_add_signed(by_ms);
    }
}

/// How an exchange ended, and by which side: one word that also identifies the side at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Outcome {
    /// The service has answered, with any status.
    #[default]
    Answered,
    /// A rule has answered instead of the service.
    Rule,
    /// A decorator has answered instead of the service, or has replaced its response.
    Decorator,
    /// The downstream left before the end.
    ClientGone,
    /// The service aborted its response.
    BrokenOff,
    /// The request violates its protocol.
    BadRequest,
    /// The service did not accept a connection.
    UpstreamConnect,
    /// The service did not answer in time.
    UpstreamTimeout,
    /// The service's response violates its protocol.
    UpstreamProtocol,
    /// The service closed the connection instead of answering.
    UpstreamReset,
    /// The sidecar was at a limit and could not take the exchange.
    Overloaded,
    /// The sidecar's drain deadline passed before the exchange ended.
    Draining,
    /// The task that carried the exchange in the sidecar has panicked.
    Panicked,
    /// An outcome that this version does not know.
    Unknown,
}

impl Outcome {
    /// Every outcome.
    pub const EACH: [Self; 14] = [
        Self::Answered,
        Self::Rule,
        Self::Decorator,
        Self::ClientGone,
        Self::BrokenOff,
        Self::BadRequest,
        Self::UpstreamConnect,
        Self::UpstreamTimeout,
        Self::UpstreamProtocol,
        Self::UpstreamReset,
        Self::Overloaded,
        Self::Draining,
        Self::Panicked,
        Self::Unknown,
    ];

    /// The word of the outcome; the value of `X-Sitio-Error` where that header applies.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Rule => "rule",
            Self::Decorator => "decorator",
            Self::ClientGone => "client-gone",
            Self::BrokenOff => "broken-off",
            Self::BadRequest => "bad-request",
            Self::UpstreamConnect => "upstream-connect",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::UpstreamProtocol => "upstream-protocol",
            Self::UpstreamReset => "upstream-reset",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Panicked => "panicked",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|outcome| outcome.word() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The beginning of a path, at most `bytes_max` bytes. It never cuts a character or an escape (`%2F`) in two.
pub fn cut_path(path: &str, bytes_max: usize) -> &str {
    if path.len() <= bytes_max {
        return path;
    }
    let kept = &path[..path.floor_char_boundary(bytes_max)];
    match kept.rfind('%') {
        Some(at) if kept.len() - at < 3 => &kept[..at],
        _ => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_a_word_of_its_own() {
        for outcome in Outcome::EACH {
            assert_eq!(Outcome::from_word(outcome.word()), Some(outcome));
        }
        assert_eq!(Outcome::from_word("Answered"), None);
    }

    #[test]
    fn a_path_is_cut_between_characters_and_escapes() {
        assert_eq!(cut_path("/abc", 4), "/abc");
        assert_eq!(cut_path("/abcd", 4), "/abc");
        assert_eq!(cut_path("/aé", 3), "/a", "a character of two bytes");
        assert_eq!(cut_path("/a%C3%A9", 4), "/a");
        assert_eq!(cut_path("/a%C3%A9", 5), "/a%C3");
        assert_eq!(cut_path("/%FF%FE", 6), "/%FF", "bytes that are no UTF-8 stay escaped as they came");
    }
}
