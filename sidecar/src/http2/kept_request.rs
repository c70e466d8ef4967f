//! What is kept of requests until their responses begin, so that they can be sent again: heads, and the first bytes of bodies.

use std::cell::Cell;
use std::rc::Rc;

use crate::decorator::AddedField;
use crate::head::write::is_sendable;
use crate::upstream::http2::field_list::FieldList;

/// Kept bytes of a connection above which what was sent is dropped. Such a request is not sent again.
const SENT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one body that are kept. A service accepts this much by default before it has answered (RFC 9113, section 6.9.2).
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Kept bytes of a connection above which a request does not wait for a connection to the service. A client can name the
/// same large fields by one byte each (RFC 7541, section 7.3), so heads cost it little.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// All that one connection keeps, in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptBytes(Rc<Cell<usize>>);

/// The head of a request, as the service gets it.
#[derive(Debug, Default)]
pub(super) struct KeptHead {
    fields: FieldList,
    total: KeptBytes,
}

impl KeptBytes {
    /// Whether no other head may wait for a connection to the service.
    pub(super) fn is_full(&self) -> bool {
        self.0.get() > WAITING_BYTES_MAX
    }
}

impl KeptHead {
    /// Keeps a head, and counts it.
    pub(super) fn new(fields: FieldList, total: &KeptBytes) -> Self {
        total.0.set(total.0.get() + fields.bytes());
        Self { fields, total: total.clone() }
    }

    /// Adds fields.
    pub(super) fn add(&mut self, fields: &[AddedField]) {
        self.uncount();
        for (name, value) in fields.iter().filter(|(name, value)| is_sendable(name, value)) {
            self.fields.push_lower_case(name, value);
        }
        self.total.0.set(self.total.0.get() + self.fields.bytes());
    }

    /// The fields, pseudo-header fields first.
    pub(super) fn fields(&self) -> &FieldList {
        &self.fields
    }

    /// Whether the head should be dropped, now that it was sent.
    pub(super) fn is_too_much(&self) -> bool {
        self.total.0.get() > SENT_BYTES_MAX
    }

    /// The buffer, for another head.
    pub(super) fn into_buffer(mut self) -> Vec<u8> {
        self.uncount();
        std::mem::take(&mut self.fields).into_buffer()
    }

    fn uncount(&self) {
        self.total.0.set(self.total.0.get().saturating_sub(self.fields.bytes()));
    }
}

/// The bytes of a body that were sent.
#[derive(Debug)]
pub(super) struct KeptBody {
    bytes: Vec<u8>,
    total: KeptBytes,
}

impl KeptBody {
    /// An empty copy.
    pub(super) fn new(total: &KeptBytes) -> Self {
        Self { bytes: Vec::new(), total: total.clone() }
    }

    /// Adds sent bytes. Returns false if this is more than is kept; the copy is then of no use.
    pub(super) fn add(&mut self, sent: &[u8]) -> bool {
        if self.bytes.len() + sent.len() > BODY_BYTES_MAX || self.total.0.get() + sent.len() > SENT_BYTES_MAX {
            return false;
        }
        self.bytes.extend_from_slice(sent);
        self.total.0.set(self.total.0.get() + sent.len());
        true
    }

    /// Takes the bytes, and begins again.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.total.0.set(self.total.0.get().saturating_sub(self.bytes.len()));
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for KeptBody {
    fn drop(&mut self) {
        self.take();
    }
}

impl Drop for KeptHead {
    fn drop(&mut self) {
        self.uncount();
    }
}

#[cfg(test)]
mod tests {
    use http2::hpack::Field;

    use super::*;

    #[test]
    fn kept_heads_are_counted_until_they_are_dropped_or_used_again() {
        let total = KeptBytes::default();
        let head = || {
            let mut fields = FieldList::default();
            fields.push(Field::new("cookie", &"x".repeat(100_000)));
            KeptHead::new(fields, &total)
        };
        let mut kept: Vec<KeptHead> = (0..10).map(|_| head()).collect();
        assert!(!kept[0].is_too_much());
        kept.push(head());
        assert!(kept[0].is_too_much() && !total.is_full());
        kept.extend((0..31).map(|_| head()));
        assert!(total.is_full());
        assert!(kept.pop().unwrap().into_buffer().len() > 100_000);
        kept.clear();
        assert_eq!(total.0.get(), 0);
    }

    #[test]
    fn bodies_are_kept_up_to_a_bound_each_and_together() {
        let total = KeptBytes::default();
        let mut bodies: Vec<KeptBody> = (0..20).map(|_| KeptBody::new(&total)).collect();
        let whole = vec![0; BODY_BYTES_MAX];
        let kept = bodies.iter_mut().filter_map(|body| body.add(&whole).then_some(())).count();
        assert_eq!(kept, SENT_BYTES_MAX / BODY_BYTES_MAX);
        assert!(!bodies[0].add(&[0]), "one more byte is too much");
        assert_eq!(bodies[0].take().len(), BODY_BYTES_MAX);
        assert!(bodies[0].add(&[0; 10]));
        drop(bodies);
        assert_eq!(total.0.get(), 0);
    }
}
