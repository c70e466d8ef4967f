//! Reads the fields of a protobuf message in place, without allocation (Protocol Buffers, "Encoding").
#![expect(clippy::inline_always, reason = "a frame is some five hundred of these numbers, nearly all of them a byte")]

use prost::encoding::decode_varint;

use crate::convert::InvalidMessage;

/// The unread bytes of a message.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    message: &'static str,
    rest: &'a [u8],
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldValue<'a> {
    /// A varint, or a number of fixed width.
    Number(u64),
    /// A string, bytes, or a message.
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    /// Reads the fields of `bytes`; `message` is its name in errors.
    pub(super) fn new(message: &'static str, bytes: &'a [u8]) -> Self {
        Self { message, rest: bytes }
    }

    /// The next field's number and value; `None` at the end.
    #[inline(always)]
    pub(super) fn read(&mut self) -> Result<Option<(u64, FieldValue<'a>)>, InvalidMessage> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => FieldValue::Number(self.varint()?),
            2 => {
                let length = self.varint()?;
                FieldValue::Bytes(self.take(length)?)
            }
            1 => FieldValue::Number(u64::from_le_bytes(self.fixed()?)),
            5 => FieldValue::Number(u64::from(u32::from_le_bytes(self.fixed()?))),
            _ => return Err(self.broken("a field has a type that there is none of")),
        };
        Ok(Some((key >> 3, value)))
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, InvalidMessage> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.longer(),
        }
    }

    fn longer(&mut self) -> Result<u64, InvalidMessage> {
        decode_varint(&mut self.rest).map_err(|_| self.broken("it ends where a number is due"))
    }

    #[inline(always)]
    fn take(&mut self, length: u64) -> Result<&'a [u8], InvalidMessage> {
        let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = taken.ok_or_else(|| self.broken("a field is longer than it"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const WIDTH: usize>(&mut self) -> Result<[u8; WIDTH], InvalidMessage> {
        Ok(self.take(WIDTH as u64)?.try_into().expect("as many bytes were taken"))
    }

    #[cold]
    fn broken(&self, why: &str) -> InvalidMessage {
        InvalidMessage::Senseless { field: self.message, why: why.into() }
    }
}

impl<'a> FieldValue<'a> {
    /// Returns the number, or an error that names the field.
    #[inline]
    pub(super) fn number(self, field: &'static str) -> Result<u64, InvalidMessage> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) => Err(InvalidMessage::Senseless { field, why: "it is no number".into() }),
        }
    }

    /// Returns the bytes, or an error that names the field.
    #[inline]
    pub(super) fn bytes(self, field: &'static str) -> Result<&'a [u8], InvalidMessage> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(InvalidMessage::Senseless { field, why: "it is a number".into() }),
        }
    }

    /// Decodes the message, or returns an error that names the field.
    pub(super) fn message<M: prost::Message + Default>(self, field: &'static str) -> Result<M, InvalidMessage> {
        M::decode(self.bytes(field)?).map_err(|why| InvalidMessage::Senseless { field, why: why.to_string() })
    }
}

/// Decodes a zigzag number: 0, -1, 1, -2 (Protocol Buffers, "Signed Integers").
#[inline]
pub(super) fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::wire;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, FieldValue<'_>)>, InvalidMessage> {
        let mut fields = Fields::new("test", bytes);
        std::iter::from_fn(|| fields.read().transpose()).collect()
    }

    proptest! {
        #[test]
        fn what_the_library_writes_is_read(at_ms: u64, seq: u64, own: i64, text in ".{0,9}") {
            let stat = wire::Stat { id: 3, untimed: own, ..Default::default() };
            let def = wire::Def { id: 7, method: text.clone(), ..Default::default() };
            let live = wire::Live { seq, at_ms, defs: vec![def], stats: vec![stat], ..Default::default() }.encode_to_vec();
            let find = |wanted: u64, bytes| all(bytes).unwrap().into_iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| value);
            prop_assert_eq!(find(1, &live), Some(FieldValue::Number(seq)).filter(|_| seq > 0));
            prop_assert_eq!(find(3, &live), Some(FieldValue::Number(at_ms)).filter(|_| at_ms > 0));
            let reported = find(5, &live).unwrap().bytes("stats").unwrap();
            let untimed = find(2, reported).map_or(0, |value| signed(value.number("untimed").unwrap()));
            prop_assert_eq!(untimed, own);
            prop_assert_eq!(find(4, &live).unwrap().message::<wire::Def>("defs").unwrap().method, text);
        }

        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = all(&bytes);
        }
    }

    #[test]
    fn a_message_that_is_cut_off_is_refused_by_name() {
        assert_eq!(all(&[8, 0x80]).unwrap_err().to_string(), "test makes no sense: it ends where a number is due");
        assert_eq!(all(&[18, 3, 1, 2]).unwrap_err().to_string(), "test makes no sense: a field is longer than it");
        assert_eq!(all(&[9, 1, 2]).unwrap_err().to_string(), "test makes no sense: a field is longer than it");
        assert!(all(&[11]).unwrap_err().to_string().contains("a type that there is none of"));
        assert!(FieldValue::Number(1).bytes("live").is_err() && FieldValue::Bytes(&[]).number("seq").is_err());
    }
}
