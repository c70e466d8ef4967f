//! Forwards a body from one side's framing to the other's, and detects exactly where it ends.

use crate::body::malformed::Malformed;
use crate::head::Framing;

pub mod chunked;
pub mod malformed;

use chunked::{Chunks, Piece};

/// A body that is being forwarded.
#[derive(Debug)]
pub struct Body {
    from: From,
    to: To,
    /// Bytes of content so far, without framing.
    pub bytes: u64,
    /// The trailers of a body to [`To::Frames`], as lines, once it is done.
    pub trailers: Vec<u8>,
}

#[derive(Debug)]
enum From {
    Length(u64),
    Chunks(Chunks),
    UntilClose,
    Done,
}

/// How the body is framed for the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Plain bytes: the head states their number, or the connection is closed after them.
    Plain,
    /// Chunked transfer coding.
    Chunks,
    /// Plain bytes for HTTP/2, which has frames of its own for content and trailers.
    Frames,
    /// Dropped: the receiver got a different response.
    Nothing,
}

/// The result of one step.
#[derive(Debug, PartialEq, Eq)]
pub struct BodyStep<'a> {
    /// Bytes of the input that were consumed.
    pub consumed: usize,
    /// A part of the input to forward unchanged, after the bytes appended to the output.
    pub plain: &'a [u8],
}

impl Body {
    /// A body with the sender's framing `from` and the receiver's framing `to`.
    pub fn new(from: Framing, to: To) -> Self {
        let from = match from {
            Framing::Empty => From::Done,
            Framing::Length(bytes) => From::Length(bytes),
            Framing::Chunked => From::Chunks(Chunks::default()),
            Framing::UntilClose => From::UntilClose,
        };
        Self { from, to, bytes: 0, trailers: Vec::new() }
    }

    /// Drops trailer fields. The head's `Connection` names fields that concern this connection only, and a
    /// trailer of that name would too (RFC 9110, section 7.6.1).
    pub fn drop_trailers(&mut self) {
        if let From::Chunks(chunks) = &mut self.from {
            chunks.drop_trailers();
        }
    }

    /// Frames the rest for another receiver.
    pub fn redirect(&mut self, to: To) {
        self.to = to;
    }

    /// Whether the last byte was forwarded.
    pub fn is_done(&self) -> bool {
        matches!(self.from, From::Done)
    }

    /// Whether the body ends when the sender closes the connection. Any other body would be truncated.
    pub fn ends_by_closing(&self) -> bool {
        matches!(self.from, From::UntilClose)
    }

    /// Whether the body is dropped.
    pub fn is_to_nothing(&self) -> bool {
        self.to == To::Nothing
    }

    /// Consumes as much of `input` as possible. Appends rewritten bytes to `out`, and returns the part that
    /// can be forwarded unchanged.
    pub fn carry<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<BodyStep<'a>, Malformed> {
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
        Ok(BodyStep { consumed: content.len(), plain: self.pass(content, out) })
    }

    /// Ends a body that ends with the connection, in the receiver's framing.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.close_with(&[], out);
    }

    /// The same, with lines of trailers, for which only chunks have a place.
    pub fn close_with(&mut self, trailers: &[u8], out: &mut Vec<u8>) {
        self.from = From::Done;
        if self.to == To::Chunks {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
        }
    }

    fn carry_chunks<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<BodyStep<'a>, Malformed> {
        let From::Chunks(chunks) = &mut self.from else { return Ok(BodyStep { consumed: 0, plain: &[] }) };
        let mut consumed = 0;
        loop {
            let (used, piece) = chunks.next(&input[consumed..])?;
            consumed += used;
            match piece {
                Piece::More => return Ok(BodyStep { consumed, plain: &[] }),
                Piece::Content(content) => {
                    self.bytes += content.len() as u64;
                    match self.to {
                        To::Chunks => append_chunk(out, content),
                        To::Plain | To::Frames => out.extend_from_slice(content),
                        To::Nothing => {}
                    }
                }
                Piece::End(trailers) => {
                    match self.to {
                        To::Chunks => {
                            out.extend_from_slice(b"0\r\n");
                            out.extend_from_slice(trailers);
                            out.extend_from_slice(b"\r\n");
                        }
                        To::Frames => self.trailers.extend_from_slice(trailers),
                        To::Plain | To::Nothing => {}
                    }
                    self.from = From::Done;
                    return Ok(BodyStep { consumed, plain: &[] });
                }
            }
        }
    }

    fn pass<'a>(&self, content: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        match self.to {
            To::Plain | To::Frames => content,
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
        return; // An empty chunk would end the body.
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
