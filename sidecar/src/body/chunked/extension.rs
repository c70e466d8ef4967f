//! State machine that validates the extensions of a chunk; they are then dropped (RFC 9112, section 7.1.1).

use crate::head::fields::is_token;

/// The parser's position in `BWS ; BWS name BWS = BWS value`.
///
/// A parser that respects quotation marks and one that only searches for the line end read a malformed
/// extension differently. Refusing it prevents that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// White space before a semicolon.
    Space,
    /// After a semicolon.
    Before,
    Name,
    /// White space after a name.
    Named,
    /// After an equals sign.
    Equals,
    Token,
    Quoted,
    /// After a backslash within quotation marks.
    Escaped,
    /// After the closing quotation mark.
    Closed,
}

impl Extension {
    /// The state after one more byte; `None` if the byte is not allowed here.
    pub(super) fn step(self, byte: u8) -> Option<Self> {
        let next = match (self, byte) {
            (Self::Space | Self::Name | Self::Named | Self::Token | Self::Closed, b';') | (Self::Before, b' ' | b'\t') => {
                Self::Before
            }
            (Self::Space | Self::Token | Self::Closed, b' ' | b'\t') => Self::Space,
            (Self::Name | Self::Named, b' ' | b'\t') => Self::Named,
            (Self::Name | Self::Named, b'=') | (Self::Equals, b' ' | b'\t') => Self::Equals,
            (Self::Before | Self::Name, byte) if is_token(byte) => Self::Name,
            (Self::Equals, b'"') => Self::Quoted,
            (Self::Equals | Self::Token, byte) if is_token(byte) => Self::Token,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted | Self::Escaped, byte) if byte == b'\t' || (byte >= b' ' && byte != 0x7f) => Self::Quoted,
            _ => return None,
        };
        Some(next)
    }

    /// Whether the line may end here.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::Closed)
    }
}
