//! The dynamic table (RFC 7541, sections 2.3.2 and 4), with all bytes in one buffer.

use std::collections::VecDeque;

/// Bytes that each entry counts besides its name and value (section 4.1).
pub(crate) const ENTRY_BYTES: usize = 32;

/// Entries of a first-in-first-out table that evicts the oldest.
#[derive(Debug)]
pub(crate) struct DynamicTable {
    /// The newest entry comes first.
    entries: VecDeque<Entry>,
    /// Names and values in the order of insertion. What was evicted is removed once it is half of the buffer.
    bytes: Vec<u8>,
    size: usize,
    size_max: usize,
    inserted: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: usize,
    name: usize,
    value: usize,
}

impl DynamicTable {
    /// An empty table.
    pub(crate) fn new(size_max: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: Vec::new(), size: 0, size_max, inserted: 0 }
    }

    /// The name and value at `position`; 0 is the newest.
    pub(crate) fn entry(&self, position: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(position)?;
        Some(self.bytes[entry.start..entry.start + entry.name + entry.value].split_at(entry.name))
    }

    /// The number of entries ever inserted, modulo 2^32.
    pub(crate) fn inserted(&self) -> u32 {
        self.inserted
    }

    /// The largest size in bytes.
    pub(crate) fn size_max(&self) -> usize {
        self.size_max
    }

    /// Changes the largest size, and evicts what exceeds it.
    pub(crate) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict(size_max);
    }

    /// Inserts an entry. One that is larger than the table empties it (section 4.4).
    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + ENTRY_BYTES;
        let Some(left) = self.size_max.checked_sub(size) else {
            return self.evict(0);
        };
        self.evict(left);
        self.compact();
        self.entries.push_front(Entry { start: self.bytes.len(), name: name.len(), value: value.len() });
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.size += size;
        self.inserted = self.inserted.wrapping_add(1);
    }

    fn evict(&mut self, left: usize) {
        while self.size > left {
            let entry = self.entries.pop_back().expect("a table with a size has entries");
            self.size -= entry.name + entry.value + ENTRY_BYTES;
        }
    }

    fn compact(&mut self) {
        let evicted = self.entries.back().map_or(self.bytes.len(), |oldest| oldest.start);
        if evicted >= self.size_max {
            self.bytes.drain(..evicted);
            self.entries.iter_mut().for_each(|entry| entry.start -= evicted);
        }
    }
}
