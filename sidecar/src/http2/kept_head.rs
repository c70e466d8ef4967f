//! The head of a request that is kept until the response begins, and the total of all kept heads of one connection.

use std::cell::Cell;
use std::rc::Rc;

use crate::upstream::http2::field_list::FieldList;

/// Kept bytes of a connection above which a head that was sent is dropped. Such a request is not sent again.
const SENT_BYTES_MAX: usize = 1024 * 1024;

/// Kept bytes of a connection above which a request does not wait for a connection to the service. A client can name the
/// same large fields by one byte each (RFC 7541, section 7.3), so heads cost it little.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The bytes of all kept heads of one connection.
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
}
