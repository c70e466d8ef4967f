//! The trace of a request, as in W3C Trace Context.

use std::fmt;

/// The id of a trace: 16 bytes that are not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The content of a `traceparent`: the trace, the caller's span in it, and the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span; never all zero.
    pub parent: [u8; 8],
    /// The flags; bit 0 means that the caller may have recorded its span.
    pub flags: u8,
}

/// Length of a `traceparent` of version 00 in bytes. Later versions may append to it after another hyphen.
const TRACEPARENT_BYTES: usize = 55;

impl TraceId {
    /// Returns the id, or `None` if all bytes are zero.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The bytes of the id.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl Traceparent {
    /// Parses the value of a `traceparent` field. A malformed value is ignored, not repaired (W3C
    /// Trace Context, section 3.2.2).
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (fixed, rest) = value.split_at_checked(TRACEPARENT_BYTES)?;
        let [version] = hex(&fixed[..2])?;
        let is_of_its_version = match version {
            0x00 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        if !is_of_its_version || [2, 35, 52].iter().any(|at| fixed[*at] != b'-') {
            return None;
        }
        let (trace, parent, [flags]) = (hex(&fixed[3..35])?, hex(&fixed[36..52])?, hex(&fixed[53..])?);
        let trace = TraceId::from_bytes(trace)?;
        (parent != [0; 8]).then_some(Self { trace, parent, flags })
    }
}

/// Parses hex digits in lower case only, as the specification requires.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (digits.len() == 2 * N).then_some(bytes)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn parsed(value: &str) -> Option<Traceparent> {
        Traceparent::parse(value.as_bytes())
    }

    #[test]
    fn a_traceparent_is_read_as_the_specification_has_it() {
        let read = parsed("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!((read.trace.to_string().as_str(), read.flags), (TRACE, 1));
        assert_eq!(read.parent, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        let later = parsed("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-adds").unwrap();
        assert_eq!(later, read, "a later version may only append");
        assert_eq!(parsed(" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\t"), Some(read));
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        for malformed in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736é00f067aa0ba902b7-01",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parsed(malformed), None, "{malformed:?}");
        }
    }
}
