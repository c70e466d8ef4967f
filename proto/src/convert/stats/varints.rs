//! Packed varints in a bytes field: read in place, most of them one byte each.
#![expect(clippy::inline_always, reason = "a frame is some five hundred of these numbers, nearly all of them a byte")]

use prost::encoding::{decode_varint, encode_varint};

use crate::convert::InvalidMessage;

/// Initial capacity; enough for most rows of a second.
const USUAL_BYTES: usize = 32;

/// Encodes the numbers.
pub(super) fn pack(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut packed = Vec::with_capacity(USUAL_BYTES);
    numbers.for_each(|number| encode_varint(number, &mut packed));
    packed
}

/// Reads the packed numbers of a field.
#[derive(Debug)]
pub(super) struct Varints<'a> {
    field: &'static str,
    packed: &'a [u8],
}

impl<'a> Varints<'a> {
    pub(super) fn new(field: &'static str, packed: &'a [u8]) -> Self {
        Self { field, packed }
    }

    /// The next number; `None` at the end.
    #[inline(always)]
    pub(super) fn read(&mut self) -> Result<Option<u64>, InvalidMessage> {
        match self.packed.split_first() {
            None => Ok(None),
            Some((byte, rest)) if *byte < 0x80 => {
                self.packed = rest;
                Ok(Some(u64::from(*byte)))
            }
            Some(_) => self.longer().map(Some),
        }
    }

    fn longer(&mut self) -> Result<u64, InvalidMessage> {
        let why = || InvalidMessage::Senseless { field: self.field, why: "it ends where a number is due".into() };
        decode_varint(&mut self.packed).map_err(|_| why())
    }
}
