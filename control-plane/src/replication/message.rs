//! The messages of the log of windows, and how a write that is too large for one message is put together again.

use crate::store::codec::{Corrupt, put, take};

/// The version of the format. A replica of an earlier version refuses it.
const VERSION: u8 = 1;

/// Bytes of a whole write. The largest is a transaction of a hundred thousand rows, of some hundred bytes each.
const WRITE_BYTES_MAX: usize = 256 << 20;

/// A message of the log. By the id, its publisher recognises its own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A replica takes the lead: the sequence of this message is the new term.
    Lead {
        /// The id.
        id: u64,
    },
    /// Nothing: a replica that has applied it has applied all that was acknowledged before it was published.
    Barrier {
        /// The id.
        id: u64,
    },
    /// A part of a write.
    Part(Part),
}

/// A part of a write. The parts of a write follow each other in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The id of the write.
    pub id: u64,
    /// The term of the leader that wrote it.
    pub term: u64,
    /// The place of this part among all of them, from 0.
    pub at: u64,
    /// The number of parts.
    pub of: u64,
    /// A part of the encoded write.
    pub bytes: Vec<u8>,
}

impl Message {
    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        match self {
            Self::Lead { id } => {
                bytes.push(1);
                put(*id, &mut bytes);
            }
            Self::Barrier { id } => {
                bytes.push(2);
                put(*id, &mut bytes);
            }
            Self::Part(part) => {
                bytes.push(3);
                for number in [part.id, part.term, part.at, part.of] {
                    put(number, &mut bytes);
                }
                bytes.extend(&part.bytes);
            }
        }
        bytes
    }

    /// Decodes the output of [`Message::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let [version, kind, rest @ ..] = bytes else { return Err(Corrupt::Length) };
        if *version != VERSION {
            return Err(Corrupt::Version(*version));
        }
        let mut rest = rest;
        match kind {
            1 => Ok(Self::Lead { id: take(&mut rest)? }),
            2 => Ok(Self::Barrier { id: take(&mut rest)? }),
            3 => {
                let mut number = || take(&mut rest);
                let (id, term, at, of) = (number()?, number()?, number()?, number()?);
                Ok(Self::Part(Part { id, term, at, of, bytes: rest.to_vec() }))
            }
            _ => Err(Corrupt::Number),
        }
    }

    /// Divides an encoded write into messages of at most this many bytes of the write each.
    pub fn parts(id: u64, term: u64, write: &[u8], part_bytes_max: usize) -> Vec<Self> {
        let of = write.len().div_ceil(part_bytes_max).max(1) as u64;
        let chunks = (0_u64..).zip(write.chunks(part_bytes_max));
        chunks.map(|(at, bytes)| Self::Part(Part { id, term, at, of, bytes: bytes.to_vec() })).collect()
    }
}

/// Puts the parts of writes together. A write of which a part is missing is dropped; its publisher gets no outcome,
/// and writes again.
#[derive(Debug, Default)]
pub struct Assembler(Option<Partial>);

#[derive(Debug)]
struct Partial {
    first_sequence: u64,
    id: u64,
    next: u64,
    bytes: Vec<u8>,
}

impl Assembler {
    /// Takes the next part, and returns the write if it is whole.
    pub fn add(&mut self, sequence: u64, part: Part) -> Option<Vec<u8>> {
        let mut partial = match self.0.take() {
            Some(partial) if partial.id == part.id && partial.next == part.at => partial,
            _ if part.at == 0 => Partial { first_sequence: sequence, id: part.id, next: 0, bytes: Vec::new() },
            _ => return None,
        };
        partial.bytes.extend(part.bytes);
        partial.next += 1;
        if partial.bytes.len() > WRITE_BYTES_MAX {
            return None;
        }
        if partial.next == part.of {
            return Some(partial.bytes);
        }
        self.0 = Some(partial);
        None
    }

    /// Forgets a write that is not whole: its leader has been replaced.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// The last sequence that need not be read again after a restart, if `sequence` was read last.
    pub fn settled(&self, sequence: u64) -> u64 {
        self.0.as_ref().map_or(sequence, |partial| partial.first_sequence.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(id: u64, write: &[u8]) -> Vec<Part> {
        let messages = Message::parts(id, 7, write, 3).into_iter().map(|message| Message::decode(&message.encode()).unwrap());
        messages.map(|message| if let Message::Part(part) = message { part } else { panic!("{message:?}") }).collect()
    }

    #[test]
    fn a_write_is_put_together_from_parts_that_follow_each_other() {
        let mut assembler = Assembler::default();
        let mut whole = None;
        for (sequence, part) in (10..).zip(parts(1, b"abcdefg")) {
            assert_eq!(whole, None);
            whole = assembler.add(sequence, part);
            assert_eq!(assembler.settled(sequence), if whole.is_some() { sequence } else { 9 });
        }
        assert_eq!(whole.unwrap(), b"abcdefg");
        assert_eq!(assembler.add(13, parts(2, b"hi").remove(0)).unwrap(), b"hi");
    }

    #[test]
    fn a_write_with_a_lost_part_is_dropped_and_the_next_one_is_whole() {
        let mut assembler = Assembler::default();
        let (lost, next) = (parts(1, b"abcdefg"), parts(2, b"hijk"));
        assert_eq!(assembler.add(1, lost[0].clone()), None);
        assert_eq!(assembler.add(2, lost[2].clone()), None);
        assert_eq!(assembler.settled(2), 2);
        assert_eq!(assembler.add(3, next[0].clone()), None);
        assert_eq!(assembler.add(4, next[1].clone()).unwrap(), b"hijk");
    }

    #[test]
    fn other_messages_and_damaged_ones() {
        for message in [Message::Lead { id: u64::MAX }, Message::Barrier { id: 0 }] {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
        assert_eq!(Message::decode(&[9, 1, 1]), Err(Corrupt::Version(9)));
        assert_eq!(Message::decode(&[1]), Err(Corrupt::Length));
        assert_eq!(Message::decode(&[1, 8, 0]), Err(Corrupt::Number));
    }
}
