//! The fields of one head or of trailers, in two buffers that the next section reuses.

use crate::hpack::{Field, Indexing};
use crate::message::malformed::Malformed;
use crate::message::syntax;

/// A buffer that grew beyond this for an unusual section is freed after it.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// Fields in the order received. Pseudo-header fields come first.
#[derive(Debug, Default)]
pub struct FieldSection {
    bytes: Vec<u8>,
    fields: Vec<Span>,
    /// For each pseudo-header field, its position in `fields` plus one.
    pseudos: [u8; 6],
    pseudo_count: usize,
    content_length: Option<u64>,
}

/// A pseudo-header field (RFC 9113, section 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of section 8.3")]
pub enum Pseudo {
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
    Status,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    name: u32,
    value: u32,
    indexing: Indexing,
}

impl FieldSection {
    /// The regular fields.
    pub fn regular(&self) -> impl ExactSizeIterator<Item = Field<'_>> {
        self.fields[self.pseudo_count..].iter().map(|span| self.field(*span))
    }

    /// The value of a pseudo-header field.
    pub fn pseudo(&self, pseudo: Pseudo) -> Option<&[u8]> {
        let position = usize::from(self.pseudos[pseudo as usize]).checked_sub(1)?;
        Some(self.field(self.fields[position]).value)
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Method)
    }

    /// The scheme of a request.
    pub fn scheme(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Scheme)
    }

    /// The authority of a request.
    pub fn authority(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Authority)
    }

    /// The path and query of a request.
    pub fn path(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Path)
    }

    /// The protocol of an extended CONNECT (RFC 8441).
    pub fn protocol(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Protocol)
    }

    /// The status of a response, 100 to 999.
    pub fn status(&self) -> Option<u16> {
        self.pseudo(Pseudo::Status).and_then(syntax::status)
    }

    /// The length of the content, if the head states it.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    pub(super) fn has_regular(&self) -> bool {
        self.fields.len() > self.pseudo_count
    }

    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            *self = Self::default();
            return;
        }
        self.bytes.clear();
        self.fields.clear();
        (self.pseudos, self.pseudo_count, self.content_length) = ([0; 6], 0, None);
    }

    pub(super) fn push(&mut self, field: Field<'_>) {
        let (name, value) = (field.name.len() as u32, field.value.len() as u32);
        self.fields.push(Span { start: self.bytes.len(), name, value, indexing: field.indexing });
        self.bytes.extend_from_slice(field.name);
        self.bytes.extend_from_slice(field.value);
    }

    pub(super) fn push_pseudo(&mut self, pseudo: Pseudo, field: Field<'_>) {
        self.push(field);
        self.pseudo_count = self.fields.len();
        self.pseudos[pseudo as usize] = self.pseudo_count as u8;
    }

    pub(super) fn set_content_length(&mut self, length: u64) -> Result<(), Malformed> {
        match self.content_length.replace(length) {
            Some(_) => Err(Malformed::ContentLengthRepeated),
            None => Ok(()),
        }
    }

    fn field(&self, span: Span) -> Field<'_> {
        let (name, value) = self.bytes[span.start..][..(span.name + span.value) as usize].split_at(span.name as usize);
        Field { name, value, indexing: span.indexing }
    }
}
