//! Strict parser of the chunked transfer coding, for input split at any byte (RFC 9112, section 7.1).

use crate::body::malformed::Malformed;
use crate::head::fields::{KnownField, is_token, known};

mod extension;

use extension::Extension;

/// The largest chunk size. Fifteen hexadecimal digits are an exabyte; a sixteenth could overflow a signed
/// number in another parser.
const SIZE_MAX: u64 = (1 << 60) - 1;

/// The most digits of a size. Leading zeros count, although they have no meaning and are dropped.
const SIZE_DIGITS_MAX: usize = 256;

/// Bytes of chunk extensions that may exceed the bytes of content so far. Extensions are dropped, and only
/// attackers send many.
const EXTENSION_BYTES_MAX: u64 = 4096;

/// Bytes of all trailer fields, including dropped ones.
const TRAILER_BYTES_MAX: usize = 16 * 1024;

/// The parser. It buffers at most one trailer section.
#[derive(Debug, Default)]
pub struct Chunks {
    state: ChunkState,
    size: u64,
    digits: usize,
    content_bytes: u64,
    extension_bytes: u64,
    trailer_bytes: usize,
    line: Vec<u8>,
    trailers: Vec<u8>,
    drops_trailers: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ChunkState {
    #[default]
    Size,
    Extension(Extension),
    SizeLf,
    Content,
    ContentCr,
    ContentLf,
    Trailer,
    TrailerLf,
    Done,
}

/// The next part of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'c, 'a> {
    /// The input is used up.
    More,
    /// A part of the content.
    Content(&'a [u8]),
    /// The end, with the trailer fields to forward, each as a line with its CR LF.
    End(&'c [u8]),
}

impl Chunks {
    /// Drops all following trailer fields.
    pub fn drop_trailers(&mut self) {
        self.drops_trailers = true;
    }

    /// Returns the next piece and the bytes of `input` it used.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Piece<'_, 'a>), Malformed> {
        let mut at = 0;
        while let Some(byte) = input.get(at).copied() {
            if self.state == ChunkState::Content {
                let here = input.len() - at;
                let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(here);
                self.size -= length as u64;
                self.content_bytes = self.content_bytes.saturating_add(length as u64);
                if self.size == 0 {
                    self.state = ChunkState::ContentCr;
                }
                return Ok((at + length, Piece::Content(&input[at..at + length])));
            }
            at += 1;
            self.take(byte)?;
            if self.state == ChunkState::Done {
                return Ok((at, Piece::End(&self.trailers)));
            }
        }
        Ok((at, Piece::More))
    }

    /// Processes one byte outside the content.
    fn take(&mut self, byte: u8) -> Result<(), Malformed> {
        self.state = match (self.state, byte) {
            (ChunkState::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (ChunkState::Size, _) if self.digits == 0 => return Err(Malformed("a chunk size is missing")),
            (ChunkState::Size, b'\r') => ChunkState::SizeLf,
            (ChunkState::Size, b';' | b' ' | b'\t') => self.extension(Extension::Space, byte)?,
            (ChunkState::Size, _) => return Err(Malformed("a chunk size is no hexadecimal number")),
            (ChunkState::Extension(extension), b'\r') if extension.is_whole() => ChunkState::SizeLf,
            (ChunkState::Extension(extension), byte) => self.extension(extension, byte)?,
            (ChunkState::SizeLf, b'\n') => self.sized(),
            (ChunkState::ContentCr, b'\r') => ChunkState::ContentLf,
            (ChunkState::ContentLf, b'\n') => ChunkState::Size,
            (ChunkState::Trailer, b'\r') => ChunkState::TrailerLf,
            (ChunkState::Trailer, byte) => self.trailer_byte(byte)?,
            (ChunkState::TrailerLf, b'\n') if self.line.is_empty() => ChunkState::Done,
            (ChunkState::TrailerLf, b'\n') => self.trailer()?,
            (ChunkState::ContentCr | ChunkState::ContentLf, _) => return Err(Malformed("a chunk is longer than its size")),
            (ChunkState::SizeLf | ChunkState::TrailerLf | ChunkState::Content | ChunkState::Done, _) => {
                return Err(Malformed("CR without LF"));
            }
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<ChunkState, Malformed> {
        self.digits += 1;
        self.size = self.size << 4 | u64::from((byte as char).to_digit(16).unwrap_or(0));
        if self.size > SIZE_MAX || self.digits > SIZE_DIGITS_MAX {
            return Err(Malformed("a chunk size is too large"));
        }
        Ok(ChunkState::Size)
    }

    fn extension(&mut self, extension: Extension, byte: u8) -> Result<ChunkState, Malformed> {
        self.extension_bytes += 1;
        if self.extension_bytes > self.content_bytes.saturating_add(EXTENSION_BYTES_MAX) {
            return Err(Malformed("chunk extensions are too long"));
        }
        extension.step(byte).map(ChunkState::Extension).ok_or(Malformed("a chunk extension is malformed"))
    }

    fn sized(&mut self) -> ChunkState {
        self.digits = 0;
        if self.size == 0 { ChunkState::Trailer } else { ChunkState::Content }
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<ChunkState, Malformed> {
        if (byte < b' ' && byte != b'\t') || byte == 0x7f {
            return Err(Malformed("a trailer field holds a control character"));
        }
        self.line.push(byte);
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Malformed("the trailer fields are too long"));
        }
        Ok(ChunkState::Trailer)
    }

    /// Validates a whole trailer line, and keeps it if it may be forwarded.
    fn trailer(&mut self) -> Result<ChunkState, Malformed> {
        let line = std::mem::take(&mut self.line);
        let colon = memchr::memchr(b':', &line).ok_or(Malformed("a trailer field has no colon"))?;
        let name = std::str::from_utf8(&line[..colon]).ok().filter(|name| !name.is_empty() && name.bytes().all(is_token));
        let name = name.ok_or(Malformed("a trailer field's name is malformed"))?;
        if may_trail(name) && !self.drops_trailers {
            self.trailers.extend_from_slice(&line);
            self.trailers.extend_from_slice(b"\r\n");
        }
        Ok(ChunkState::Trailer)
    }
}

/// Whether a field may follow the body. Excluded are fields for framing, routing, authentication and
/// conditions, and fields that say how to interpret the content (RFC 9110, section 6.5.1).
pub(crate) fn may_trail(name: &str) -> bool {
    const NEVER: [&str; 30] = [
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expires",
        "forwarded",
        "from",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "location",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "range",
        "retry-after",
        "set-cookie",
        "trailer",
        "vary",
        "via",
        "www-authenticate",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    known(name) == KnownField::Other && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
}
