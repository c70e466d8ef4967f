//! Fields in one buffer, in the order in which they are sent.

use http2::hpack::{Field, Indexing};

/// The lengths of name and value precede them. The highest bit of the second says that the value is sensitive.
const LENGTHS_BYTES: usize = 8;
const SENSITIVE: u32 = 1 << 31;

/// A list of fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldList {
    bytes: Vec<u8>,
}

impl FieldList {
    /// An empty list in a buffer that is used again.
    pub(crate) fn reusing(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes }
    }

    /// The buffer, for another list.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// The size of the buffer's content.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a field.
    pub(crate) fn push(&mut self, field: Field<'_>) {
        let sensitive = if field.indexing == Indexing::Never { SENSITIVE } else { 0 };
        self.bytes.extend_from_slice(&(field.name.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(field.value.len() as u32 | sensitive).to_le_bytes());
        self.bytes.extend_from_slice(field.name);
        self.bytes.extend_from_slice(field.value);
    }

    /// Appends a field by its name in any case. HTTP/2 has names in lower case only (RFC 9113, section 8.2.1).
    pub(crate) fn push_lower_case(&mut self, name: &str, value: &str) {
        let start = self.bytes.len() + LENGTHS_BYTES;
        self.push(Field::new(name, value));
        self.bytes[start..start + name.len()].make_ascii_lowercase();
    }

    /// Appends a field of HTTP/1: its name in any case, and its value perhaps folded over lines (RFC 9112, section 5.2).
    pub(crate) fn push_unfolded(&mut self, name: &str, value: &[u8]) {
        let start = self.bytes.len() + LENGTHS_BYTES;
        self.push(Field::new(name, value));
        let (name, value) = self.bytes[start..].split_at_mut(name.len());
        name.make_ascii_lowercase();
        value.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
    }

    /// The fields in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (lengths, after) = rest.split_first_chunk::<LENGTHS_BYTES>()?;
            let [n0, n1, n2, n3, v0, v1, v2, v3] = *lengths;
            let (name, value) = (u32::from_le_bytes([n0, n1, n2, n3]), u32::from_le_bytes([v0, v1, v2, v3]));
            let (name, after) = after.split_at_checked(name as usize)?;
            let (content, after) = after.split_at_checked((value & !SENSITIVE) as usize)?;
            rest = after;
            let indexing = if value & SENSITIVE == 0 { Indexing::Allowed } else { Indexing::Never };
            Some(Field { name, value: content, indexing })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_as_they_went_in() {
        let fields = [
            Field::new(":path", "/a"),
            Field { name: b"cookie", value: b"secret", indexing: Indexing::Never },
            Field::new("empty", ""),
        ];
        let mut list = FieldList::default();
        for field in fields {
            list.push(field);
        }
        assert!(list.iter().eq(fields));
        list.push_lower_case("Content-Type", "Text");
        assert_eq!(list.iter().last(), Some(Field::new("content-type", "Text")));
        let list = FieldList::reusing(list.into_buffer());
        assert_eq!(list.iter().count(), 0);
    }
}
