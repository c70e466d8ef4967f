//! Reads the extensions behind a chunk's size, which are dropped, but only if they are well-formed (RFC 9112, section 7.1.1).

use crate::head::fields::is_token;

/// Where in `BWS ; BWS name BWS = BWS value` a reader stands.
///
/// A parser that takes quotation marks seriously and one that only looks for the line's end part ways at a malformed
/// extension; refusing it keeps both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// White space before a semicolon.
    Space,
    /// Behind a semicolon.
    Before,
    Name,
    /// White space behind a name.
    Named,
    /// Behind an equals sign.
    Equals,
    Token,
    Quoted,
    /// Behind a backslash within quotation marks.
    Escaped,
    /// Behind the closing quotation mark.
    Closed,
}

impl Extension {
    /// Takes one byte; nothing if it has no place here.
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
