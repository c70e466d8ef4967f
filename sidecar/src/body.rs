//! Carries a body from one side's framing to the other's, and knows exactly where it ends.

use crate::head::Framing;

pub mod chunked;

use chunked::{Chunks, Piece};

/// A body under way.
#[derive(Debug)]
pub struct Body {
    from: From,
    to: To,
    /// Bytes of content so far, framing not included.
    pub bytes: u64,
}

#[derive(Debug)]
enum From {
    Length(u64),
    Chunks(Chunks),
    UntilClose,
    Done,
}

/// How the receiving side sees the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// As plain bytes: their number was told, or the connection is closed after them.
    Plain,
    /// As chunks.
    Chunks,
    /// Not at all: something else was answered.
    Nothing,
}

/// What one step has done.
#[derive(Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    /// Bytes of the input that are used up.
    pub consumed: usize,
    /// A part of the input to be passed on as it is, after what was appended to the output.
    pub plain: &'a [u8],
}

/// The sender has broken its own framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl Body {
    /// A body that is framed like this on the one side, and like that on the other.
    pub fn new(from: Framing, to: To) -> Self {
        let from = match from {
            Framing::Empty => From::Done,
            Framing::Length(bytes) => From::Length(bytes),
            Framing::Chunked => From::Chunks(Chunks::default()),
            Framing::UntilClose => From::UntilClose,
        };
        Self { from, to, bytes: 0 }
    }

    /// Leaves trailer fields behind: the head names fields that concern its own connection only,
    /// and a trailer of that name would too (RFC 9110, section 7.6.1).
    pub fn drop_trailers(&mut self) {
        if let From::Chunks(chunks) = &mut self.from {
            chunks.drop_trailers();
        }
    }

    /// Whether the last byte was carried.
    pub fn is_done(&self) -> bool {
        matches!(self.from, From::Done)
    }

    /// Whether the sender's closing of the connection is how it ends; anything else would be cut short by it.
    pub fn ends_by_closing(&self) -> bool {
        matches!(self.from, From::UntilClose)
    }

    /// Whether the receiver gets nothing of it.
    pub fn is_to_nothing(&self) -> bool {
        self.to == To::Nothing
    }

    /// Takes what it can from `input`: appends to `out` what needs rewriting, and names what can be passed on as it is.
    pub fn carry<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<Carried<'a>, Malformed> {
        let content = match &mut self.from {
            From::Done => &[],
            From::Length(left) => {
                let content = &input[..input.len().min(usize::try_from(*left).unwrap_or(usize::MAX))];
                *left -= content.len() as u64;
                if *left == 0 {
                    self.from = From::Done;
                }
                content
            }
            From::UntilClose => input,
            From::Chunks(_) => return self.carry_chunks(input, out),
        };
        self.bytes += content.len() as u64;
        Ok(Carried { consumed: content.len(), plain: self.pass(content, out) })
    }

    /// The sender has closed, and that was the end: says so in the receiver's framing.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.from = From::Done;
        if self.to == To::Chunks {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }

    fn carry_chunks<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<Carried<'a>, Malformed> {
        let From::Chunks(chunks) = &mut self.from else { return Ok(Carried { consumed: 0, plain: &[] }) };
        let mut consumed = 0;
        loop {
            let (used, piece) = chunks.next(&input[consumed..])?;
            consumed += used;
            match piece {
                Piece::More => return Ok(Carried { consumed, plain: &[] }),
                Piece::Content(content) => {
                    self.bytes += content.len() as u64;
                    match self.to {
                        To::Chunks => append_chunk(out, content),
                        To::Plain => out.extend_from_slice(content),
                        To::Nothing => {}
                    }
                }
                Piece::End(trailers) => {
                    if self.to == To::Chunks {
                        out.extend_from_slice(b"0\r\n");
                        out.extend_from_slice(trailers);
                        out.extend_from_slice(b"\r\n");
                    }
                    self.from = From::Done;
                    return Ok(Carried { consumed, plain: &[] });
                }
            }
        }
    }

    fn pass<'a>(&self, content: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        match self.to {
            To::Plain => content,
            To::Chunks => {
                append_chunk(out, content);
                &[]
            }
            To::Nothing => &[],
        }
    }
}

fn append_chunk(out: &mut Vec<u8>, content: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if content.is_empty() {
        return; // A chunk of no bytes would be the end.
    }
    let nibbles = (usize::BITS - content.len().leading_zeros()).div_ceil(4);
    for nibble in (0..nibbles).rev() {
        out.push(DIGITS[content.len() >> (nibble * 4) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(content);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
