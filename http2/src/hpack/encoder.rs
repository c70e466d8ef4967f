//! Encodes field blocks (RFC 7541) quickly: what repeats becomes one or two bytes, the rest is copied.
//!
//! A field enters the dynamic table when it is seen a second time. Paths, request identifiers and dates that
//! occur once therefore evict nothing. Strings are not Huffman-coded: that would save about a quarter of the bytes
//! sent once, and cost both sides more time than all the rest.

use crate::hpack::table::{DynamicTable, ENTRY_BYTES};
use crate::hpack::{Field, Indexing, TABLE_BYTES_DEFAULT, integer, static_table};

/// Bytes of our table, even if the peer allows more. It bounds the memory of a connection, and the number of
/// entries that `SLOTS` must hold: at most 128.
const TABLE_BYTES_MAX: usize = TABLE_BYTES_DEFAULT;

/// Slots of the hash indices: twice the entries of a full table.
const SLOTS: usize = 256;

/// A larger field would evict too many others.
const INDEXED_BYTES_MAX: usize = TABLE_BYTES_MAX / 4;

/// A shorter cookie could be guessed byte by byte through the sizes of messages (section 7.1).
const COOKIE_BYTES_MIN: usize = 20;

/// The encoder of a connection.
#[derive(Debug)]
pub struct Encoder {
    table: DynamicTable,
    /// The insertion number of the entry with this hash. A later entry overwrites an earlier one.
    numbers: Box<[u32; SLOTS]>,
    /// Hashes of fields that were sent once and not inserted.
    seen: Box<[u32; SLOTS]>,
    update: SizeUpdate,
}

/// A change of the table's size that the next block must announce (section 4.2).
#[derive(Debug, Clone, Copy)]
enum SizeUpdate {
    None,
    Due { smallest: usize },
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            table: DynamicTable::new(TABLE_BYTES_DEFAULT),
            numbers: Box::new([0; SLOTS]),
            seen: Box::new([0; SLOTS]),
            update: SizeUpdate::None,
        }
    }
}

impl Encoder {
    /// Obeys the peer's SETTINGS_HEADER_TABLE_SIZE.
    pub fn set_size_limit(&mut self, bytes: usize) {
        let bytes = bytes.min(TABLE_BYTES_MAX);
        if bytes == self.table.size_max() {
            return;
        }
        let smallest = match self.update {
            SizeUpdate::None => bytes,
            SizeUpdate::Due { smallest } => smallest.min(bytes),
        };
        self.update = SizeUpdate::Due { smallest };
        self.table.resize(bytes);
    }

    /// Begins a block: announces a changed table size.
    pub fn begin(&mut self, output: &mut Vec<u8>) {
        let SizeUpdate::Due { smallest } = std::mem::replace(&mut self.update, SizeUpdate::None) else { return };
        if smallest < self.table.size_max() {
            integer::encode(output, smallest, 5, 0x20);
        }
        integer::encode(output, self.table.size_max(), 5, 0x20);
    }

    /// Appends one field.
    pub fn field(&mut self, field: Field<'_>, output: &mut Vec<u8>) {
        let name = static_table::name(field.name);
        if let Some(index) = static_table::exact(name, field.name, field.value) {
            return integer::encode(output, index, 7, 0x80);
        }
        if field.indexing == Indexing::Never || is_secret(name, field.value) {
            return literal(output, name, field, 4, 0x10);
        }
        if field.name.len() + field.value.len() + ENTRY_BYTES > INDEXED_BYTES_MAX.min(self.table.size_max()) {
            return literal(output, name, field, 4, 0x00);
        }
        let hash = hash(field);
        let slot = hash as usize % SLOTS;
        if let Some(position) = self.position(slot, field) {
            return integer::encode(output, static_table::LENGTH + 1 + position, 7, 0x80);
        }
        if std::mem::replace(&mut self.seen[slot], hash) != hash {
            return literal(output, name, field, 4, 0x00);
        }
        self.numbers[slot] = self.table.inserted();
        self.table.insert(field.name, field.value);
        literal(output, name, field, 6, 0x40);
    }

    /// The position of an equal entry in the table, if its slot still points to it.
    fn position(&self, slot: usize, field: Field<'_>) -> Option<usize> {
        let age = self.table.inserted().wrapping_sub(self.numbers[slot]);
        let position = (age as usize).checked_sub(1)?;
        (self.table.entry(position)? == (field.name, field.value)).then_some(position)
    }
}

/// Whether a value must not enter any table. `name` is the index of the name in the static table.
fn is_secret(name: usize, value: &[u8]) -> bool {
    match name {
        static_table::AUTHORIZATION | static_table::PROXY_AUTHORIZATION | static_table::SET_COOKIE => true,
        static_table::COOKIE => value.len() < COOKIE_BYTES_MIN,
        _ => false,
    }
}

fn literal(output: &mut Vec<u8>, name: usize, field: Field<'_>, prefix_bits: u32, pattern: u8) {
    integer::encode(output, name, prefix_bits, pattern);
    if name == 0 {
        integer::encode(output, field.name.len(), 7, 0);
        output.extend_from_slice(field.name);
    }
    integer::encode(output, field.value.len(), 7, 0);
    output.extend_from_slice(field.value);
}

/// A hash of name and value. It need not resist an attack: a collision costs a literal instead of an index.
fn hash(field: Field<'_>) -> u32 {
    let lengths = (field.name.len() << 32 | field.value.len()) as u64;
    let hash = mix(mix(lengths, field.name), field.value);
    // Zero is what an empty slot holds.
    (hash >> 32) as u32 | 1 << 31
}

fn mix(mut hash: u64, bytes: &[u8]) -> u64 {
    /// An odd number whose bits are spread evenly: 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for word in words.iter().chain(std::iter::once(&last)) {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        hash ^= hash >> 29;
    }
    hash
}
