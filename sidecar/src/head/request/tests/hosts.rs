//! Hostile and unusual Host fields.

use crate::head::request::tests::{Case, judge};

const HOSTS: &[Case] = &[
    ("a name", "Host: a\r\n", 200, "3.2"),
    ("a name in capitals, with dots and a port", "HOST: WWW.Example.COM.:8080\r\n", 200, "3.2"),
    ("an address", "Host: 127.0.0.1:80\r\n", 200, "3.2"),
    ("an IPv6 address", "Host: [::1]:80\r\n", 200, "RFC 3986, 3.2.2"),
    ("an IPv6 address with IPv4 inside", "Host: [::ffff:10.0.0.1]\r\n", 200, "RFC 3986, 3.2.2"),
    ("an address of the future", "Host: [v1.a:b]\r\n", 200, "RFC 3986, 3.2.2"),
    ("an escaped name", "Host: a%41\r\n", 200, "RFC 3986, 3.2.2"),
    ("an underscore", "Host: a_b\r\n", 200, "RFC 3986, 3.2.2"),
    ("an empty port", "Host: a:\r\n", 200, "RFC 3986, 3.2.3"),
    ("an empty host", "Host:\r\n", 200, "3.2"),
    ("white space around it", "Host: \t a \t \r\n", 200, "5.1"),
    ("none", "", 400, "3.2"),
    ("two", "Host: a\r\nHost: b\r\n", 400, "3.2"),
    ("two that are equal", "Host: a\r\nHost: a\r\n", 400, "3.2"),
    ("two in different case", "host: a\r\nHOST: a\r\n", 400, "3.2"),
    ("two of which one is empty", "Host: a\r\nHost:\r\n", 400, "3.2"),
    ("one that is folded", "Host: a\r\n b\r\n", 400, "5.2"),
    ("a space before the colon", "Host : a\r\n", 400, "5.1"),
    ("a list", "Host: a, b\r\n", 400, "3.2; ours"),
    ("a list without spaces", "Host: a,b\r\n", 400, "3.2; ours"),
    ("a space inside", "Host: a b\r\n", 400, "3.2"),
    ("a tab inside", "Host: a\tb\r\n", 400, "3.2"),
    ("a path", "Host: a/b\r\n", 400, "3.2"),
    ("a query", "Host: a?b\r\n", 400, "3.2"),
    ("a fragment", "Host: a#b\r\n", 400, "3.2"),
    ("a URI", "Host: http://a\r\n", 400, "3.2"),
    ("a user", "Host: u@a\r\n", 400, "3.2"),
    ("a backslash", "Host: a\\b\r\n", 400, "3.2"),
    ("a quotation mark", "Host: \"a\"\r\n", 400, "3.2"),
    ("a letter over ASCII", "Host: \u{e9}\r\n", 400, "RFC 3986, 3.2.2"),
    ("a NUL", "Host: a\0\r\n", 400, "RFC 9110, 5.5"),
    ("a malformed escape", "Host: a%4\r\n", 400, "RFC 3986, 3.2.2"),
    ("an escape of no digits", "Host: %zz\r\n", 400, "RFC 3986, 3.2.2"),
    ("a port alone", "Host: :80\r\n", 400, "RFC 9110, 4.2.1"),
    ("a word for a port", "Host: a:b\r\n", 400, "RFC 3986, 3.2.3"),
    ("a signed port", "Host: a:+80\r\n", 400, "RFC 3986, 3.2.3"),
    ("a port of six digits", "Host: a:123456\r\n", 400, "RFC 3986, 3.2.3; ours"),
    ("two ports", "Host: a:80:80\r\n", 400, "RFC 3986, 3.2.3"),
    ("a bracket that is not closed", "Host: [::1\r\n", 400, "RFC 3986, 3.2.2"),
    ("a bracket that is not opened", "Host: ::1]\r\n", 400, "RFC 3986, 3.2.2"),
    ("no brackets", "Host: ::1\r\n", 400, "RFC 3986, 3.2.2"),
    ("letters beyond ASCII in brackets", "Host: [ϙ1.1]\r\n", 400, "RFC 3986, 3.2.2"),
    ("an address of the future without a version", "Host: [v.1]\r\n", 400, "RFC 3986, 3.2.2"),
    ("empty brackets", "Host: []\r\n", 400, "RFC 3986, 3.2.2"),
    ("a name in brackets", "Host: [abc]\r\n", 400, "RFC 3986, 3.2.2"),
    ("an IPv6 address that is none", "Host: [:::]\r\n", 400, "RFC 3986, 3.2.2"),
    ("an IPv6 address of nine groups", "Host: [1:2:3:4:5:6:7:8:9]\r\n", 400, "RFC 3986, 3.2.2"),
    ("an IPv6 address with a zone", "Host: [fe80::1%25eth0]\r\n", 400, "RFC 3986, 3.2.2"),
    ("something behind the bracket", "Host: [::1]a\r\n", 400, "RFC 3986, 3.2.2"),
];

const HOSTS_OF_10: &[Case] = &[
    ("none", "", 200, "3.2 asks HTTP/1.1 only"),
    ("one", "Host: a\r\n", 200, "3.2"),
    ("two", "Host: a\r\nHost: b\r\n", 400, "3.2"),
    ("a malformed one", "Host: a b\r\n", 400, "3.2"),
];

#[test]
fn hosts_are_judged() {
    judge(HOSTS, |host| format!("GET / HTTP/1.1\r\n{host}\r\n"));
    judge(HOSTS_OF_10, |host| format!("GET / HTTP/1.0\r\n{host}\r\n"));
    let absolute: &[Case] = &[
        ("another one", "Host: b\r\n", 200, "3.2.2"),
        ("none", "", 400, "3.2"),
        ("two", "Host: a\r\nHost: a\r\n", 400, "3.2"),
        ("a malformed one", "Host: a b\r\n", 400, "3.2"),
    ];
    judge(absolute, |host| format!("GET http://a/ HTTP/1.1\r\n{host}\r\n"));
}
