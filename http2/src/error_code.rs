//! Error codes (RFC 9113, section 7), and the errors that end a connection or a stream.

use std::fmt;

use crate::hpack::HpackError;

/// An error code. Unknown codes are kept, so that they can be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// No error: an orderly end.
    pub const NO_ERROR: Self = Self(0x0);
    /// The peer broke a rule for which there is no code of its own.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// A fault of ours.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// The peer sent more than a window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// A frame for a half-closed or closed stream.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame of invalid size.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The stream was not processed; its request can be sent again (section 8.7).
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is no longer wanted.
    pub const CANCEL: Self = Self(0x8);
    /// The field compression state is lost.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The connection of a CONNECT request broke.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// The peer causes excessive load.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
}

/// Why the connection ends. GOAWAY with the code is in the output; the caller sends it and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionError {
    /// The code in GOAWAY.
    pub code: ErrorCode,
    /// What the peer did, for logs. It is also GOAWAY's debug data.
    pub reason: &'static str,
}

/// Why one stream was reset with the code. The connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamError {
    /// The code in RST_STREAM.
    pub code: ErrorCode,
    /// What the peer did, for logs.
    pub reason: &'static str,
}

impl ConnectionError {
    /// PROTOCOL_ERROR.
    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self { code: ErrorCode::PROTOCOL_ERROR, reason }
    }

    /// FRAME_SIZE_ERROR.
    pub(crate) const fn frame_size(reason: &'static str) -> Self {
        Self { code: ErrorCode::FRAME_SIZE_ERROR, reason }
    }

    /// FLOW_CONTROL_ERROR.
    pub(crate) const fn flow_control(reason: &'static str) -> Self {
        Self { code: ErrorCode::FLOW_CONTROL_ERROR, reason }
    }

    /// STREAM_CLOSED.
    pub(crate) const fn stream_closed(reason: &'static str) -> Self {
        Self { code: ErrorCode::STREAM_CLOSED, reason }
    }

    /// ENHANCE_YOUR_CALM.
    pub(crate) const fn flood(reason: &'static str) -> Self {
        Self { code: ErrorCode::ENHANCE_YOUR_CALM, reason }
    }
}

impl From<HpackError> for ConnectionError {
    fn from(error: HpackError) -> Self {
        Self { code: ErrorCode::COMPRESSION_ERROR, reason: error.reason() }
    }
}

impl StreamError {
    /// DATA or HEADERS after END_STREAM or RST_STREAM.
    pub(crate) const CLOSED: Self = Self { code: ErrorCode::STREAM_CLOSED, reason: "frame for a stream that its sender ended" };
    /// DATA over the stream's window.
    pub(crate) const WINDOW_EXCEEDED: Self =
        Self { code: ErrorCode::FLOW_CONTROL_ERROR, reason: "DATA exceeds the stream's window" };
    /// A window over 2^31 - 1 (section 6.9.1).
    pub(crate) const WINDOW_OVERFLOW: Self =
        Self { code: ErrorCode::FLOW_CONTROL_ERROR, reason: "WINDOW_UPDATE overflows the stream's window" };
    /// A WINDOW_UPDATE of zero (section 6.9).
    pub(crate) const WINDOW_UPDATE_ZERO: Self =
        Self { code: ErrorCode::PROTOCOL_ERROR, reason: "WINDOW_UPDATE with an increment of zero" };
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "end the connection with {}: {}", self.code, self.reason)
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "reset the stream with {}: {}", self.code, self.reason)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x0 => "NO_ERROR",
            0x1 => "PROTOCOL_ERROR",
            0x2 => "INTERNAL_ERROR",
            0x3 => "FLOW_CONTROL_ERROR",
            0x4 => "SETTINGS_TIMEOUT",
            0x5 => "STREAM_CLOSED",
            0x6 => "FRAME_SIZE_ERROR",
            0x7 => "REFUSED_STREAM",
            0x8 => "CANCEL",
            0x9 => "COMPRESSION_ERROR",
            0xa => "CONNECT_ERROR",
            0xb => "ENHANCE_YOUR_CALM",
            0xc => "INADEQUATE_SECURITY",
            0xd => "HTTP_1_1_REQUIRED",
            code => return write!(out, "error code {code:#x}"),
        };
        out.write_str(name)
    }
}

impl std::error::Error for ConnectionError {}

impl std::error::Error for StreamError {}
