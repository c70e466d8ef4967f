//! Tests that a body arrives whole however the input is split, and that a malformed one never passes as whole.

use proptest::prelude::*;

use crate::body::malformed::Malformed;
use crate::body::{Body, To};
use crate::head::Framing;

/// Forwards `input` in pieces of `step` bytes. Returns the output and the remaining input.
fn carry(from: Framing, to: To, input: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), Malformed> {
    let mut body = Body::new(from, to);
    let (mut out, mut at) = (Vec::new(), 0);
    while at < input.len() && !body.is_done() {
        let end = (at + step).min(input.len());
        let carried = body.carry(&input[at..end], &mut out)?;
        out.extend_from_slice(carried.plain);
        at += carried.consumed;
        if carried.consumed == 0 {
            break;
        }
    }
    Ok((out, input.len() - at, body.is_done()))
}

fn chunk(content: &[u8], size: usize) -> Vec<u8> {
    let mut chunked = Vec::new();
    for part in content.chunks(size) {
        chunked.extend_from_slice(format!("{:X};ext=\"1\"\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n");
    chunked
}

proptest! {
    #[test]
    fn chunks_arrive_whole_however_they_are_cut(content in prop::collection::vec(any::<u8>(), 1..400), size in 1_usize..50, step in 1_usize..60) {
        let mut input = chunk(&content, size);
        input.extend_from_slice(b"next");
        let (plain, left, done) = carry(Framing::Chunked, To::Plain, &input, step).unwrap();
        prop_assert_eq!((&plain, left, done), (&content, 4, true));

        let (chunked, _, _) = carry(Framing::Chunked, To::Chunks, &input, step).unwrap();
        prop_assert!(chunked.ends_with(b"0\r\nX-Sum: 1\r\n\r\n"), "a trailer is kept, Content-Length is not");
        let (again, left, done) = carry(Framing::Chunked, To::Plain, &chunked, step).unwrap();
        prop_assert_eq!((&again, left, done), (&content, 0, true));
    }

    #[test]
    fn a_length_ends_where_it_says(content in prop::collection::vec(any::<u8>(), 1..400), step in 1_usize..60) {
        let mut input = content.clone();
        input.extend_from_slice(b"next");
        let (plain, left, done) = carry(Framing::Length(content.len() as u64), To::Plain, &input, step).unwrap();
        prop_assert_eq!((plain, left, done), (content, 4, true));
    }
}

#[test]
fn a_close_delimited_body_becomes_chunks() {
    let mut body = Body::new(Framing::UntilClose, To::Chunks);
    let mut out = Vec::new();
    body.carry(b"hello", &mut out).unwrap();
    body.close(&mut out);
    assert_eq!(out, b"5\r\nhello\r\n0\r\n\r\n");
    assert!(body.is_done());
}

/// A row of a table: a name, a chunked body with the bytes after it, and its content if it is valid. The
/// rules are in section 7.1 of RFC 9112 and its subsections.
type Case = (&'static str, &'static str, Option<&'static str>);

const CHUNKS: &[Case] = &[
    ("one chunk", "5\r\nhello\r\n0\r\n\r\n", Some("hello")),
    ("none", "0\r\n\r\n", Some("")),
    ("digits of either case", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", Some("01234567890123456789a")),
    ("leading zeros", "0005\r\nhello\r\n000\r\n\r\n", Some("hello")),
    ("more leading zeros than a number has digits", "000000000000000000000005\r\nhello\r\n0\r\n\r\n", Some("hello")),
    ("content that looks like chunks", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", Some("0\r\n\r\n")),
    ("an extension", "5;a\r\nhello\r\n0;b\r\n\r\n", Some("hello")),
    ("an extension with a value", "5;a=b\r\nhello\r\n0\r\n\r\n", Some("hello")),
    ("an extension that is quoted", "5;a=\"b;\\\"c=d\"\r\nhello\r\n0\r\n\r\n", Some("hello")),
    ("two extensions", "5;a=b;c\r\nhello\r\n0\r\n\r\n", Some("hello")),
    ("bad white space, which must be taken", "5 \t; a = b ;c=\"d\" ;e\r\nhello\r\n0\r\n\r\n", Some("hello")),
    ("a trailer", "0\r\nX-A: b\r\n\r\n", Some("")),
    ("a trailer without a value", "0\r\nX-A:\r\n\r\n", Some("")),
    ("no size", "\r\nhello\r\n0\r\n\r\n", None),
    ("a space before the size", " 5\r\nhello\r\n0\r\n\r\n", None),
    ("a tab before the size", "\t5\r\nhello\r\n0\r\n\r\n", None),
    ("a space behind the size", "5 \r\nhello\r\n0\r\n\r\n", None),
    ("a tab behind the size", "5\t\r\nhello\r\n0\r\n\r\n", None),
    ("a vertical tab behind the size", "5\u{b}\r\nhello\r\n0\r\n\r\n", None),
    ("a NUL behind the size", "5\0\r\nhello\r\n0\r\n\r\n", None),
    ("a plus", "+5\r\nhello\r\n0\r\n\r\n", None),
    ("a minus", "-5\r\nhello\r\n0\r\n\r\n", None),
    ("minus nothing", "-0\r\n\r\n", None),
    ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n", None),
    ("a capital prefix", "0X5\r\nhello\r\n0\r\n\r\n", None),
    ("a suffix", "5h\r\nhello\r\n0\r\n\r\n", None),
    ("an underscore", "0_5\r\nhello\r\n0\r\n\r\n", None),
    ("a fraction", "5.0\r\nhello\r\n0\r\n\r\n", None),
    ("a letter that is no digit", "g\r\nhello\r\n0\r\n\r\n", None),
    ("a comma", "5,5\r\nhello\r\n0\r\n\r\n", None),
    ("two sizes", "5 5\r\nhello\r\n0\r\n\r\n", None),
    ("a quoted size", "\"5\"\r\nhello\r\n0\r\n\r\n", None),
    ("a size of 64 bits, which could wrap", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", None),
    ("a size of 65 bits, which wraps", "10000000000000005\r\nhello\r\n0\r\n\r\n", None),
    ("a size of 63 bits", "8000000000000000\r\nhello\r\n0\r\n\r\n", None),
    ("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n", None),
    ("a bare CR behind the size", "5\rhello\r\n0\r\n\r\n", None),
    ("CR CR LF behind the size", "5\r\r\nhello\r\n0\r\n\r\n", None),
    ("a bare LF behind the content", "5\r\nhello\n0\r\n\r\n", None),
    ("a bare CR behind the content", "5\r\nhello\r0\r\n\r\n", None),
    ("nothing behind the content", "5\r\nhello0\r\n\r\n", None),
    ("any two bytes behind the content", "5\r\nhelloXX0\r\n\r\n", None),
    ("more content than the size says", "4\r\nhello\r\n0\r\n\r\n", None),
    ("less content than the size says", "6\r\nhello\r\n0\r\n\r\n", None),
    ("an empty line between chunks", "5\r\nhello\r\n\r\n0\r\n\r\n", None),
    ("a bare LF behind the last size", "0\n\r\n", None),
    ("a bare LF at the end", "0\r\n\n", None),
    ("a bare CR at the end", "0\r\n\rX", None),
    ("the next request instead of the end", "0\r\nGET / HTTP/1.1\r\n\r\n", None),
    ("a semicolon and no more", "5;\r\nhello\r\n0\r\n\r\n", None),
    ("a semicolon and no size", ";a\r\nhello\r\n0\r\n\r\n", None),
    ("an extension without a name", "5;=b\r\nhello\r\n0\r\n\r\n", None),
    ("an extension without a value", "5;a=\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with two values", "5;a=b=c\r\nhello\r\n0\r\n\r\n", None),
    ("an extension of two words", "5;a b\r\nhello\r\n0\r\n\r\n", None),
    ("an extension in brackets", "5;(a)\r\nhello\r\n0\r\n\r\n", None),
    ("an extension whose quotation does not end", "5;a=\"b\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with a line end in quotation", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with a quotation inside a token", "5;a=b\"c\"\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with something behind its quotation", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with a bare LF", "5;a\nb\r\nhello\r\n0\r\n\r\n", None),
    ("an extension that ends in a bare LF", "5;a\nhello\r\n0\r\n\r\n", None),
    ("an extension with a bare CR", "5;a\rb\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with a NUL", "5;a=\"\0\"\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with a control character", "5;\u{1}\r\nhello\r\n0\r\n\r\n", None),
    ("an extension with a space at its end", "5;a \r\nhello\r\n0\r\n\r\n", None),
    ("a trailer without a colon", "0\r\nno colon\r\n\r\n", None),
    ("a trailer without a name", "0\r\n: b\r\n\r\n", None),
    ("a trailer with a space before its name", "0\r\n X-A: b\r\n\r\n", None),
    ("a trailer with a space before its colon", "0\r\nX-A : b\r\n\r\n", None),
    ("a trailer with a space in its name", "0\r\nX A: b\r\n\r\n", None),
    ("a trailer over ASCII", "0\r\nX-\u{e9}: b\r\n\r\n", None),
    ("a folded trailer", "0\r\nX-A: b\r\n c\r\n\r\n", None),
    ("a trailer with a bare LF", "0\r\nX-A: b\nX-B: c\r\n\r\n", None),
    ("a trailer with a bare CR", "0\r\nX-A: b\rX-B: c\r\n\r\n", None),
    ("a trailer with a NUL", "0\r\nX-A: b\0\r\n\r\n", None),
    ("a trailer that ends in a bare LF", "0\r\nX-A: b\n\r\n", None),
];

#[test]
fn chunks_are_judged() {
    for (name, input, expected) in CHUNKS {
        let followed = format!("{input}GET");
        for step in [1, 2, 3, 7, 1000] {
            let carried = carry(Framing::Chunked, To::Plain, followed.as_bytes(), step);
            let expected = expected.map(|content| (content.as_bytes().to_vec(), 3, true));
            assert_eq!(carried.ok(), expected, "{name}, in steps of {step}: {input:?}");
        }
    }
}

#[test]
fn a_broken_body_is_never_written_as_a_whole_one() {
    for (name, input, expected) in CHUNKS {
        let mut body = Body::new(Framing::Chunked, To::Chunks);
        let mut out = Vec::new();
        for byte in input.bytes() {
            match body.carry(&[byte], &mut out) {
                Ok(carried) => out.extend_from_slice(carried.plain),
                Err(_) => break,
            }
        }
        assert_eq!(
            out.ends_with(b"0\r\n\r\n") && body.is_done(),
            expected.is_some() && !input.contains("X-A"),
            "{name}: {out:?}"
        );
    }
}

#[test]
fn what_a_body_makes_us_read_beside_its_content_is_bounded() {
    let endless = |part: &str| carry(Framing::Chunked, To::Plain, part.repeat(70_000 / part.len() + 1).as_bytes(), 1000).is_err();
    assert!(endless(&format!("0{}", "0".repeat(1000))), "leading zeros");
    assert!(endless(&format!("5;{}", "a".repeat(70_000))), "one extension");
    assert!(endless(&format!("1;{}\r\nx\r\n", "a".repeat(100))), "an extension on each small chunk");
    let trailers =
        |part: &str| carry(Framing::Chunked, To::Plain, format!("0\r\n{}", part.repeat(2_000)).as_bytes(), 1000).is_err();
    assert!(trailers("X-A: bbbbbbbbbb\r\n"), "trailers that are kept");
    assert!(trailers("Cookie: bbbbbbb\r\n"), "trailers that are dropped");
    assert!(trailers("bbbbbbbbbbbbbbbbb"), "one trailer");
}

#[test]
fn trailers_that_frame_route_or_authenticate_are_dropped() {
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Max-Forwards",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Cache-Control",
        "If-Match",
        "Range",
        "Location",
        "Vary",
        "Date",
        "Age",
        "Via",
        "X-Forwarded-For",
        "WWW-Authenticate",
        "proxy-connection",
        "cOOKIE",
    ] {
        let input = format!("0\r\n{name}: 5\r\nX-A: b\r\n\r\n");
        let (out, ..) = carry(Framing::Chunked, To::Chunks, input.as_bytes(), 1000).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), "0\r\nX-A: b\r\n\r\n", "{name}");
    }
    let mut body = Body::new(Framing::Chunked, To::Chunks);
    body.drop_trailers();
    let mut out = Vec::new();
    body.carry(b"0\r\nX-A: b\r\n\r\n", &mut out).unwrap();
    assert_eq!(out, b"0\r\n\r\n");
}
