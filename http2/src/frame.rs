//! Frames (RFC 9113, sections 4 and 6): the header, and the payloads, read in place.

use std::fmt;

use crate::error_code::{ConnectionError, ErrorCode};

#[cfg(test)]
mod tests;
pub mod write;

/// What a client sends first (section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame header.
pub const HEADER_BYTES: usize = 9;

/// The largest payload that every peer must accept (section 4.2). We never send a larger one: smaller frames
/// let streams take turns.
pub const PAYLOAD_BYTES_MIN: usize = 16_384;

/// END_STREAM, on DATA and HEADERS.
pub const END_STREAM: u8 = 0x1;
/// ACK, on SETTINGS and PING.
pub const ACK: u8 = 0x1;
/// END_HEADERS, on HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;
/// PADDED, on DATA and HEADERS.
pub const PADDED: u8 = 0x8;
/// PRIORITY, on HEADERS.
pub const PRIORITY: u8 = 0x20;

/// The reserved bit of stream identifiers, which is ignored.
const RESERVED: u32 = 1 << 31;

/// A stream's identifier; 0 is the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Whether a frame or a message is the last of its sender on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndStream {
    /// More follows.
    No,
    /// It has the END_STREAM flag.
    Yes,
}

/// The type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of section 6")]
pub enum FrameType {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    Unknown(u8),
}

/// The header of a frame (section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the payload.
    pub length: usize,
    /// The type.
    pub frame_type: FrameType,
    /// The flags.
    pub flags: u8,
    /// The stream.
    pub stream: StreamId,
}

/// The payload of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A field block or its beginning. Priority and padding are removed.
    Headers {
        /// The fragment of the field block.
        fragment: &'a [u8],
    },
    /// A deprecated hint (section 5.3.2).
    Priority,
    /// The stream is reset.
    RstStream(ErrorCode),
    /// The peer's settings, a multiple of six bytes.
    Settings(&'a [u8]),
    /// Our settings are in force.
    SettingsAck,
    /// A pushed request. It is always an error here.
    PushPromise,
    /// A question.
    Ping([u8; 8]),
    /// The reply to our question.
    Pong([u8; 8]),
    /// The peer accepts no streams above `last`.
    GoAway {
        /// The last stream that was or might be processed.
        last: StreamId,
        /// Why.
        code: ErrorCode,
    },
    /// More bytes may be sent. The increment may be zero, which is an error.
    WindowUpdate(u32),
    /// More of a field block.
    Continuation {
        /// The fragment of the field block.
        fragment: &'a [u8],
    },
    /// DATA, or a frame of unknown type: their bytes are read in pieces.
    Opaque,
}

/// The position of DATA's payload within its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataLayout {
    /// Bytes before the payload: the frame header, and the pad length.
    pub before: usize,
    /// Bytes of the payload.
    pub payload: usize,
    /// Bytes of padding after it.
    pub padding: usize,
}

impl FrameHeader {
    /// Reads the header at the beginning of `input`; `None` if it is incomplete.
    pub fn parse(input: &[u8]) -> Option<Self> {
        let &[a, b, c, frame_type, flags, s0, s1, s2, s3] = input.first_chunk()?;
        Some(Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            frame_type: FrameType::from(frame_type),
            flags,
            stream: StreamId(u32::from_be_bytes([s0, s1, s2, s3]) & !RESERVED),
        })
    }

    /// Whether the frame ends its sender's part of the stream.
    pub fn end_stream(&self) -> EndStream {
        if self.flags & END_STREAM == 0 { EndStream::No } else { EndStream::Yes }
    }

    /// The layout of a DATA frame (section 6.1) of which `input` holds the beginning; `None` if the pad length
    /// is still missing.
    pub fn data_layout(&self, input: &[u8]) -> Result<Option<DataLayout>, ConnectionError> {
        self.check_stream()?;
        if self.flags & PADDED == 0 {
            return Ok(Some(DataLayout { before: HEADER_BYTES, payload: self.length, padding: 0 }));
        }
        let left = self.length.checked_sub(1).ok_or(ConnectionError::frame_size("padded DATA without a pad length"))?;
        let Some(&padding) = input.get(HEADER_BYTES) else { return Ok(None) };
        let padding = usize::from(padding);
        let payload = left.checked_sub(padding).ok_or(ConnectionError::protocol("DATA with more padding than payload"))?;
        Ok(Some(DataLayout { before: HEADER_BYTES + 1, payload, padding }))
    }

    /// Reads the payload.
    pub fn payload<'a>(&self, bytes: &'a [u8]) -> Result<Payload<'a>, ConnectionError> {
        self.check_stream()?;
        match self.frame_type {
            FrameType::Headers => self.headers(bytes),
            FrameType::Continuation => Ok(Payload::Continuation { fragment: bytes }),
            FrameType::Priority => {
                let &[s0, s1, s2, s3, _] = fixed(bytes, "PRIORITY is not 5 bytes long")?;
                self.check_dependency([s0, s1, s2, s3])?;
                Ok(Payload::Priority)
            }
            FrameType::RstStream => {
                Ok(Payload::RstStream(ErrorCode(u32::from_be_bytes(*fixed(bytes, "RST_STREAM is not 4 bytes long")?))))
            }
            FrameType::Settings if self.flags & ACK == 0 => match bytes.len() % 6 {
                0 => Ok(Payload::Settings(bytes)),
                _ => Err(ConnectionError::frame_size("SETTINGS is not a multiple of 6 bytes long")),
            },
            FrameType::Settings if bytes.is_empty() => Ok(Payload::SettingsAck),
            FrameType::Settings => Err(ConnectionError::frame_size("SETTINGS acknowledgement with a payload")),
            FrameType::PushPromise => Ok(Payload::PushPromise),
            FrameType::Ping => {
                let opaque = *fixed(bytes, "PING is not 8 bytes long")?;
                Ok(if self.flags & ACK == 0 { Payload::Ping(opaque) } else { Payload::Pong(opaque) })
            }
            FrameType::GoAway => {
                let &[s0, s1, s2, s3, c0, c1, c2, c3] =
                    bytes.first_chunk().ok_or(ConnectionError::frame_size("GOAWAY is shorter than 8 bytes"))?;
                let last = StreamId(u32::from_be_bytes([s0, s1, s2, s3]) & !RESERVED);
                Ok(Payload::GoAway { last, code: ErrorCode(u32::from_be_bytes([c0, c1, c2, c3])) })
            }
            FrameType::WindowUpdate => {
                let increment = u32::from_be_bytes(*fixed(bytes, "WINDOW_UPDATE is not 4 bytes long")?);
                Ok(Payload::WindowUpdate(increment & !RESERVED))
            }
            FrameType::Data | FrameType::Unknown(_) => Ok(Payload::Opaque),
        }
    }

    /// Which frames belong to a stream, and which to the connection.
    fn check_stream(&self) -> Result<(), ConnectionError> {
        let is_connection = self.stream == StreamId(0);
        match self.frame_type {
            FrameType::Settings | FrameType::Ping | FrameType::GoAway if !is_connection => {
                Err(ConnectionError::protocol("SETTINGS, PING or GOAWAY on a stream"))
            }
            FrameType::Settings | FrameType::Ping | FrameType::GoAway | FrameType::WindowUpdate | FrameType::Unknown(_) => Ok(()),
            _ if is_connection => Err(ConnectionError::protocol("a frame of a stream on stream 0")),
            _ => Ok(()),
        }
    }

    /// Removes padding and priority from HEADERS (section 6.2).
    fn headers<'a>(&self, mut bytes: &'a [u8]) -> Result<Payload<'a>, ConnectionError> {
        const SHORT: ConnectionError = ConnectionError::frame_size("HEADERS is shorter than its flags require");
        let mut padding = 0;
        if self.flags & PADDED != 0 {
            let (&length, rest) = bytes.split_first().ok_or(SHORT)?;
            (padding, bytes) = (usize::from(length), rest);
        }
        if self.flags & PRIORITY != 0 {
            let (&[s0, s1, s2, s3, _], rest) = bytes.split_first_chunk().ok_or(SHORT)?;
            self.check_dependency([s0, s1, s2, s3])?;
            bytes = rest;
        }
        let length =
            bytes.len().checked_sub(padding).ok_or(ConnectionError::protocol("HEADERS with more padding than payload"))?;
        Ok(Payload::Headers { fragment: &bytes[..length] })
    }

    /// Priorities are ignored, but a stream that depends on itself was an error already in RFC 7540, section 5.3.1.
    fn check_dependency(&self, dependency: [u8; 4]) -> Result<(), ConnectionError> {
        if StreamId(u32::from_be_bytes(dependency) & !RESERVED) == self.stream {
            return Err(ConnectionError::protocol("a stream depends on itself"));
        }
        Ok(())
    }
}

fn fixed<'a, const N: usize>(bytes: &'a [u8], reason: &'static str) -> Result<&'a [u8; N], ConnectionError> {
    bytes.try_into().map_err(|_| ConnectionError::frame_size(reason))
}

impl From<u8> for FrameType {
    fn from(byte: u8) -> Self {
        match byte {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            unknown => Self::Unknown(unknown),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}
