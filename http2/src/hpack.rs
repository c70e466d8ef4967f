//! Field compression (RFC 7541): what a decoder and an encoder of field blocks share.

use std::fmt;

pub mod decoder;
pub mod encoder;
mod huffman;
mod integer;
mod static_table;
mod table;
#[cfg(test)]
mod tests;

/// The size of a dynamic table until a setting changes it (RFC 9113, section 6.5.2).
pub const TABLE_BYTES_DEFAULT: usize = 4096;

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, in lower case. Names of pseudo-header fields begin with a colon.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// Whether the field may enter a table.
    pub indexing: Indexing,
}

/// Whether a field may enter a compression table, here or at a later hop (RFC 7541, section 7.1.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Indexing {
    /// The encoder decides.
    #[default]
    Allowed,
    /// The value is sensitive: it is sent as a "never indexed" literal.
    Never,
}

impl<'a> Field<'a> {
    /// A field that may be indexed.
    pub fn new(name: &'a (impl AsRef<[u8]> + ?Sized), value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { name: name.as_ref(), value: value.as_ref(), indexing: Indexing::Allowed }
    }
}

/// Why a field block cannot be decoded. The tables of both sides are then out of step, so the connection ends
/// with COMPRESSION_ERROR (RFC 9113, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HpackError {
    /// The block ends within a field.
    Truncated,
    /// An integer is larger than any that a block can need (RFC 7541, section 5.1).
    IntegerOverflow,
    /// An index points past the end of the tables (section 2.3.3).
    Index,
    /// A Huffman code is the end of string, or the padding is wrong (section 5.2).
    Huffman,
    /// A size update exceeds the announced size (section 6.3).
    TableSize,
    /// A size update follows a field, or is missing after the announced size was reduced (section 4.2).
    TableSizeOrder,
}

impl HpackError {
    /// The reason, for logs and GOAWAY.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Truncated => "field block: ends within a field",
            Self::IntegerOverflow => "field block: integer too large",
            Self::Index => "field block: index past the end of the tables",
            Self::Huffman => "field block: invalid Huffman code",
            Self::TableSize => "field block: table size over the announced size",
            Self::TableSizeOrder => "field block: table size update missing or misplaced",
        }
    }
}

impl fmt::Display for HpackError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.reason())
    }
}

impl std::error::Error for HpackError {}
