//! Decodes field blocks (RFC 7541, sections 3 and 6) without an allocation per field.

use std::ops::Range;

use crate::hpack::table::DynamicTable;
use crate::hpack::{Field, HpackError, Indexing, TABLE_BYTES_DEFAULT, huffman, integer, static_table};

/// The decoder of a connection. Every block that arrives must pass through it, in order.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// The table size that we announced and the peer has acknowledged.
    size_limit: usize,
    /// The table is larger than the limit, so the next block must begin with a size update.
    is_update_due: bool,
    /// Decoded strings of the current field.
    scratch: Vec<u8>,
}

/// What to do with a literal field after it was read (section 6.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literal {
    Insert,
    Leave,
    Never,
}

/// Where a string of the current field is.
enum Text<'b> {
    Input(&'b [u8]),
    Scratch(Range<usize>),
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: DynamicTable::new(TABLE_BYTES_DEFAULT),
            size_limit: TABLE_BYTES_DEFAULT,
            is_update_due: false,
            scratch: Vec::new(),
        }
    }
}

impl Decoder {
    /// Changes the limit of the table's size. The peer announces with its next block what it uses.
    pub fn set_size_limit(&mut self, bytes: usize) {
        self.size_limit = bytes;
        self.is_update_due = self.table.size_max() > bytes;
    }

    /// Decodes a whole block and passes each field to `each`.
    pub fn decode(&mut self, block: &[u8], mut each: impl FnMut(Field<'_>)) -> Result<(), HpackError> {
        let mut at = 0;
        while let Some(0x20..=0x3f) = block.get(at) {
            self.update_size(integer::decode(block, &mut at, 5)?)?;
        }
        if self.is_update_due && at < block.len() {
            return Err(HpackError::TableSizeOrder);
        }
        while let Some(&first) = block.get(at) {
            match first {
                0x80.. => {
                    let index = integer::decode(block, &mut at, 7)?;
                    let (name, value) = self.indexed(index)?;
                    each(Field { name, value, indexing: Indexing::Allowed });
                }
                0x40..=0x7f => self.literal(block, &mut at, 6, Literal::Insert, &mut each)?,
                0x20..=0x3f => return Err(HpackError::TableSizeOrder),
                0x10..=0x1f => self.literal(block, &mut at, 4, Literal::Never, &mut each)?,
                0x00..=0x0f => self.literal(block, &mut at, 4, Literal::Leave, &mut each)?,
            }
        }
        Ok(())
    }

    fn update_size(&mut self, bytes: usize) -> Result<(), HpackError> {
        if bytes > self.size_limit {
            return Err(HpackError::TableSize);
        }
        self.table.resize(bytes);
        self.is_update_due = false;
        Ok(())
    }

    /// The entry at an index of both tables together (section 2.3.3).
    fn indexed(&self, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
        if let Some(entry) = static_table::entry(index) {
            return Ok(entry);
        }
        index.checked_sub(static_table::LENGTH + 1).and_then(|position| self.table.entry(position)).ok_or(HpackError::Index)
    }

    fn literal(
        &mut self,
        block: &[u8],
        at: &mut usize,
        prefix_bits: u32,
        literal: Literal,
        each: &mut impl FnMut(Field<'_>),
    ) -> Result<(), HpackError> {
        self.scratch.clear();
        let name = match integer::decode(block, at, prefix_bits)? {
            0 => self.string(block, at)?,
            index => self.name(index)?,
        };
        let value = self.string(block, at)?;
        let (name, value) = (name.bytes(&self.scratch), value.bytes(&self.scratch));
        let indexing = if literal == Literal::Never { Indexing::Never } else { Indexing::Allowed };
        each(Field { name, value, indexing });
        if literal == Literal::Insert {
            self.table.insert(name, value);
        }
        Ok(())
    }

    /// The name at an index. One of the dynamic table is copied, because the insertion of the field may evict it.
    fn name<'b>(&mut self, index: usize) -> Result<Text<'b>, HpackError> {
        if let Some((name, _)) = static_table::entry(index) {
            return Ok(Text::Input(name));
        }
        let position = index.checked_sub(static_table::LENGTH + 1).ok_or(HpackError::Index)?;
        let (name, _) = self.table.entry(position).ok_or(HpackError::Index)?;
        self.scratch.extend_from_slice(name);
        Ok(Text::Scratch(0..name.len()))
    }

    /// Reads a string literal (section 5.2).
    fn string<'b>(&mut self, block: &'b [u8], at: &mut usize) -> Result<Text<'b>, HpackError> {
        let is_huffman = block.get(*at).ok_or(HpackError::Truncated)? & 0x80 != 0;
        let length = integer::decode(block, at, 7)?;
        let bytes = block.get(*at..*at + length).ok_or(HpackError::Truncated)?;
        *at += length;
        if !is_huffman {
            return Ok(Text::Input(bytes));
        }
        let start = self.scratch.len();
        huffman::decode(bytes, &mut self.scratch)?;
        Ok(Text::Scratch(start..self.scratch.len()))
    }
}

impl<'b> Text<'b> {
    fn bytes<'a>(&self, scratch: &'a [u8]) -> &'a [u8]
    where
        'b: 'a,
    {
        match self {
            Self::Input(bytes) => bytes,
            Self::Scratch(range) => &scratch[range.clone()],
        }
    }
}
