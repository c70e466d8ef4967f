//! Tests every byte value at every relevant position of a head against the grammar of that position.

use crate::head::request::tests::verdict;

/// A position: its name, the text before and after the byte, and the bytes that the grammar allows there.
type Place = (&'static str, &'static str, &'static str, fn(u8) -> bool);

fn nothing(_: u8) -> bool {
    false
}

/// RFC 9110, section 5.6.3.
fn white_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// RFC 9110, section 5.6.2.
fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110, section 5.5.
fn value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// All visible ASCII except `#` (ours): parsers agree on where such a target ends. A single byte beyond
/// ASCII is not UTF-8.
fn target(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

/// RFC 3986, section 3.2; the colon begins an empty port here. A comma could be two hosts that another parser has joined.
fn host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:".contains(&byte)
}

fn host_or_white_space(byte: u8) -> bool {
    host(byte) || white_space(byte)
}

const PLACES: &[Place] = &[
    ("before the method", "", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", token),
    ("in the method", "G", "T / HTTP/1.1\r\nHost: a\r\n\r\n", token),
    ("in the path", "GET /a", "b HTTP/1.1\r\nHost: a\r\n\r\n", target),
    ("in the query", "GET /a?b", "c HTTP/1.1\r\nHost: a\r\n\r\n", target),
    ("behind the version", "GET / HTTP/1.1", "\r\nHost: a\r\n\r\n", nothing),
    ("before the first name", "GET / HTTP/1.1\r\n", "A: b\r\nHost: a\r\n\r\n", token),
    ("in a name", "GET / HTTP/1.1\r\nHost: a\r\nA", "B: c\r\n\r\n", token_or_colon),
    ("before a colon", "GET / HTTP/1.1\r\nHost: a\r\nA", ": b\r\n\r\n", token_or_colon),
    ("at the beginning of a value", "GET / HTTP/1.1\r\nHost: a\r\nA:", "b\r\n\r\n", value),
    ("in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b", "c\r\n\r\n", value),
    ("at the end of a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b", "\r\n\r\n", value),
    ("behind the Host", "GET / HTTP/1.1\r\nHost: a", "\r\n\r\n", host_or_white_space),
    ("before a length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ", "5\r\n\r\n", digit_or_white_space),
    ("in a length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5", "5\r\n\r\n", digit),
    ("behind a length", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5", "\r\n\r\n", digit_or_white_space),
    ("before a coding", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ", "chunked\r\n\r\n", white_space),
    ("in a coding", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chu", "nked\r\n\r\n", nothing),
    ("behind a coding", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", "\r\n\r\n", white_space),
    ("in the last line end", "GET / HTTP/1.1\r\nHost: a\r\n\r", "", line_feed),
];

fn token_or_colon(byte: u8) -> bool {
    token(byte) || byte == b':'
}

fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn digit_or_white_space(byte: u8) -> bool {
    digit(byte) || white_space(byte)
}

fn line_feed(byte: u8) -> bool {
    byte == b'\n'
}

#[test]
fn every_byte_is_judged_by_the_place_where_it_stands() {
    for (place, before, behind, is_allowed) in PLACES {
        for byte in u8::MIN..=u8::MAX {
            let head = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
            let expected = is_allowed(byte);
            assert_eq!(verdict(&head) == 200, expected, "{byte:#04x} {place}: {}", verdict(&head));
            assert!(expected || verdict(&head) >= 400, "{byte:#04x} {place} is waited behind");
        }
    }
}
