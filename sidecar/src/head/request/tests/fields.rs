//! Hostile and unusual fields that do not concern the body's length.

use crate::head::request::tests::{Case, judge};

const FIELDS: &[Case] = &[
    ("none", "", 200, "5"),
    ("one", "A: b\r\n", 200, "5"),
    ("an empty value", "A:\r\n", 200, "5"),
    ("a value of white space", "A: \t \r\n", 200, "5.1"),
    ("no space behind the colon", "A:b\r\n", 200, "5.1"),
    ("white space around the value", "A: \t b \t\r\n", 200, "5.1"),
    ("a tab inside a value", "A: b\tc\r\n", 200, "RFC 9110, 5.5"),
    ("a colon inside a value", "A: b: c\r\n", 200, "5"),
    ("a value over ASCII", "A: \u{e9}\r\n", 200, "RFC 9110, 5.5"),
    ("a name of odd token characters", "!#$%&'*+-.^_`|~: b\r\n", 200, "RFC 9110, 5.6.2"),
    ("a digit for a name", "1: b\r\n", 200, "RFC 9110, 5.6.2"),
    ("the same field twice", "A: b\r\nA: c\r\n", 200, "RFC 9110, 5.3"),
    ("no colon", "A\r\n", 400, "5"),
    ("no name", ": b\r\n", 400, "5.1"),
    ("a colon alone", ":\r\n", 400, "5.1"),
    ("a space before the colon", "A : b\r\n", 400, "5.1"),
    ("a tab before the colon", "A\t: b\r\n", 400, "5.1"),
    ("a space inside a name", "A B: c\r\n", 400, "5.1"),
    ("a space before the name", " A: b\r\n", 400, "2.2"),
    ("a tab before the name", "\tA: b\r\n", 400, "2.2"),
    ("a line of white space", " \r\nA: b\r\n", 400, "2.2"),
    ("a folded value", "A: b\r\n c\r\n", 400, "5.2"),
    ("a value folded by a tab", "A: b\r\n\tc\r\n", 400, "5.2"),
    ("a value that begins folded", "A:\r\n b\r\n", 400, "5.2"),
    ("a fold of nothing", "A: b\r\n \r\n", 400, "5.2"),
    ("a bare LF", "A: b\nB: c\r\n", 400, "2.2"),
    ("a bare LF before a fold", "A: b\n c\r\n", 400, "2.2"),
    ("a bare CR", "A: b\rB: c\r\n", 400, "2.2"),
    ("a bare CR at the end", "A: b\r\r\n", 400, "2.2"),
    ("a bare CR before a name", "\rA: b\r\n", 400, "2.2"),
    ("a bare CR in a name", "A\rB: c\r\n", 400, "2.2"),
    ("a bare CR behind the colon", "A:\rb\r\n", 400, "2.2"),
    ("LF CR", "A: b\n\rB: c\r\n", 400, "2.2"),
    ("a NUL in a value", "A: b\0c\r\n", 400, "RFC 9110, 5.5"),
    ("a NUL at a value's end", "A: b\0\r\n", 400, "RFC 9110, 5.5"),
    ("a NUL in a name", "A\0: b\r\n", 400, "RFC 9110, 5.6.2"),
    ("a control character in a value", "A: b\u{1}\r\n", 400, "RFC 9110, 5.5; ours"),
    ("a backspace in a value", "A: b\u{8}\r\n", 400, "RFC 9110, 5.5; ours"),
    ("a vertical tab in a value", "A: b\u{b}c\r\n", 400, "RFC 9110, 5.5; ours"),
    ("a form feed in a value", "A: b\u{c}c\r\n", 400, "RFC 9110, 5.5; ours"),
    ("an escape in a value", "A: \u{1b}[2J\r\n", 400, "RFC 9110, 5.5; ours"),
    ("DEL in a value", "A: b\u{7f}\r\n", 400, "RFC 9110, 5.5; ours"),
    ("DEL in a name", "A\u{7f}: b\r\n", 400, "RFC 9110, 5.6.2"),
    ("a letter over ASCII in a name", "A\u{e9}: b\r\n", 400, "RFC 9110, 5.6.2"),
    ("a bracket in a name", "A(B): c\r\n", 400, "RFC 9110, 5.6.2"),
    ("a comma in a name", "A,B: c\r\n", 400, "RFC 9110, 5.6.2"),
    ("a semicolon in a name", "A;B: c\r\n", 400, "RFC 9110, 5.6.2"),
    ("a slash in a name", "A/B: c\r\n", 400, "RFC 9110, 5.6.2"),
    ("an equals sign in a name", "A=B: c\r\n", 400, "RFC 9110, 5.6.2"),
    ("an at sign in a name", "A@B: c\r\n", 400, "RFC 9110, 5.6.2"),
    ("a quotation mark in a name", "\"A\": b\r\n", 400, "RFC 9110, 5.6.2"),
    ("braces in a name", "{A}: b\r\n", 400, "RFC 9110, 5.6.2"),
    ("a request line among the fields", "GET / HTTP/1.1\r\n", 400, "5"),
    ("Connection with an empty list", "Connection:\r\n", 200, "RFC 9110, 5.6.1"),
    ("Connection with empty members", "Connection: ,, close ,\r\n", 200, "RFC 9110, 5.6.1.2"),
    ("Connection that names a field", "Connection: close, X-A\r\n", 200, "RFC 9110, 7.6.1"),
    ("Connection that holds no token", "Connection: a b\r\n", 400, "RFC 9110, 7.6.1"),
    ("Connection that is quoted", "Connection: \"close\"\r\n", 400, "RFC 9110, 7.6.1"),
    ("Connection with a parameter", "Connection: close;x\r\n", 400, "RFC 9110, 7.6.1"),
    ("an unknown expectation", "Expect: a\r\n", 200, "RFC 9110, 10.1.1 leaves it to the service"),
    ("an upgrade to HTTP/2", "Connection: upgrade\r\nUpgrade: h2c\r\n", 200, "RFC 9110, 7.8: ignored"),
];

#[test]
fn fields_are_judged() {
    judge(FIELDS, |fields| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    // A field that is invalid after Host is also invalid before it.
    judge(FIELDS, |fields| format!("GET / HTTP/1.1\r\n{fields}Host: a\r\n\r\n"));
}

#[test]
fn ends_of_heads_are_judged() {
    let ends: &[Case] = &[
        ("CR LF", "\r\n", 200, "2.1"),
        ("a bare LF", "\n", 400, "2.2"),
        ("a bare CR", "\rX", 400, "2.2"),
        ("a space", " \r\n", 400, "2.2"),
        ("CR CR LF", "\r\r\n", 400, "2.2"),
        ("a NUL", "\0\r\n", 400, "2.2"),
    ];
    judge(ends, |end| format!("GET / HTTP/1.1\r\nHost: a\r\n{end}"));
    judge(&ends[1..], |end| format!("GET / HTTP/1.1{end}Host: a\r\n\r\n"));
}

#[test]
fn traces_are_judged() {
    let traces: &[Case] = &[
        ("no content", "", 200, "RFC 9110, 9.3.8"),
        ("a length of nothing", "Content-Length: 0\r\n", 200, "RFC 9110, 9.3.8"),
        ("content", "Content-Length: 5\r\n", 400, "RFC 9110, 9.3.8"),
        ("chunks", "Transfer-Encoding: chunked\r\n", 400, "RFC 9110, 9.3.8"),
        ("a count", "Max-Forwards: 0\r\n", 200, "RFC 9110, 7.6.2"),
        ("a signed count", "Max-Forwards: -1\r\n", 400, "RFC 9110, 7.6.2"),
        ("a word for a count", "Max-Forwards: a\r\n", 400, "RFC 9110, 7.6.2"),
        ("an empty count", "Max-Forwards:\r\n", 400, "RFC 9110, 7.6.2"),
        ("two counts", "Max-Forwards: 1\r\nMax-Forwards: 1\r\n", 400, "RFC 9110, 7.6.2"),
    ];
    judge(traces, |fields| format!("TRACE / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
}
