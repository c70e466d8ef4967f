//! Reads and writes HTTP/1.1 messages independently of the sidecar's code, to check its framing.

use std::io::{self, BufRead, Read, Write};

use crate::body::piece;

/// The largest head that the harness reads.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// The head of a request or a response.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The request line or the status line.
    pub line: String,
    /// The header lines, in order.
    pub headers: Vec<(String, String)>,
    /// The head's bytes as received, with the empty line.
    pub raw: Vec<u8>,
}

/// How the end of a body is determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Absent,
    /// After this number of bytes.
    Length(u64),
    /// After the last chunk and its trailers.
    Chunked,
    /// At the end of the connection.
    Close,
}

impl Head {
    /// The value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A word of the first line, counted from zero.
    pub fn word(&self, at: usize) -> &str {
        self.line.split(' ').nth(at).unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    /// The framing of the body; `otherwise` applies if no header determines it.
    pub fn framing(&self, otherwise: Framing) -> Framing {
        if self.header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked")) {
            return Framing::Chunked;
        }
        match self.header("content-length").and_then(|value| value.parse().ok()) {
            Some(length) => Framing::Length(length),
            None => otherwise,
        }
    }
}

/// Reads a head; `None` at a clean end of the connection.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(HEAD_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if line.is_empty() && head.raw.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') || head.raw.len() > HEAD_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a head without an end"));
        }
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        let is_first = head.raw.is_empty();
        head.raw.extend_from_slice(&line);
        match text.split_once(':') {
            _ if is_first => head.line = text,
            _ if text.is_empty() => return Ok(Some(head)),
            Some((name, value)) => head.headers.push((name.to_owned(), value.trim().to_owned())),
            None => head.headers.push((text, String::new())),
        }
    }
}

/// Passes a body to `sink` in pieces, and returns the trailers.
pub fn read_body(reader: &mut impl BufRead, framing: Framing, mut sink: impl FnMut(&[u8])) -> io::Result<Vec<String>> {
    match framing {
        Framing::Absent => {}
        Framing::Length(length) => read_exactly(reader, length, &mut sink)?,
        Framing::Close => {
            let mut taken = 1;
            while taken > 0 {
                let bytes = reader.fill_buf()?;
                sink(bytes);
                taken = bytes.len();
                reader.consume(taken);
            }
        }
        Framing::Chunked => return read_chunks(reader, &mut sink),
    }
    Ok(Vec::new())
}

fn read_exactly(reader: &mut impl BufRead, mut left: u64, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
    while left > 0 {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{left} bytes of the body are missing")));
        }
        let now = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        sink(&bytes[..now]);
        reader.consume(now);
        left -= now as u64;
    }
    Ok(())
}

fn read_chunks(reader: &mut impl BufRead, sink: &mut impl FnMut(&[u8])) -> io::Result<Vec<String>> {
    loop {
        let line = read_line(reader)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no chunk size")))?;
        if size == 0 {
            let mut trailers = Vec::new();
            loop {
                match read_line(reader)? {
                    line if line.is_empty() => return Ok(trailers),
                    line => trailers.push(line),
                }
            }
        }
        read_exactly(reader, size, sink)?;
        let end = read_line(reader)?;
        if !end.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a chunk longer than its size"));
        }
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.by_ref().take(HEAD_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within a line"));
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

/// Writes the first `length` bytes of the pattern without chunks.
pub fn write_plain(writer: &mut impl Write, length: u64) -> io::Result<()> {
    let mut sent = 0;
    while sent < length {
        let bytes = piece(sent, usize::try_from(length - sent).unwrap_or(usize::MAX).min(64 * 1024));
        writer.write_all(bytes)?;
        sent += bytes.len() as u64;
    }
    Ok(())
}

/// Writes the first `length` bytes of the pattern in chunks of different sizes, one with an extension, and a trailer.
pub fn write_chunked(writer: &mut impl Write, length: u64) -> io::Result<()> {
    const SIZES: [usize; 6] = [1, 15, 16, 4093, 65_536, 30_011];
    let (mut sent, mut at) = (0, 0);
    while sent < length {
        let bytes = piece(sent, usize::try_from(length - sent).unwrap_or(usize::MAX).min(SIZES[at % SIZES.len()]));
        let extension = if at == 1 { ";note=\"a b\"" } else { "" };
        write!(writer, "{:x}{extension}\r\n", bytes.len())?;
        writer.write_all(bytes)?;
        writer.write_all(b"\r\n")?;
        sent += bytes.len() as u64;
        at += 1;
    }
    writer.write_all(b"0\r\nX-Sent: all\r\n\r\n")
}
