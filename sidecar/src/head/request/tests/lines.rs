//! Hostile and unusual request lines.

use mesh::refusal::RefusalReason;

use crate::head::request::parse;
use crate::head::request::tests::{Case, judge};
use crate::head::{HeadFault, Parsed, slots};

const LINES: &[Case] = &[
    ("a usual line", "GET / HTTP/1.1", 200, "3"),
    ("an unknown method", "PURGE /x HTTP/1.1", 200, "RFC 9110, 9.1"),
    ("a method in lower case is another one", "get / HTTP/1.1", 200, "RFC 9110, 9.1"),
    ("a method of odd token characters", "M-S_!#$%&'*+.^`|~1 / HTTP/1.1", 200, "RFC 9110, 5.6.2"),
    ("HTTP/1.0", "GET / HTTP/1.0", 200, "2.3"),
    ("nothing but white space", "   ", 400, "3"),
    ("a method alone", "GET", 400, "3"),
    ("a method and a space", "GET ", 400, "3"),
    ("no version, as in HTTP/0.9", "GET /", 400, "3"),
    ("no version behind the space", "GET / ", 400, "3"),
    ("no target", "GET HTTP/1.1", 400, "3"),
    ("no method", "/ HTTP/1.1", 400, "3.1"),
    ("an empty target", "GET  HTTP/1.1", 400, "3.2"),
    ("two spaces before the target", "GET  / HTTP/1.1", 400, "3"),
    ("two spaces before the version", "GET /  HTTP/1.1", 400, "3"),
    ("a space before the method", " GET / HTTP/1.1", 400, "3"),
    ("a tab before the method", "\tGET / HTTP/1.1", 400, "3"),
    ("a tab behind the method", "GET\t/ HTTP/1.1", 400, "3"),
    ("a tab before the version", "GET /\tHTTP/1.1", 400, "3"),
    ("a vertical tab behind the method", "GET\u{b}/ HTTP/1.1", 400, "3"),
    ("a form feed before the version", "GET /\u{c}HTTP/1.1", 400, "3"),
    ("a space behind the version", "GET / HTTP/1.1 ", 400, "3"),
    ("a tab behind the version", "GET / HTTP/1.1\t", 400, "3"),
    ("a word behind the version", "GET / HTTP/1.1 x", 400, "3"),
    ("a whole line behind the version", "GET / HTTP/1.1 HTTP/1.1", 400, "3"),
    ("a bare CR behind the method", "GET\r/ HTTP/1.1", 400, "2.2"),
    ("a bare CR in the target", "GET /a\rb HTTP/1.1", 400, "2.2"),
    ("a bare CR behind the version", "GET / HTTP/1.1\r", 400, "2.2"),
    ("a bare LF in the target", "GET /a\nb HTTP/1.1", 400, "2.2"),
    ("a bracket in the method", "G(T / HTTP/1.1", 400, "RFC 9110, 5.6.2"),
    ("a colon in the method", "GET: / HTTP/1.1", 400, "RFC 9110, 5.6.2"),
    ("a quotation mark in the method", "\"GET\" / HTTP/1.1", 400, "RFC 9110, 5.6.2"),
    ("a slash in the method", "GET/x / HTTP/1.1", 400, "RFC 9110, 5.6.2"),
    ("a NUL in the method", "G\0ET / HTTP/1.1", 400, "RFC 9110, 5.6.2"),
    ("a letter over ASCII in the method", "G\u{c9}T / HTTP/1.1", 400, "RFC 9110, 5.6.2"),
    ("a byte order mark before the method", "\u{feff}GET / HTTP/1.1", 400, "RFC 9110, 5.6.2"),
    ("a method longer than any", "AVERYLONGMETHODTHATNOBODYKNOWS / HTTP/1.1", 501, "3"),
    ("version 1.2", "GET / HTTP/1.2", 505, "RFC 9110, 15.6.6; ours"),
    ("version 2.0", "GET / HTTP/2.0", 505, "RFC 9110, 15.6.6"),
    ("version 3.0", "GET / HTTP/3.0", 505, "RFC 9110, 15.6.6"),
    ("version 0.9", "GET / HTTP/0.9", 505, "RFC 9110, 15.6.6"),
    ("version 1.10", "GET / HTTP/1.10", 400, "2.3"),
    ("version 01.1", "GET / HTTP/01.1", 400, "2.3"),
    ("version 1,1", "GET / HTTP/1,1", 400, "2.3"),
    ("version 1", "GET / HTTP/1", 400, "2.3"),
    ("version 1.", "GET / HTTP/1.", 400, "2.3"),
    ("version .1", "GET / HTTP/.1", 400, "2.3"),
    ("version -1.1", "GET / HTTP/-1.1", 400, "2.3"),
    ("version 1.1 with a letter", "GET / HTTP/1.1a", 400, "2.3"),
    ("a version without a slash", "GET / HTTP1.1", 400, "2.3"),
    ("a version with two slashes", "GET / HTTP//1.1", 400, "2.3"),
    ("a version with a space", "GET / HTTP/ 1.1", 400, "2.3"),
    ("a version in lower case", "GET / http/1.1", 400, "2.3"),
    ("a version in mixed case", "GET / Http/1.1", 400, "2.3"),
    ("another protocol", "GET / HTTX/1.1", 400, "2.3"),
    ("HTTPS for a version", "GET / HTTPS/1.1", 400, "2.3"),
    ("SIP", "GET / SIP/2.0", 400, "2.3"),
    ("the preface of HTTP/2", "PRI * HTTP/2.0", 505, "RFC 9113, 3.4"),
    ("an answer's line", "HTTP/1.1 200 OK", 400, "3"),
    ("CONNECT", "CONNECT a:443 HTTP/1.1", 501, "RFC 9110, 9.3.6"),
    ("CONNECT with a path", "CONNECT / HTTP/1.1", 501, "RFC 9110, 9.3.6"),
    ("TRACE", "TRACE / HTTP/1.1", 200, "RFC 9110, 9.3.8"),
];

/// A URI allows fewer characters (RFC 3986, section 2), but clients send more, services accept them, and
/// all parsers read them alike.
const WIDER: &str = "3.2 leaves it to the recipient; ours";

const TARGETS: &[Case] = &[
    ("a query of odd characters", "/?a=b&c=[d]{e}|f^g`h\\'i", 200, "ours: browsers send them as they are"),
    ("a path of odd characters", "/[a]|b'c;d=e,f@g:h!$&()*+~", 200, "3.2.1; ours: browsers send | as it is"),
    ("a quotation mark in the path", "/\"a", 200, WIDER),
    ("a quotation mark in the query", "/?\"a", 200, WIDER),
    ("an angle bracket in the path", "/<a", 200, WIDER),
    ("an angle bracket in the query", "/?a>b", 200, WIDER),
    ("a script in the query", "/?<script>", 200, WIDER),
    ("a brace in the path", "/{a}", 200, WIDER),
    ("a backslash in the path", "/a\\b", 200, WIDER),
    ("a backslash behind the slash", "/\\a", 200, WIDER),
    ("a caret in the path", "/a^b", 200, WIDER),
    ("a backtick in the path", "/a`b", 200, WIDER),
    ("a backslash in an absolute URI's path", "http://a/b\\c", 200, WIDER),
    ("letters over ASCII in the path", "/caf\u{e9}/\u{65e5}\u{672c}", 200, WIDER),
    ("a letter over ASCII in the query", "/?q=\u{e9}", 200, WIDER),
    ("a letter over ASCII in an absolute URI's path", "http://a/\u{e9}", 200, WIDER),
    ("a letter over ASCII in a host", "http://\u{e9}/x", 400, "RFC 3986, 3.2.2"),
    ("a no-break space", "/a\u{a0}b", 400, "3.2: some readers split the line there"),
    ("a next-line character", "/a\u{85}b", 400, "3.2: some readers split the line there"),
    ("a wide space", "/a\u{3000}b", 400, "3.2; ours"),
    ("a control character over ASCII", "/a\u{9b}2J", 400, "RFC 3986, 2; ours"),
    ("two slashes", "//a/b", 200, "3.2.1"),
    ("dots", "/a/../../b/./c", 200, "3.2.1"),
    ("a malformed escape", "/%zz%", 200, "3.2.1"),
    ("an escaped NUL, CR and LF", "/%00%0d%0a", 200, "3.2.1"),
    ("an absolute URI in a path", "/http://a/", 200, "3.2.1"),
    ("a query alone", "?a", 400, "3.2.1"),
    ("no slash", "a", 400, "3.2.1"),
    ("a fragment", "/a#b", 400, "3.2"),
    ("a fragment alone", "#", 400, "3.2"),
    ("a space", "/a b", 400, "3.2"),
    ("a control character", "/\u{1}", 400, "RFC 3986, 2"),
    ("a NUL", "/\0", 400, "RFC 3986, 2"),
    ("an escape character", "/\u{1b}[2J", 400, "RFC 3986, 2"),
    ("DEL", "/\u{7f}", 400, "RFC 3986, 2"),
    ("a tab", "/a\tb", 400, "3.2"),
    ("a backslash for a slash", "\\a", 400, "3.2.1"),
    ("an authority", "a:80", 400, "3.2.3"),
    ("the asterisk", "*", 400, "3.2.4"),
    ("the asterisk and more", "*/a", 400, "3.2.4"),
    ("absolute", "http://a/x", 200, "3.2.2"),
    ("absolute in capitals", "HTTP://A/x", 200, "RFC 9110, 4.2.3"),
    ("absolute without a path", "http://a", 200, "3.2.2"),
    ("absolute with a query and no path", "http://a?x", 200, "RFC 9110, 4.2.1"),
    ("absolute with a port", "http://a:80/x", 200, "3.2.2"),
    ("absolute with an empty port", "http://a:/x", 200, "RFC 3986, 3.2.3"),
    ("absolute with an IPv6 address", "http://[::1]:80/x", 200, "RFC 3986, 3.2.2"),
    ("https", "https://a/x", 200, "RFC 9110, 4.2.2"),
    ("absolute with a user", "http://u@a/x", 400, "RFC 9110, 4.2.4"),
    ("absolute with a user and a password", "http://u:p@a/x", 400, "RFC 9110, 4.2.4"),
    ("absolute without a host", "http:///x", 400, "RFC 9110, 4.2.1"),
    ("absolute with a port alone", "http://:80/x", 400, "RFC 9110, 4.2.1"),
    ("absolute with a word for a port", "http://a:b/x", 400, "RFC 3986, 3.2.3"),
    ("absolute with two ports", "http://a:80:81/x", 400, "RFC 3986, 3.2.3"),
    ("absolute with a backslash", "http://a\\b/x", 400, "RFC 3986, 3.2.2"),
    ("absolute with an open bracket", "http://[::1/x", 400, "RFC 3986, 3.2.2"),
    ("absolute with a fragment", "http://a/x#y", 400, "3.2.2"),
    ("one slash behind the scheme", "http:/a/x", 400, "3.2.2"),
    ("no slash behind the scheme", "http:a", 400, "3.2.2"),
    ("another scheme", "ftp://a/", 400, "RFC 9110, 4.2"),
    ("a file", "file:///etc/passwd", 400, "RFC 9110, 4.2"),
    ("no scheme", "://a/x", 400, "3.2.2"),
    ("a script", "javascript:alert(1)", 400, "RFC 9110, 4.2"),
];

#[test]
fn request_lines_are_judged() {
    judge(LINES, |line| format!("{line}\r\nHost: a\r\n\r\n"));
}

#[test]
fn targets_are_judged() {
    judge(TARGETS, |target| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let options: &[Case] = &[
        ("the asterisk", "*", 200, "3.2.4"),
        ("absolute without a path", "http://a", 200, "3.2.4"),
        ("two asterisks", "**", 400, "3.2.4"),
    ];
    judge(options, |target| format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn a_target_that_is_no_utf8_is_refused_as_a_target() {
    for target in [&b"/\xe9"[..], b"/a\x85", b"/\xc3\xa9\xa0", b"/?\xff"] {
        let head = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let mut room = slots();
        let parsed = parse(&head, &mut room);
        assert!(matches!(parsed, Parsed::Faulty(HeadFault { status: 400, reason: RefusalReason::Target, .. })), "{parsed:?}");
    }
}
