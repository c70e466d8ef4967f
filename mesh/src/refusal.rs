//! Reasons for which a sidecar refuses a request before it has an endpoint, and a count per reason.

use std::fmt;
use std::ops::{Index, IndexMut};

/// Why a request was refused. The wire format carries counts in this order, so new reasons are added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The request line is malformed.
    RequestLine,
    /// The method is not supported.
    Method,
    /// The target is malformed or contains an ambiguous byte.
    Target,
    /// The target is longer than the limit.
    TargetTooLong,
    /// The HTTP version is not supported.
    Version,
    /// A header field is malformed.
    Field,
    /// Host is missing, malformed, repeated, or differs from the authority.
    Host,
    /// The end of the body is ambiguous.
    Framing,
    /// The head has too many bytes or fields.
    TooLarge,
    /// The connection ended within the head.
    Incomplete,
    /// The head did not arrive in time.
    Timeout,
    /// The HTTP/2 library has reset the stream because its head is malformed.
    Http2,
}

impl RefusalReason {
    /// Every reason, in the order of the wire format.
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

    /// The label in metrics and the word on pages.
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

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Requests refused since a sidecar's start, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals([u64; RefusalReason::EACH.len()]);

impl Refusals {
    /// All counts are zero.
    pub const NONE: Self = Self([0; RefusalReason::EACH.len()]);

    /// The sum over all reasons.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The reasons with a count above zero, in their order.
    pub fn counts(&self) -> impl Iterator<Item = (RefusalReason, u64)> {
        RefusalReason::EACH.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl Index<RefusalReason> for Refusals {
    type Output = u64;

    fn index(&self, reason: RefusalReason) -> &u64 {
        &self.0[reason as usize]
    }
}

impl IndexMut<RefusalReason> for Refusals {
    fn index_mut(&mut self, reason: RefusalReason) -> &mut u64 {
        &mut self.0[reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_place_and_a_word_of_its_own() {
        let mut refusals = Refusals::default();
        for (at, reason) in RefusalReason::EACH.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            refusals[reason] = at as u64;
            assert!(!RefusalReason::EACH[..at].iter().any(|other| other.word() == reason.word()));
        }
        assert_eq!((refusals.total(), refusals.counts().count()), (66, 11));
    }
}
