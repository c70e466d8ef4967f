//! Reads the chunked coding, strictly, from however it is cut up (RFC 9112, section 7.1).

use crate::body::Malformed;
use crate::head::fields::{Known, is_token, known};

mod extension;

use extension::Extension;

/// The size of a chunk. Fifteen digits are an exabyte; a sixteenth could overflow a signed number elsewhere.
const SIZE_MAX: u64 = (1 << 60) - 1;

/// Digits of a size, leading zeros included, which mean nothing and are dropped.
const SIZE_DIGITS_MAX: usize = 256;

/// Bytes of extensions beyond the bytes of content so far; they are dropped. Nobody sends many but attackers.
const EXTENSION_BYTES_MAX: u64 = 4096;

/// Bytes of all trailer fields, those that are dropped included.
const TRAILER_BYTES_MAX: usize = 16 * 1024;

/// The reader. It holds at most one trailer section besides a few numbers.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
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
enum State {
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

/// What stands at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'c, 'a> {
    /// Nothing yet: the input is used up.
    More,
    /// A part of the content.
    Content(&'a [u8]),
    /// The end, with the trailer fields that may be passed on, each as a line with its CR LF.
    End(&'c [u8]),
}

impl Chunks {
    /// From now on no trailer field is passed on.
    pub fn drop_trailers(&mut self) {
        self.drops_trailers = true;
    }

    /// The next piece, and how many bytes of `input` it took.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Piece<'_, 'a>), Malformed> {
        let mut at = 0;
        while let Some(byte) = input.get(at).copied() {
            if self.state == State::Content {
                let here = input.len() - at;
                let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(here);
                self.size -= length as u64;
                self.content_bytes = self.content_bytes.saturating_add(length as u64);
                if self.size == 0 {
                    self.state = State::ContentCr;
                }
                return Ok((at + length, Piece::Content(&input[at..at + length])));
            }
            at += 1;
            self.take(byte)?;
            if self.state == State::Done {
                return Ok((at, Piece::End(&self.trailers)));
            }
        }
        Ok((at, Piece::More))
    }

    /// Takes one byte of what surrounds the content.
    fn take(&mut self, byte: u8) -> Result<(), Malformed> {
        self.state = match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (State::Size, _) if self.digits == 0 => return Err(Malformed("a chunk size is missing")),
            (State::Size, b'\r') => State::SizeLf,
            (State::Size, b';' | b' ' | b'\t') => self.extension(Extension::Space, byte)?,
            (State::Size, _) => return Err(Malformed("a chunk size is no hexadecimal number")),
            (State::Extension(extension), b'\r') if extension.is_whole() => State::SizeLf,
            (State::Extension(extension), byte) => self.extension(extension, byte)?,
            (State::SizeLf, b'\n') => self.sized(),
            (State::ContentCr, b'\r') => State::ContentLf,
            (State::ContentLf, b'\n') => State::Size,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::Trailer, byte) => self.trailer_byte(byte)?,
            (State::TrailerLf, b'\n') if self.line.is_empty() => State::Done,
            (State::TrailerLf, b'\n') => self.trailer()?,
            (State::ContentCr | State::ContentLf, _) => return Err(Malformed("a chunk is longer than its size")),
            (State::SizeLf | State::TrailerLf | State::Content | State::Done, _) => return Err(Malformed("CR without LF")),
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<State, Malformed> {
        self.digits += 1;
        self.size = self.size << 4 | u64::from((byte as char).to_digit(16).unwrap_or(0));
        if self.size > SIZE_MAX || self.digits > SIZE_DIGITS_MAX {
            return Err(Malformed("a chunk size is too large"));
        }
        Ok(State::Size)
    }

    fn extension(&mut self, extension: Extension, byte: u8) -> Result<State, Malformed> {
        self.extension_bytes += 1;
        if self.extension_bytes > self.content_bytes.saturating_add(EXTENSION_BYTES_MAX) {
            return Err(Malformed("chunk extensions are too long"));
        }
        extension.step(byte).map(State::Extension).ok_or(Malformed("a chunk extension is malformed"))
    }

    fn sized(&mut self) -> State {
        self.digits = 0;
        if self.size == 0 { State::Trailer } else { State::Content }
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<State, Malformed> {
        if (byte < b' ' && byte != b'\t') || byte == 0x7f {
            return Err(Malformed("a trailer field holds a control character"));
        }
        self.line.push(byte);
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Malformed("the trailer fields are too long"));
        }
        Ok(State::Trailer)
    }

    /// Judges a whole trailer line, and keeps it if it may be passed on.
    fn trailer(&mut self) -> Result<State, Malformed> {
        let line = std::mem::take(&mut self.line);
        let colon = memchr::memchr(b':', &line).ok_or(Malformed("a trailer field has no colon"))?;
        let name = std::str::from_utf8(&line[..colon]).ok().filter(|name| !name.is_empty() && name.bytes().all(is_token));
        let name = name.ok_or(Malformed("a trailer field's name is malformed"))?;
        if may_trail(name) && !self.drops_trailers {
            self.trailers.extend_from_slice(&line);
            self.trailers.extend_from_slice(b"\r\n");
        }
        Ok(State::Trailer)
    }
}

/// Whether a field makes sense after the body: not those that frame, route, authenticate, ask for conditions, or say how
/// the rest is to be understood (RFC 9110, section 6.5.1).
fn may_trail(name: &str) -> bool {
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
    known(name) == Known::Other && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never))
}
