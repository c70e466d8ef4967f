//! Why a sidecar refuses a request before it has an endpoint, and how many it has refused for each reason.

use std::fmt;
use std::ops::{Index, IndexMut};

/// Why a request was refused. The wire carries counts in this order, so new reasons go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request line is malformed.
    RequestLine,
    /// The method is not served.
    Method,
    /// The target is malformed or holds a byte that could be read in two ways.
    Target,
    /// The target is longer than the limit.
    TargetTooLong,
    /// The version is not spoken.
    Version,
    /// A field is malformed.
    Field,
    /// Host is missing, malformed, given twice, or not the authority.
    Host,
    /// The fields do not say in one way where the body ends.
    Framing,
    /// The head has too many bytes or fields.
    TooLarge,
    /// The head broke off.
    Incomplete,
    /// The head did not arrive in time.
    Timeout,
    /// The HTTP/2 library has reset the stream because its head is malformed.
    Http2,
}

impl Reason {
    /// Every reason, in the order of the wire.
    pub const EACH: [Self; 12] = [
        Self::RequestLine,
        Self::Method,
        Self::Target,
        Self::TargetTooLong,
        Self::Version,
        Self::Field,
        Self::Host,
        Self::Framing,
        Self::TooLarge,
        Self::Incomplete,
        Self::Timeout,
        Self::Http2,
    ];

    /// The label of metrics and the word of pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RequestLine => "request-line",
            Self::Method => "method",
            Self::Target => "target",
            Self::TargetTooLong => "target-too-long",
            Self::Version => "version",
            Self::Field => "field",
            Self::Host => "host",
            Self::Framing => "framing",
            Self::TooLarge => "too-large",
            Self::Incomplete => "incomplete",
            Self::Timeout => "timeout",
            Self::Http2 => "http2",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Requests refused since a sidecar's start, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals([u64; Reason::EACH.len()]);

impl Refusals {
    /// No request at all.
    pub const NONE: Self = Self([0; Reason::EACH.len()]);

    /// All reasons together.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The reasons that have occurred, in their order, with how often.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::EACH.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl Index<Reason> for Refusals {
    type Output = u64;

    fn index(&self, reason: Reason) -> &u64 {
        &self.0[reason as usize]
    }
}

impl IndexMut<Reason> for Refusals {
    fn index_mut(&mut self, reason: Reason) -> &mut u64 {
        &mut self.0[reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_place_and_a_word_of_its_own() {
        let mut refusals = Refusals::default();
        for (at, reason) in Reason::EACH.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            refusals[reason] = at as u64;
            assert!(!Reason::EACH[..at].iter().any(|other| other.word() == reason.word()));
        }
        assert_eq!((refusals.total(), refusals.counts().count()), (66, 11));
    }
}
