//! Table of hostile and unusual response heads, each with its expected result and the rule behind it.
#![expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough in its lifetimes")]

use std::time::Duration;

use crate::head::response::{ResponseHead, ResponseTo, parse};
use crate::head::write::{Persistence, Plan};
use crate::head::{FIELDS_MAX, Framing, HEAD_BYTES_MAX, Parsed, slots, write};

/// The expected result of parsing a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Refused with 502.
    No,
    /// Accepted as a response to GET whose body ends like this.
    Yes(Framing),
}

use Framing::{Chunked, Empty, Length, UntilClose};
use Verdict::{No, Yes};

/// A row of a table: name, bytes of the service, expected result, and rule. Rules are sections of RFC 9112
/// unless another is named. "ours" marks a decision of this project where the RFCs leave a choice.
type Case = (&'static str, &'static str, Verdict, &'static str);

fn judge(cases: &[Case], whole: impl Fn(&str) -> String) {
    for (name, input, expected, rule) in cases {
        let head = whole(input);
        let verdict = match parse(head.as_bytes(), &mut slots()) {
            Parsed::Complete(head, _) => Yes(head.framing(ResponseTo::Whole)),
            Parsed::Partial => panic!("{name}: {head:?} is whole"),
            Parsed::Faulty(_) => No,
        };
        assert_eq!(verdict, *expected, "{name} ({rule}): {head:?}");
        for end in 0..head.len() {
            match parse(&head.as_bytes()[..end], &mut slots()) {
                Parsed::Partial => {}
                Parsed::Faulty(_) => assert_eq!(*expected, No, "{name} ({rule}) is refused too early: {:?}", &head.get(..end)),
                Parsed::Complete(..) => panic!("{name} ({rule}) is taken too early: {:?}", &head.get(..end)),
            }
        }
    }
}

fn look<T>(input: &str, at: impl FnOnce(&ResponseHead<'_, '_>) -> T) -> T {
    match parse(input.as_bytes(), &mut slots()) {
        Parsed::Complete(head, _) => at(&head),
        other => panic!("{input:?} is not taken: {other:?}"),
    }
}

const LINES: &[Case] = &[
    ("a usual line", "HTTP/1.1 200 OK", Yes(UntilClose), "4"),
    ("HTTP/1.0", "HTTP/1.0 200 OK", Yes(UntilClose), "2.3"),
    ("an empty reason", "HTTP/1.1 200 ", Yes(UntilClose), "4"),
    ("no reason and no space", "HTTP/1.1 200", Yes(UntilClose), "4; ours: it is written anew"),
    ("a long reason", "HTTP/1.1 200 It's all right: (fine), \"really\"", Yes(UntilClose), "4"),
    ("a tab in the reason", "HTTP/1.1 200 O\tK", Yes(UntilClose), "4"),
    ("a reason over ASCII", "HTTP/1.1 200 \u{e9}", Yes(UntilClose), "4"),
    ("a reason that looks like an answer", "HTTP/1.1 200 HTTP/1.1 204 No", Yes(UntilClose), "4"),
    ("the smallest status", "HTTP/1.1 100 Continue", Yes(Empty), "RFC 9110, 15"),
    ("the largest status of a class", "HTTP/1.1 599 x", Yes(UntilClose), "RFC 9110, 15"),
    ("an unknown status", "HTTP/1.1 299 x", Yes(UntilClose), "RFC 9110, 15"),
    ("status 0", "HTTP/1.1 000 x", No, "RFC 9110, 15"),
    ("status 99", "HTTP/1.1 099 x", No, "RFC 9110, 15"),
    ("status 600", "HTTP/1.1 600 x", Yes(UntilClose), "RFC 9110, 15: taken for a 5xx"),
    ("status 999", "HTTP/1.1 999 x", Yes(UntilClose), "RFC 9110, 15: taken for a 5xx"),
    ("a status of one digit", "HTTP/1.1 2 OK", No, "4"),
    ("a status of two digits", "HTTP/1.1 20 OK", No, "4"),
    ("a status of four digits", "HTTP/1.1 2000 OK", No, "4"),
    ("a negative status", "HTTP/1.1 -20 OK", No, "4"),
    ("a signed status", "HTTP/1.1 +20 OK", No, "4"),
    ("a hexadecimal status", "HTTP/1.1 0x2 OK", No, "4"),
    ("a status with a fraction", "HTTP/1.1 200.1 OK", No, "4"),
    ("no status", "HTTP/1.1 OK", No, "4"),
    ("nothing behind the version", "HTTP/1.1", No, "4"),
    ("a space behind the version and no more", "HTTP/1.1 ", No, "4"),
    ("two spaces before the status", "HTTP/1.1  200 OK", No, "4"),
    ("a tab before the status", "HTTP/1.1\t200 OK", No, "4"),
    ("a tab behind the status", "HTTP/1.1 200\tOK", No, "4"),
    ("a letter behind the status", "HTTP/1.1 200a OK", No, "4"),
    ("a space before the version", " HTTP/1.1 200 OK", No, "4"),
    ("an empty line before the line", "\r\nHTTP/1.1 200 OK", No, "2.2 skips it in requests only"),
    ("a bare LF before the line", "\nHTTP/1.1 200 OK", No, "2.2"),
    ("a NUL in the reason", "HTTP/1.1 200 O\0K", No, "4"),
    ("a control character in the reason", "HTTP/1.1 200 O\u{1}K", Yes(UntilClose), "4: the reason is dropped"),
    ("DEL in the reason", "HTTP/1.1 200 O\u{7f}K", Yes(UntilClose), "4: the reason is dropped"),
    ("a bare CR in the reason", "HTTP/1.1 200 O\rK", No, "2.2"),
    ("a bare CR at the end", "HTTP/1.1 200 OK\r", No, "2.2"),
    ("a bare LF in the reason", "HTTP/1.1 200 O\nK", No, "2.2"),
    ("version 1.2", "HTTP/1.2 200 OK", No, "2.3; ours"),
    ("version 2.0", "HTTP/2.0 200 OK", No, "2.3"),
    ("version 2", "HTTP/2 200 OK", No, "2.3"),
    ("version 0.9", "HTTP/0.9 200 OK", No, "2.3"),
    ("version 1.10", "HTTP/1.10 200 OK", No, "2.3"),
    ("a version in lower case", "http/1.1 200 OK", No, "2.3"),
    ("another protocol", "ICY 200 OK", No, "2.3"),
    ("a request", "GET / HTTP/1.1", No, "4"),
    ("a page without a head, as in HTTP/0.9", "<html>hello</html>", No, "4"),
];

const FIELDS: &[Case] = &[
    ("a field", "A: b\r\n", Yes(UntilClose), "5"),
    ("an empty value", "A:\r\n", Yes(UntilClose), "5"),
    ("a value over ASCII", "A: \u{e9}\r\n", Yes(UntilClose), "RFC 9110, 5.5"),
    ("a folded value", "A: b\r\n c\r\n", Yes(UntilClose), "5.2: spaces stand for the fold"),
    ("a value folded by a tab", "A: b\r\n\tc\r\n", Yes(UntilClose), "5.2"),
    ("a folded length", "Content-Length:\r\n 5\r\n", Yes(Length(5)), "5.2"),
    ("a length folded in two", "Content-Length: 5\r\n 5\r\n", No, "RFC 9110, 8.6"),
    ("a fold behind the status line", " A: b\r\n", No, "5.2"),
    ("a space before the colon", "A : b\r\n", Yes(UntilClose), "5.1: it is removed"),
    ("a tab before the colon", "A\t: b\r\n", Yes(UntilClose), "5.1: it is removed"),
    ("white space before a length's colon", "Content-Length \t: 5\r\n", Yes(Length(5)), "5.1"),
    ("a space inside a name", "A B: c\r\n", No, "5.1"),
    ("no colon", "A\r\n", No, "5"),
    ("no name", ": b\r\n", No, "5.1"),
    ("a name over ASCII", "\u{e9}: b\r\n", No, "RFC 9110, 5.6.2"),
    ("a NUL in a value", "A: b\0c\r\n", No, "RFC 9110, 5.5"),
    ("a NUL in a name", "A\0: b\r\n", No, "RFC 9110, 5.6.2"),
    ("a control character in a value", "A: b\u{1}\r\n", Yes(UntilClose), "RFC 9110, 5.5: it may be retained"),
    ("DEL in a value", "A: b\u{7f}c\r\n", Yes(UntilClose), "RFC 9110, 5.5: it may be retained"),
    ("a control character in a name", "A\u{1}: b\r\n", No, "RFC 9110, 5.6.2"),
    ("a control character in a length", "Content-Length: 5\u{b}\r\n", No, "RFC 9110, 8.6"),
    ("a bare CR in a value", "A: b\rC: d\r\n", No, "2.2"),
    ("a bare LF behind a value", "A: b\nC: d\r\n", Yes(UntilClose), "2.2: it may end a line"),
    ("a bare LF behind the last value", "A: b\n", Yes(UntilClose), "2.2: it may end a line"),
    ("a length behind a bare LF", "A: b\nContent-Length: 5\n", Yes(Length(5)), "2.2: it may end a line"),
    ("a second status line", "HTTP/1.1 204 No\r\n", No, "5"),
    ("Connection that holds no token", "Connection: a b\r\n", No, "RFC 9110, 7.6.1"),
];

const FRAMINGS: &[Case] = &[
    ("a length", "Content-Length: 5\r\n", Yes(Length(5)), "6.3"),
    ("a length of nothing", "Content-Length: 0\r\n", Yes(Empty), "6.3"),
    ("a length with leading zeros", "Content-Length: 005\r\n", Yes(Length(5)), "RFC 9110, 8.6"),
    ("a length with white space around it", "Content-Length: \t5 \r\n", Yes(Length(5)), "5.1"),
    ("the largest length", "Content-Length: 9223372036854775807\r\n", Yes(Length(i64::MAX as u64)), "6.3; ours"),
    ("one more", "Content-Length: 9223372036854775808\r\n", No, "6.3; ours"),
    ("a length that wraps to nothing", "Content-Length: 18446744073709551616\r\n", No, "6.3"),
    ("a length twice", "Content-Length: 5\r\nContent-Length: 05\r\n", Yes(Length(5)), "6.3"),
    ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", No, "6.3"),
    ("a list of one length", "Content-Length: 5, 5\r\n", Yes(Length(5)), "6.3"),
    ("a list of two lengths", "Content-Length: 5, 6\r\n", No, "6.3"),
    ("a list with an empty member", "Content-Length: 5,\r\n", No, "6.3"),
    ("a signed length", "Content-Length: +5\r\n", No, "RFC 9110, 8.6"),
    ("a negative length", "Content-Length: -5\r\n", No, "RFC 9110, 8.6"),
    ("a hexadecimal length", "Content-Length: 0x5\r\n", No, "RFC 9110, 8.6"),
    ("an empty length", "Content-Length:\r\n", No, "6.3"),
    ("a length with a space inside", "Content-Length: 5 5\r\n", No, "RFC 9110, 8.6"),
    ("a length with a space before the colon", "Content-Length : 5\r\n", Yes(Length(5)), "5.1: it is removed"),
    ("a folded length", "Content-Length:\r\n 5\r\n", Yes(Length(5)), "5.2"),
    ("chunked", "Transfer-Encoding: chunked\r\n", Yes(Chunked), "6.3"),
    ("chunked in capitals", "TRANSFER-ENCODING: CHUNKED\r\n", Yes(Chunked), "7"),
    ("chunked with white space around it", "Transfer-Encoding:\t chunked \t\r\n", Yes(Chunked), "5.1"),
    ("chunked and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", No, "6.3; ours"),
    ("a length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", No, "6.3; ours"),
    ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", No, "6.1"),
    ("chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", No, "6.1"),
    ("another coding", "Transfer-Encoding: gzip\r\n", No, "6.1: it was not asked for"),
    ("another and chunked", "Transfer-Encoding: gzip, chunked\r\n", No, "6.1: it was not asked for"),
    ("chunked and another", "Transfer-Encoding: chunked, gzip\r\n", No, "6.1"),
    ("identity", "Transfer-Encoding: identity\r\n", Yes(UntilClose), "7: it is no coding; RFC 2616, 3.6"),
    ("identity and a length", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", Yes(Length(5)), "RFC 2616, 4.4; ours"),
    ("a length and identity", "Content-Length: 5\r\nTransfer-Encoding: IDENTITY\r\n", Yes(Length(5)), "RFC 2616, 4.4; ours"),
    ("identity and chunked", "Transfer-Encoding: identity, chunked\r\n", No, "6.1; ours"),
    ("identity and chunked in two fields", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", No, "6.1; ours"),
    ("an empty coding", "Transfer-Encoding:\r\n", No, "6.1"),
    ("chunked with a parameter", "Transfer-Encoding: chunked;a=b\r\n", No, "7.1"),
    ("chunked behind a vertical tab", "Transfer-Encoding: \u{b}chunked\r\n", No, "RFC 9110, 5.5"),
    ("chunked with a space before the colon", "Transfer-Encoding : chunked\r\n", Yes(Chunked), "5.1: it is removed"),
    ("folded chunked", "Transfer-Encoding:\r\n chunked\r\n", Yes(Chunked), "5.2"),
];

#[test]
fn status_lines_are_judged() {
    judge(LINES, |line| format!("{line}\r\n\r\n"));
}

#[test]
fn fields_are_judged() {
    judge(FIELDS, |fields| format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
    let interim: Vec<_> =
        FIELDS.iter().map(|case| if case.2 == No { *case } else { (case.0, case.1, Yes(Empty), case.3) }).collect();
    judge(&interim, |fields| format!("HTTP/1.1 100 Continue\r\n{fields}\r\n"));
    // Lines that all end in LF mean the same as lines that end in CR LF.
    let bare: Vec<_> = FIELDS.iter().filter(|case| !case.1.contains("b\rC")).copied().collect();
    judge(&bare, |fields| format!("HTTP/1.1 200 OK\n{}\n", fields.replace("\r\n", "\n")));
}

#[test]
fn framings_are_judged() {
    judge(FRAMINGS, |fields| format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
    let of_10: Vec<_> =
        FRAMINGS.iter().map(|case| if case.2 == Yes(Chunked) { (case.0, case.1, No, "6.1") } else { *case }).collect();
    judge(&of_10, |fields| format!("HTTP/1.0 200 OK\r\n{fields}\r\n"));
    // A response that cannot have a body has none, but contradictory fields are still refused (section 6.3).
    for status in [100, 103, 101, 204, 304] {
        let bodiless: Vec<_> =
            FRAMINGS.iter().map(|case| if case.2 == No { *case } else { (case.0, case.1, Yes(Empty), "6.3") }).collect();
        judge(&bodiless, |fields| format!("HTTP/1.1 {status} x\r\n{fields}\r\n"));
    }
}

#[test]
fn an_answer_to_head_has_no_body_whatever_it_says() {
    for fields in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert_eq!(look(&head, |head| head.framing(ResponseTo::HeadOnly)), Empty, "{head:?}");
    }
}

#[test]
fn announced_bodies_that_must_not_come_are_distinguished() {
    for (asked, answer, in_vain) in [
        (ResponseTo::HeadOnly, "200 OK\r\nContent-Length: 5", true),
        (ResponseTo::HeadOnly, "200 OK\r\nTransfer-Encoding: chunked", true),
        (ResponseTo::HeadOnly, "200 OK\r\nA: b", true),
        (ResponseTo::HeadOnly, "200 OK\r\nContent-Length: 0", false),
        (ResponseTo::Whole, "204 x\r\nContent-Length: 5", true),
        (ResponseTo::Whole, "304 x\r\nContent-Length: 5", true),
        (ResponseTo::Whole, "304 x\r\nTransfer-Encoding: chunked", true),
        (ResponseTo::Whole, "304 x\r\nA: b", false),
        (ResponseTo::Whole, "204 x\r\nContent-Length: 0", false),
        (ResponseTo::Whole, "200 OK\r\nContent-Length: 5", false),
    ] {
        let head = format!("HTTP/1.1 {answer}\r\n\r\n");
        assert_eq!(look(&head, |head| head.has_forbidden_body(asked)), in_vain, "{head:?}");
    }
}

#[test]
fn a_service_keeps_its_connection_as_its_options_say() {
    for (line, fields, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Keep-Alive: timeout=5\r\n", false),
        // Next to `identity`, a length may or may not be meant.
        ("1.1", "Transfer-Encoding: identity\r\n", false),
    ] {
        let head = format!("HTTP/{line} 200 OK\r\nContent-Length: 0\r\n{fields}\r\n");
        assert_eq!(look(&head, |head| head.is_persistent()), kept, "{head:?}");
    }
}

#[test]
fn heads_have_bounds() {
    let refused = |head: &str| matches!(parse(head.as_bytes(), &mut slots()), Parsed::Faulty(_));
    assert!(!refused(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX))));
    assert!(refused(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1))));
    assert!(refused(&format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(HEAD_BYTES_MAX))));
    assert!(refused(&format!("HTTP/1.1 200 {}", "b".repeat(HEAD_BYTES_MAX))));
}

#[test]
fn what_an_answer_holds_is_passed_on_in_one_well_formed_way() {
    for (said, passed) in [
        ("A : b\r\n", "A: b\r\n"),
        ("A \t : b\n", "A: b\r\n"),
        ("A: b\r\n c\r\n", "A: b   c\r\n"),
        ("A: b\n\tc\nB: d\n", "A: b \tc\r\nB: d\r\n"),
        ("A: b\u{1}c\u{7f}\r\nB: \u{1b}[m\r\n", "A: b\u{1}c\u{7f}\r\nB: \u{1b}[m\r\n"),
        ("X-Sitio-Error: bad-request\r\nx-sitio-rule: 7\r\nA: b\r\n", "A: b\r\n"),
        ("Keep-Alive: timeout=5\r\nTransfer-Encoding: identity\r\n", ""),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{said}\r\n");
        let mut out = Vec::new();
        look(&head, |head| write::response(&mut out, head, Plan::bare(Persistence::Keep)));
        assert_eq!(String::from_utf8_lossy(&out), format!("HTTP/1.1 200 OK\r\n{passed}\r\n"), "{said:?}");
    }
}

#[test]
fn an_answer_says_for_how_long_its_service_keeps_a_connection() {
    for (value, seconds) in
        [("timeout=75", Some(75)), ("max=5, Timeout=5", Some(5)), ("timeout=", None), ("timeout=-1", None), ("300", None)]
    {
        let head = format!("HTTP/1.1 200 OK\r\nKeep-Alive: {value}\r\n\r\n");
        assert_eq!(look(&head, |head| head.connectivity.kept_for), seconds.map(Duration::from_secs), "{value}");
    }
}
