//! One request and its response, as remembered afterwards.

use core::net::IpAddr;
use std::fmt;

use crate::trace::TraceId;

/// Bytes kept of a path in the history. The endpoint has the route; this is what a person recognises a call by.
pub const PATH_BYTES_MAX: usize = 256;

/// Bytes kept of a reason phrase. The longest registered one has 31 (IANA HTTP Status Code Registry).
pub const REASON_BYTES_MAX: usize = 64;

/// A finished exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// When the request's head had arrived, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// From the request's head to the response's last byte, in microseconds.
    pub took_us: u64,
    /// From the request's head to the first byte of the service's answer, in microseconds; `None` if there was none.
    pub first_byte_us: Option<u64>,
    /// The status sent downstream; 499 if the downstream left before there was one.
    pub status: u16,
    /// The reason phrase that came with it; often empty.
    pub reason: String,
    /// Who has ended it, and how.
    pub outcome: Outcome,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The path as it was asked for, without the query unless that is to be kept, cut at [`PATH_BYTES_MAX`].
    pub path: String,
    /// Who has asked; `None` if the connection had no address of IP.
    pub caller: Option<IpAddr>,
    /// The trace that the request belongs to, by its `traceparent`.
    pub trace: Option<TraceId>,
    /// The id of the rule that answered in the service's place, if one did.
    pub rule: Option<String>,
}

impl Exchange {
    /// Moves its time, as from one clock to another that differs by so much.
    pub fn shift(&mut self, by_ms: i64) {
        self.started_ms = self.started_ms.saturating_add_signed(by_ms);
    }
}

/// Who has ended an exchange, and how: the one word that tells whose failure it was, if it was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Outcome {
    /// The service has answered, whatever it answered.
    #[default]
    Answered,
    /// A rule has answered in the service's place.
    Rule,
    /// A decorator has answered in the service's place, or has replaced its answer.
    Decorator,
    /// The downstream has left before the end.
    ClientGone,
    /// The service has broken off within its answer.
    BrokenOff,
    /// The request breaks the rules of its protocol.
    BadRequest,
    /// The service did not accept a connection.
    UpstreamConnect,
    /// The service did not answer in time.
    UpstreamTimeout,
    /// The service's answer breaks the rules of its protocol.
    UpstreamProtocol,
    /// The service has closed the connection instead of answering.
    UpstreamReset,
    /// The sidecar had no room for it.
    Overloaded,
    /// The time of the sidecar's drain was over before it was.
    Draining,
    /// What carried it in the sidecar has panicked.
    Panicked,
    /// Something that this version has no word for.
    Unknown,
}

impl Outcome {
    /// Every outcome there is.
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

    /// Its word: that of `X-Sitio-Error` where there is one.
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

    /// The outcome of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|outcome| outcome.word() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The beginning of a path that is kept of it: no character and no escape (`%2F`) is cut in two.
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
            assert_eq!(Outcome::of_word(outcome.word()), Some(outcome));
        }
        assert_eq!(Outcome::of_word("Answered"), None);
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
