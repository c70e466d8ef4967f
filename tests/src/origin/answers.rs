//! The origin's responses: the first path segment selects the behaviour, the second the amount.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::body::Check;
use crate::http::{Framing, Head, read_body, read_head, write_chunked, write_plain};
use crate::origin::Seen;

/// Serves HTTP on one connection until either side ends it.
pub(super) fn serve(stream: &TcpStream, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let mut writer = BufWriter::with_capacity(64 * 1024, stream);
    while let Some(head) = read_head(&mut reader)? {
        seen.head(head.word(1));
        let (way, amount) = way(&head);
        match way {
            "upgrade" => return upgrade(&mut reader, &mut writer, seen),
            // An early response: the body is not read, and the connection is closed.
            "refuse" => {
                write!(writer, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntoo big")?;
                writer.flush()?;
                stream.shutdown(Shutdown::Write)?;
                return reader.read_to_end(&mut Vec::new()).map(drop);
            }
            // The body is not read until the gate opens.
            "unread" => seen.wait_at_gate(),
            _ => {}
        }
        if head.header("expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            writer.flush()?;
        }
        let request = read_request(&mut reader, &head)?;
        seen.completed();
        if way == "gate" {
            seen.wait_at_gate();
        }
        answer(&mut writer, &head, way, amount, &request)?;
        writer.flush()?;
        let leaves = head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if way == "close" || leaves {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

struct Request {
    framing: Framing,
    check: Check,
    body: Vec<u8>,
    trailers: Vec<String>,
}

/// The first two segments of the path.
fn way(head: &Head) -> (&str, u64) {
    let path = head.word(1).split('?').next().unwrap_or_default();
    let mut segments = path.trim_start_matches('/').split('/');
    let way = segments.next().unwrap_or_default();
    (way, segments.next().and_then(|amount| amount.parse().ok()).unwrap_or(0))
}

fn read_request(reader: &mut BufReader<&TcpStream>, head: &Head) -> io::Result<Request> {
    /// The largest body that is kept for an echo; longer ones are only compared.
    const KEPT_BYTES_MAX: usize = 1 << 20;
    let framing = head.framing(Framing::Absent);
    let (mut check, mut body) = (Check::default(), Vec::new());
    let trailers = read_body(reader, framing, |bytes| {
        check.take(bytes);
        if body.len() + bytes.len() <= KEPT_BYTES_MAX {
            body.extend_from_slice(bytes);
        }
    })?;
    Ok(Request { framing, check, body, trailers })
}

fn answer(writer: &mut impl Write, head: &Head, way: &str, amount: u64, request: &Request) -> io::Result<()> {
    let is_head = head.word(0) == "HEAD";
    match way {
        "bytes" => {
            write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {amount}\r\n\r\n")?;
            if is_head { Ok(()) } else { write_plain(writer, amount) }
        }
        "chunked" => {
            write!(writer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sent\r\n\r\n")?;
            if is_head { Ok(()) } else { write_chunked(writer, amount) }
        }
        "close" => {
            write!(writer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            if is_head { Ok(()) } else { write_plain(writer, amount) }
        }
        "status" => write_status(writer, amount, is_head),
        // Sends half of the declared length, then closes.
        "break" => {
            write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {amount}\r\n\r\n")?;
            write_plain(writer, amount / 2)?;
            writer.flush()?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        "early" => {
            write!(writer, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")?;
            write_text(writer, 200, "after the hints", is_head)
        }
        "echo" => write_bytes(writer, 200, &request.body, is_head),
        "head" => write_bytes(writer, 200, &head.raw, is_head),
        // Reports how the request's body arrived.
        "sink" => {
            let said = format!(
                "{:?} bytes={} differs_at={:?} trailers={:?}",
                request.framing, request.check.bytes, request.check.differs_at, request.trailers
            );
            write_text(writer, 200, &said, is_head)
        }
        "missing" => write_text(writer, 404, "the service's own 404", is_head),
        _ => write_text(writer, 200, &format!("{} {}", head.word(0), head.word(1)), is_head),
    }
}

fn write_status(writer: &mut impl Write, status: u64, is_head: bool) -> io::Result<()> {
    match u16::try_from(status).unwrap_or(500) {
        204 => writer.write_all(b"HTTP/1.1 204 No Content\r\nX-Kept: yes\r\n\r\n"),
        // A 304 may have the Content-Length that a 200 would have, but no body.
        304 => writer.write_all(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: \"a\"\r\n\r\n"),
        status => write_text(writer, status, &format!("status {status}"), is_head),
    }
}

fn write_text(writer: &mut impl Write, status: u16, text: &str, is_head: bool) -> io::Result<()> {
    write_bytes(writer, status, text.as_bytes(), is_head)
}

fn write_bytes(writer: &mut impl Write, status: u16, bytes: &[u8], is_head: bool) -> io::Result<()> {
    write!(writer, "HTTP/1.1 {status} CommandOutput\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
    if is_head { Ok(()) } else { writer.write_all(bytes) }
}

/// Switches protocols and echoes all bytes.
fn upgrade(reader: &mut BufReader<&TcpStream>, writer: &mut BufWriter<&TcpStream>, seen: &Seen) -> io::Result<()> {
    seen.completed();
    writer.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome ")?;
    writer.flush()?;
    let mut bytes = [0; 16 * 1024];
    loop {
        match reader.read(&mut bytes)? {
            0 => return writer.get_ref().shutdown(Shutdown::Write),
            read => writer.write_all(&bytes[..read])?,
        }
        writer.flush()?;
    }
}
