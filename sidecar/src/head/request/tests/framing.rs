//! Hostile and unusual fields that state the body's length.

use crate::head::request::tests::{Case, judge};

const LENGTHS: &[Case] = &[
    ("nothing", "Content-Length: 0\r\n", 200, "6.2"),
    ("in another case", "content-LENGTH: 5\r\n", 200, "5.1"),
    ("leading zeros", "Content-Length: 0005\r\n", 200, "RFC 9110, 8.6"),
    ("zeros only", "Content-Length: 000\r\n", 200, "RFC 9110, 8.6"),
    ("white space around it", "Content-Length: \t 5 \t \r\n", 200, "5.1"),
    ("the largest", "Content-Length: 9223372036854775807\r\n", 200, "6.3; ours"),
    ("one more", "Content-Length: 9223372036854775808\r\n", 400, "6.3; ours"),
    ("two to the 64th less one", "Content-Length: 18446744073709551615\r\n", 400, "6.3; ours"),
    ("two to the 64th, which wraps to nothing", "Content-Length: 18446744073709551616\r\n", 400, "6.3; RFC 9110, 8.6"),
    ("two to the 32nd behind a wrap", "Content-Length: 18446744073709551621\r\n", 400, "6.3; RFC 9110, 8.6"),
    ("a hundred digits", "Content-Length: 99999999999999999999999999999999999999999999999999\r\n", 400, "RFC 9110, 8.6"),
    ("empty", "Content-Length:\r\n", 400, "6.3"),
    ("white space alone", "Content-Length: \t\r\n", 400, "6.3"),
    ("twice the same", "Content-Length: 5\r\nContent-Length: 5\r\n", 400, "6.3; ours"),
    ("twice the same in different case", "Content-Length: 5\r\ncontent-length: 5\r\n", 400, "6.3; ours"),
    ("two that differ", "Content-Length: 5\r\nContent-Length: 6\r\n", 400, "6.3"),
    ("two that differ by a zero", "Content-Length: 5\r\nContent-Length: 05\r\n", 400, "6.3; ours"),
    ("two far apart", "Content-Length: 0\r\nX-A: b\r\nContent-Length: 6\r\n", 400, "6.3"),
    ("three", "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5\r\n", 400, "6.3; ours"),
    ("a list of the same", "Content-Length: 5, 5\r\n", 400, "6.3; ours"),
    ("a list of different ones", "Content-Length: 5, 6\r\n", 400, "6.3"),
    ("a list of one", "Content-Length: 5,\r\n", 400, "6.3"),
    ("a comma before", "Content-Length: ,5\r\n", 400, "6.3"),
    ("a plus", "Content-Length: +5\r\n", 400, "RFC 9110, 8.6"),
    ("a minus", "Content-Length: -5\r\n", 400, "RFC 9110, 8.6"),
    ("minus nothing", "Content-Length: -0\r\n", 400, "RFC 9110, 8.6"),
    ("a prefix for hexadecimal", "Content-Length: 0x5\r\n", 400, "RFC 9110, 8.6"),
    ("a hexadecimal digit", "Content-Length: a\r\n", 400, "RFC 9110, 8.6"),
    ("a suffix", "Content-Length: 5b\r\n", 400, "RFC 9110, 8.6"),
    ("a fraction", "Content-Length: 5.0\r\n", 400, "RFC 9110, 8.6"),
    ("an exponent", "Content-Length: 5e1\r\n", 400, "RFC 9110, 8.6"),
    ("an underscore", "Content-Length: 5_0\r\n", 400, "RFC 9110, 8.6"),
    ("a space inside", "Content-Length: 5 5\r\n", 400, "RFC 9110, 8.6"),
    ("a tab inside", "Content-Length: 5\t5\r\n", 400, "RFC 9110, 8.6"),
    ("quoted", "Content-Length: \"5\"\r\n", 400, "RFC 9110, 8.6"),
    ("a semicolon", "Content-Length: 5;\r\n", 400, "RFC 9110, 8.6"),
    ("a word", "Content-Length: five\r\n", 400, "RFC 9110, 8.6"),
    ("digits of another script", "Content-Length: \u{665}\r\n", 400, "RFC 9110, 8.6"),
    ("a NUL", "Content-Length: 5\0\r\n", 400, "RFC 9110, 5.5"),
    ("a vertical tab before", "Content-Length: \u{b}5\r\n", 400, "RFC 9110, 5.5"),
    ("a space before the colon", "Content-Length : 5\r\n", 400, "5.1"),
    ("folded", "Content-Length:\r\n 5\r\n", 400, "5.2"),
    ("an underscore in the name is another field", "Content_Length: x\r\n", 200, "RFC 9110, 5.1"),
];

const CODINGS: &[Case] = &[
    ("chunked", "Transfer-Encoding: chunked\r\n", 200, "7.1"),
    ("in capitals", "TRANSFER-ENCODING: CHUNKED\r\n", 200, "7"),
    ("no space behind the colon", "Transfer-Encoding:chunked\r\n", 200, "5.1"),
    ("white space around it", "Transfer-Encoding: \t chunked \t \r\n", 200, "5.1"),
    ("with a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400, "6.1; ours"),
    ("with a length before it", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400, "6.1; ours"),
    ("with a length of nothing", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400, "6.1; ours"),
    ("with a malformed length", "Content-Length: x\r\nTransfer-Encoding: chunked\r\n", 400, "6.1; ours"),
    ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, "6.1"),
    ("twice in a list", "Transfer-Encoding: chunked, chunked\r\n", 400, "6.1"),
    ("behind another", "Transfer-Encoding: gzip, chunked\r\n", 400, "6.1; ours"),
    ("behind another, in two fields", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 400, "6.1; ours"),
    ("before another", "Transfer-Encoding: chunked, gzip\r\n", 400, "6.3"),
    ("before another, in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", 400, "6.3"),
    ("before an empty one", "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", 400, "6.3; ours"),
    ("behind an empty one", "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", 400, "6.3; ours"),
    ("another alone", "Transfer-Encoding: gzip\r\n", 400, "6.3"),
    ("identity", "Transfer-Encoding: identity\r\n", 400, "6.3"),
    ("identity and chunked", "Transfer-Encoding: identity, chunked\r\n", 400, "6.1; ours"),
    ("an unknown one", "Transfer-Encoding: xchunked\r\n", 400, "6.1; ours"),
    ("chunked with more letters", "Transfer-Encoding: chunkedx\r\n", 400, "6.1; ours"),
    ("chunked cut short", "Transfer-Encoding: chunke\r\n", 400, "6.1; ours"),
    ("two words", "Transfer-Encoding: x chunked\r\n", 400, "6.1"),
    ("quoted", "Transfer-Encoding: \"chunked\"\r\n", 400, "7"),
    ("quoted by apostrophes", "Transfer-Encoding: 'chunked'\r\n", 400, "7"),
    ("a parameter", "Transfer-Encoding: chunked;q=1\r\n", 400, "7.1"),
    ("a semicolon", "Transfer-Encoding: chunked;\r\n", 400, "7.1"),
    ("a comma behind", "Transfer-Encoding: chunked,\r\n", 400, "6.1; ours"),
    ("a comma before", "Transfer-Encoding: ,chunked\r\n", 400, "6.1; ours"),
    ("a colon before", "Transfer-Encoding: : chunked\r\n", 400, "7"),
    ("an equals sign", "Transfer-Encoding: =chunked\r\n", 400, "7"),
    ("empty", "Transfer-Encoding:\r\n", 400, "6.3"),
    ("a space before the colon", "Transfer-Encoding : chunked\r\n", 400, "5.1"),
    ("a tab before the colon", "Transfer-Encoding\t: chunked\r\n", 400, "5.1"),
    ("a tab before the name", "\tTransfer-Encoding: chunked\r\n", 400, "2.2"),
    ("no colon", "Transfer-Encoding chunked\r\n", 400, "5"),
    ("folded", "Transfer-Encoding:\r\n chunked\r\n", 400, "5.2"),
    ("folded behind another", "Transfer-Encoding: x\r\n chunked\r\n", 400, "5.2"),
    ("hidden behind a bare LF", "X-A: b\nTransfer-Encoding: chunked\r\n", 400, "2.2"),
    ("hidden behind a bare CR", "X-A: b\rTransfer-Encoding: chunked\r\n", 400, "2.2"),
    ("a vertical tab before", "Transfer-Encoding: \u{b}chunked\r\n", 400, "RFC 9110, 5.5"),
    ("a form feed behind", "Transfer-Encoding: chunked\u{c}\r\n", 400, "RFC 9110, 5.5"),
    ("a NUL behind", "Transfer-Encoding: chunked\0\r\n", 400, "RFC 9110, 5.5"),
    ("a no-break space behind", "Transfer-Encoding: chunked\u{a0}\r\n", 400, "7"),
    ("a dotless letter", "Transfer-Encoding: chun\u{212a}ed\r\n", 400, "7"),
    ("a NUL in the name", "Transfer\0-Encoding: chunked\r\n", 400, "RFC 9110, 5.6.2"),
    ("an underscore in the name is another field", "Transfer_Encoding: chunked\r\n", 200, "RFC 9110, 5.1"),
    ("a name with a prefix is another field", "X-Transfer-Encoding: chunked\r\n", 200, "RFC 9110, 5.1"),
];

#[test]
fn lengths_are_judged() {
    judge(LENGTHS, |fields| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    judge(LENGTHS, |fields| format!("GET / HTTP/1.0\r\nHost: a\r\n{fields}\r\n"));
}

#[test]
fn transfer_codings_are_judged() {
    judge(CODINGS, |fields| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    judge(CODINGS, |fields| format!("GET / HTTP/1.1\r\n{fields}Host: a\r\n\r\n"));
    // HTTP/1.0 also accepts fields that are not a Transfer-Encoding, and refuses all others (section 6.1).
    judge(&CODINGS[4..], |fields| format!("POST / HTTP/1.0\r\nHost: a\r\n{fields}\r\n"));
    let of_10: Vec<_> = CODINGS[..4].iter().map(|(name, input, _, _)| (*name, *input, 400, "6.1")).collect();
    judge(&of_10, |fields| format!("POST / HTTP/1.0\r\nHost: a\r\n{fields}\r\n"));
}
