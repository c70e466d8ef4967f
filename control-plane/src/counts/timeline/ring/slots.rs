//! The slots of a ring as they lie in memory, one after the other.

use mesh::golden::GoldenMetrics;

use crate::counts::packed_metrics::USUAL_BYTES;
use crate::store::codec;

/// One slot with counts. It is written as its length in two bytes, and then the distance of its number from the slot
/// before as a varint, and its packed counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) number: u64,
    pub(super) packed: &'a [u8],
}

/// The slots of a ring, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Slots<'a> {
    pub(super) rest: &'a [u8],
    /// The number that the next distance counts from.
    pub(super) base: u64,
}

impl Slot<'_> {
    pub(super) fn written(self, before: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.extend_from_slice(&[0; 2]);
        codec::put(self.number - before, &mut bytes);
        bytes.extend_from_slice(self.packed);
        let length = u16::try_from(bytes.len() - 2).expect("buckets and statuses are bounded");
        bytes[..2].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    pub(super) fn add_to(self, sum: &mut GoldenMetrics) {
        codec::add(self.packed, sum).expect("it was written here");
    }
}

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let (mut packed, rest) = rest.split_at(u16::from_le_bytes(*length).into());
        self.base += codec::take(&mut packed).expect("it was written here");
        self.rest = rest;
        Some(Slot { number: self.base, packed })
    }
}
