//! Why a message is malformed (RFC 9113, section 8.1.1).

use std::fmt;

use crate::error_code::{ErrorCode, StreamError};

/// The rule that a message breaks. Its stream is reset with PROTOCOL_ERROR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`reason` describes each")]
pub enum Malformed {
    NameEmpty,
    NameUpperCase,
    NameInvalid,
    ValueInvalid,
    ValueWhitespace,
    ConnectionField,
    Te,
    ContentLengthInvalid,
    ContentLengthRepeated,
    PseudoInTrailers,
    PseudoUnknown,
    PseudoRepeated,
    PseudoAfterRegular,
    PseudoMissing,
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
    Status,
    ConnectTarget,
    ProtocolWithoutConnect,
    InterimWithEnd,
    TrailersWithoutEnd,
    TrailersInTunnel,
    DataBeforeHead,
    UnexpectedContent,
    ContentTooLong,
    ContentTooShort,
}

impl Malformed {
    /// The reason, for logs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NameEmpty => "a field name is empty",
            Self::NameUpperCase => "a field name has upper-case letters",
            Self::NameInvalid => "a field name has a character that is not allowed",
            Self::ValueInvalid => "a field value contains NUL, CR or LF",
            Self::ValueWhitespace => "a field value begins or ends with white space",
            Self::ConnectionField => "a field belongs to HTTP/1.1 connections",
            Self::Te => "the TE field has a value other than \"trailers\"",
            Self::ContentLengthInvalid => "content-length is not a number",
            Self::ContentLengthRepeated => "content-length is repeated",
            Self::PseudoInTrailers => "trailers contain a pseudo-header field",
            Self::PseudoUnknown => "a pseudo-header field is unknown or not allowed here",
            Self::PseudoRepeated => "a pseudo-header field is repeated",
            Self::PseudoAfterRegular => "a pseudo-header field follows a regular field",
            Self::PseudoMissing => "a required pseudo-header field is missing",
            Self::Method => ":method is not a token",
            Self::Scheme => ":scheme is not a scheme",
            Self::Authority => ":authority has user information or an invalid character",
            Self::Path => ":path does not begin with a slash, or has an invalid character",
            Self::Protocol => ":protocol is not a token",
            Self::Status => ":status is not a status of HTTP/2",
            Self::ConnectTarget => "CONNECT needs :authority, and neither :scheme nor :path",
            Self::ProtocolWithoutConnect => ":protocol needs the method CONNECT",
            Self::InterimWithEnd => "an interim response ends the stream",
            Self::TrailersWithoutEnd => "trailers do not end the stream",
            Self::TrailersInTunnel => "HEADERS follow a CONNECT request",
            Self::DataBeforeHead => "DATA precedes the head",
            Self::UnexpectedContent => "content in a response that has none",
            Self::ContentTooLong => "the content is longer than content-length",
            Self::ContentTooShort => "the content is shorter than content-length",
        }
    }
}

impl From<Malformed> for StreamError {
    fn from(malformed: Malformed) -> Self {
        Self { code: ErrorCode::PROTOCOL_ERROR, reason: malformed.reason() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.reason())
    }
}

impl std::error::Error for Malformed {}
