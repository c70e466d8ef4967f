//! Classifies the first bytes that a downstream or the service sends, without I/O: HTTP or another protocol.

use std::str::FromStr;

use crate::head::fields::is_token;

/// What a downstream sends first if it uses HTTP/2 with prior knowledge (RFC 9113, section 3.4).
pub const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The configured protocol of downstream connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP, unless the first bytes cannot be HTTP or the service sends first.
    #[default]
    Auto,
    /// Always HTTP.
    Http,
    /// Bytes of an unknown protocol.
    Tcp,
}

/// The text names no protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("auto, http or tcp")]
pub struct NoProtocol;

impl FromStr for Protocol {
    type Err = NoProtocol;

    fn from_str(text: &str) -> Result<Self, NoProtocol> {
        match text {
            "auto" => Ok(Self::Auto),
            "http" => Ok(Self::Http),
            "tcp" => Ok(Self::Tcp),
            _ => Err(NoProtocol),
        }
    }
}

/// The detected protocol of first bytes that are not a valid HTTP/1 head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// HTTP/2: the whole preface.
    Http2,
    /// A part of the HTTP/2 preface; wait for the rest.
    Http2Partial,
    /// Not HTTP: no browser, library or hand-written request begins like this.
    Foreign,
    /// Probably an invalid HTTP/1 request.
    Http1,
}

/// Classifies bytes that are not well-formed HTTP/1. Bytes that may be meant as HTTP are never classified
/// as foreign, because foreign bytes bypass the rules.
pub fn look(first: &[u8]) -> Detected {
    if first.starts_with(HTTP2_PREFACE) {
        return Detected::Http2;
    }
    // Many methods begin with `P`, but a head that already failed as HTTP/1 is longer than that.
    if first.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(first) {
        return Detected::Http2Partial;
    }
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let names_http = line.windows(5).any(|bytes| bytes.eq_ignore_ascii_case(b"HTTP/"));
    let method = &line[..line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len())];
    let after = line.get(method.len()).copied();
    match (method, after) {
        _ if names_http => Detected::Http1,
        // White space and line ends before a request are sent by old clients, and by many attackers.
        ([], Some(b'\r' | b' ' | b'\t') | None) => Detected::Http1,
        ([], _) => Detected::Foreign,
        (_, Some(b' ' | b'\t')) => Detected::Http1,
        (method, _) if METHODS.iter().any(|known| method.eq_ignore_ascii_case(known)) => Detected::Http1,
        // There is no line feed yet, and all bytes may still be part of a method.
        (_, None) if line.len() == first.len() => Detected::Http1,
        _ => Detected::Foreign,
    }
}

/// Methods that indicate HTTP even if no valid request follows (RFC 9110, section 9; RFC 5789).
const METHODS: [&[u8]; 9] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"CONNECT"];

/// The protocol of a service's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerFirstBytes {
    /// An HTTP/1 response, or the SETTINGS frame that an HTTP/2 server may send before any request.
    Http,
    /// Too few bytes to decide.
    Undecided,
    /// Neither of these.
    Foreign,
}

/// Classifies the first bytes of a service.
pub fn greeting(first: &[u8]) -> ServerFirstBytes {
    const HTTP1: &[u8] = b"HTTP/";
    let (length, head) = first.split_at(first.len().min(3));
    // A SETTINGS frame without flags on stream 0 (RFC 9113, section 6.5). No known one is longer than 255 bytes.
    let is_settings = length.iter().take(2).all(|byte| *byte == 0) && is_start(head, &[4, 0, 0, 0, 0, 0]);
    let is_answer = is_start(first, HTTP1);
    match first.len() {
        9.. if is_settings => ServerFirstBytes::Http,
        5.. if is_answer => ServerFirstBytes::Http,
        _ if is_settings || is_answer => ServerFirstBytes::Undecided,
        _ => ServerFirstBytes::Foreign,
    }
}

/// Whether a service's first bytes are those of HTTP/2.
pub fn speaks_http2(first: &[u8]) -> bool {
    first.first() == Some(&0) && greeting(first) == ServerFirstBytes::Http
}

/// Whether one is a prefix of the other, ignoring case.
fn is_start(bytes: &[u8], known: &[u8]) -> bool {
    let length = bytes.len().min(known.len());
    bytes[..length].eq_ignore_ascii_case(&known[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_meant_as_http_is_never_foreign() {
        for first in [
            &b" GET / HTTP/1.1\r\n"[..],
            b"\r\n",
            b"\r\r\n",
            b"\n",
            b"GET\t/x HTTP/1.1\r\n",
            b"GET\0",
            b"get\r\n",
            b"GET /",
            b"G(T / HTTP/1.1\r\n",
            b"\x16 / http/1.1\r\n",
            b"PING x\r\n",
            b"hello",
        ] {
            assert_eq!(look(first), Detected::Http1, "{first:?}");
        }
    }

    #[test]
    fn what_cannot_be_http_is_foreign() {
        for first in [
            &b"\x16\x03\x01\x02\x00\x01"[..],
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"PING\r\n",
            b"AMQP\0\0\x09\x01",
            b"{\"id\":1}\n",
            b"stats\n",
        ] {
            assert_eq!(look(first), Detected::Foreign, "{first:?}");
        }
    }

    #[test]
    fn the_preface_is_known_however_it_is_cut() {
        for length in 1..HTTP2_PREFACE.len() {
            assert_eq!(look(&HTTP2_PREFACE[..length]), Detected::Http2Partial);
        }
        assert_eq!(look(HTTP2_PREFACE), Detected::Http2);
        assert_eq!(look(b"PRI * HTTP/2.0\r\n\r\nXX"), Detected::Http1);
    }

    #[test]
    fn a_service_of_http_is_known_by_its_first_bytes() {
        for (first, expected) in [
            (&b"HTTP/1.1 408"[..], ServerFirstBytes::Http),
            (b"\0\0\x06\x04\0\0\0\0\0\0\x03", ServerFirstBytes::Http),
            (b"\0\0\0\x04\0\0\0\0\0", ServerFirstBytes::Http),
            (b"", ServerFirstBytes::Undecided),
            (b"HT", ServerFirstBytes::Undecided),
            (b"\0\0\x06\x04", ServerFirstBytes::Undecided),
            (b"SSH-2.0-x\r\n", ServerFirstBytes::Foreign),
            (b"220 mail\r\n", ServerFirstBytes::Foreign),
            (b"\x4a\0\0\0\x0a8.0.36", ServerFirstBytes::Foreign),
            (b"\0\0\x06\x04\x01\0\0\0\0", ServerFirstBytes::Foreign),
        ] {
            assert_eq!(greeting(first), expected, "{first:?}");
        }
    }
}
