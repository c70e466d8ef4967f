//! The content that a head promises (RFC 9113, section 8.1.1).

use crate::frame::EndStream;
use crate::message::malformed::Malformed;

/// What may follow a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Any number of bytes.
    Any,
    /// Exactly this many bytes.
    Exactly(u64),
    /// No bytes: a response to HEAD, 204 or 304, whatever its content-length says.
    None,
    /// The bytes of a CONNECT request, which has no trailers (section 8.5).
    Tunnel,
}

impl Content {
    /// The content of a message that may have one.
    pub(crate) fn new(length: Option<u64>, end: EndStream) -> Result<Self, Malformed> {
        let content = length.map_or(Self::Any, Self::Exactly);
        match end {
            EndStream::Yes => content.finish().map(|()| content),
            EndStream::No => Ok(content),
        }
    }

    /// Subtracts the payload of a DATA frame.
    pub(crate) fn receive(&mut self, bytes: usize) -> Result<(), Malformed> {
        match self {
            Self::None if bytes > 0 => Err(Malformed::UnexpectedContent),
            Self::Exactly(left) => {
                *left = left.checked_sub(bytes as u64).ok_or(Malformed::ContentTooLong)?;
                Ok(())
            }
            Self::None | Self::Any | Self::Tunnel => Ok(()),
        }
    }

    /// Whether END_STREAM may come now.
    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        match self {
            Self::Exactly(1..) => Err(Malformed::ContentTooShort),
            _ => Ok(()),
        }
    }
}
