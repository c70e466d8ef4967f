//! Tests of hostile and odd requests: the service sees well-formed requests or none, and other clients are not harmed.

use crate::reader::Message;
use crate::test_sidecar::{TestSidecar, answers};

/// The bytes behind each attack: if the service ever reads them where they are not expected, the attack has worked.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A conversation: its name, what the client sends, the statuses that it gets, the targets that the service sees. `~` is
/// replaced by [`SMUGGLED`], `^` by a Host field, `@` by many letters.
type Case = (&'static str, &'static str, &'static [u16], &'static [&'static str]);

/// Requests that are refused: one response, nothing at the service, and a close before the rest is parsed.
const REFUSED: &[(&str, &str, u16)] = &[
    ("length, then coding", "POST / HTTP/1.1\r\n^Content-Length: 35\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n~", 400),
    ("coding, then length", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n~", 400),
    ("two lengths", "POST / HTTP/1.1\r\n^Content-Length: 0\r\nContent-Length: 35\r\n\r\n~", 400),
    ("a list of lengths", "POST / HTTP/1.1\r\n^Content-Length: 0, 35\r\n\r\n~", 400),
    ("a signed length", "POST / HTTP/1.1\r\n^Content-Length: +35\r\n\r\n~", 400),
    ("a length that wraps", "POST / HTTP/1.1\r\n^Content-Length: 18446744073709551616\r\n\r\n~", 400),
    ("an empty length", "POST / HTTP/1.1\r\n^Content-Length: \r\n\r\n~", 400),
    ("a length behind a vertical tab", "POST / HTTP/1.1\r\n^Content-Length:\x0b35\r\n\r\n~", 400),
    ("a coding behind a vertical tab", "POST / HTTP/1.1\r\n^Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n~", 400),
    ("a coding with a space before its colon", "POST / HTTP/1.1\r\n^Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n~", 400),
    ("a coding that is folded", "POST / HTTP/1.1\r\n^Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n~", 400),
    ("a coding hidden behind a bare LF", "POST / HTTP/1.1\r\n^X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n~", 400),
    ("a coding hidden behind a bare CR", "POST / HTTP/1.1\r\n^X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n~", 400),
    ("an unknown coding", "POST / HTTP/1.1\r\n^Transfer-Encoding: cow\r\n\r\n0\r\n\r\n~", 400),
    ("a coding behind an unknown one", "POST / HTTP/1.1\r\n^Transfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n~", 400),
    ("two codings", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n~", 400),
    ("identity", "POST / HTTP/1.1\r\n^Transfer-Encoding: identity\r\nContent-Length: 35\r\n\r\n~", 400),
    ("a coding in HTTP/1.0", "POST / HTTP/1.0\r\n^Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n~", 400),
    ("a coding and a length in HTTP/1.0", "POST / HTTP/1.0\r\n^Transfer-Encoding: chunked\r\nContent-Length: 35\r\n\r\n~", 400),
    ("bare LFs only", "GET / HTTP/1.1\nHost: a\n\n~", 400),
    ("a head that ends in a bare LF", "GET / HTTP/1.1\r\n^\n~", 400),
    ("a fold", "GET / HTTP/1.1\r\n^X: y\r\n Z: w\r\n\r\n~", 400),
    ("a space before the first field", "GET / HTTP/1.1\r\n X: y\r\n^\r\n~", 400),
    ("a NUL", "GET / HTTP/1.1\r\n^X: \0\r\n\r\n~", 400),
    ("a request line without a version", "GET /\r\n^\r\n~", 400),
    ("a request line of two", "GET / HTTP/1.1 GET /smuggled HTTP/1.1\r\n^\r\n~", 400),
    ("HTTP/2.0", "GET / HTTP/2.0\r\n^\r\n~", 505),
    ("no Host", "GET / HTTP/1.1\r\n\r\n~", 400),
    ("two Hosts", "GET / HTTP/1.1\r\n^Host: b\r\n\r\n~", 400),
    ("an absolute URI without a host", "GET http:///x HTTP/1.1\r\n^\r\n~", 400),
    ("CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n~", 501),
    ("TRACE with content", "TRACE / HTTP/1.1\r\n^Content-Length: 35\r\n\r\n~", 400),
    ("an empty line too many", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n~", 400),
    ("an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n~", 400),
    ("a head that breaks off", "GET / HTTP/1.1\r\nHost", 400),
    ("chunks: a sign", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n-1\r\n~", 400),
    ("chunks: a wrap", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n~", 400),
    ("chunks: a prefix", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n~", 400),
    ("chunks: a bare LF in an extension", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n~", 400),
    ("chunks: a bare LF at the end", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n0\r\n\n~", 400),
    ("chunks: a request in place of trailers", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n0\r\n~", 400),
    ("chunks: extensions without an end", "POST / HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n0;@\r\n\r\n~", 400),
];

const CARRIED: &[Case] = &[
    ("a request", "GET /a HTTP/1.1\r\n^\r\n", &[200], &["/a"]),
    (
        "empty lines before and between",
        "\r\n\r\nGET /a HTTP/1.1\r\n^\r\n\r\nGET /b HTTP/1.1\r\n^\r\n",
        &[200, 200],
        &["/a", "/b"],
    ),
    ("a request in the body is the body", "POST /a HTTP/1.1\r\n^Content-Length: 35\r\n\r\n~", &[200], &["/a"]),
    (
        "a request in a chunk is the body",
        "POST /a HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n23\r\n~\r\n0\r\n\r\n",
        &[200],
        &["/a"],
    ),
    (
        "a body of GET is a body",
        "GET /a HTTP/1.1\r\n^Content-Length: 35\r\n\r\n~GET /b HTTP/1.1\r\n^\r\n",
        &[200, 200],
        &["/a", "/b"],
    ),
    ("a length of leading zeros", "POST /a HTTP/1.1\r\n^Content-Length: 00035\r\n\r\n~", &[200], &["/a"]),
    ("no length is no body", "POST /a HTTP/1.1\r\n^\r\nGET /b HTTP/1.1\r\n^\r\n", &[200, 200], &["/a", "/b"]),
    (
        "Connection cannot hide a length",
        "POST /a HTTP/1.1\r\n^Connection: Content-Length\r\nContent-Length: 35\r\n\r\n~",
        &[200],
        &["/a"],
    ),
    (
        "Connection cannot hide a coding",
        "POST /a HTTP/1.1\r\n^Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n23\r\n~\r\n0\r\n\r\n",
        &[200],
        &["/a"],
    ),
    ("Connection cannot hide the Host", "GET /a HTTP/1.1\r\n^Connection: Host\r\n\r\n", &[200], &["/a"]),
    ("what follows a close is not looked at", "GET /a HTTP/1.1\r\n^Connection: X, cLoSe\r\n\r\n~", &[200], &["/a"]),
    ("what follows HTTP/1.0 is not looked at", "GET /a HTTP/1.0\r\n\r\n~", &[200], &["/a"]),
    (
        "HTTP/1.0 is kept if it asks",
        "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        &[200, 200],
        &["/a", "/b"],
    ),
    (
        "trailers cannot frame",
        "POST /a HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 35\r\nTransfer-Encoding: x\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\n^\r\n",
        &[200, 200],
        &["/a", "/b"],
    ),
    ("an absolute URI", "GET http://b/a HTTP/1.1\r\n^\r\n", &[200], &["/a"]),
    ("an absolute URI without a path", "GET http://b?x HTTP/1.1\r\n^\r\n", &[200], &["/?x"]),
    ("an absolute URI of the server", "OPTIONS http://b HTTP/1.1\r\n^\r\n", &[200], &["*"]),
    ("an expectation", "POST /a HTTP/1.1\r\n^Expect: 100-continue\r\nContent-Length: 35\r\n\r\n~", &[200], &["/a"]),
    (
        "an upgrade that is not granted hides nothing",
        "GET /a HTTP/1.1\r\n^Connection: upgrade\r\nUpgrade: x\r\n\r\nGET /b HTTP/1.1\r\n^\r\n",
        &[200, 200],
        &["/a", "/b"],
    ),
    (
        "an upgrade to HTTP/2 is not asked on",
        "GET /a HTTP/1.1\r\n^Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        &[200],
        &["/a"],
    ),
    (
        "a last stop is none of the service's",
        "TRACE /a HTTP/1.1\r\n^Max-Forwards: 0\r\nCookie: a=b\r\n\r\nOPTIONS * HTTP/1.1\r\n^Max-Forwards: 0\r\n\r\n",
        &[200, 200],
        &[],
    ),
    ("a good request before a bad one", "GET /a HTTP/1.1\r\n^\r\nGET /b HTTP/1.1\r\n^X : y\r\n\r\n~", &[200, 400], &["/a"]),
    ("a whole body before a bad request", "POST /a HTTP/1.1\r\n^Content-Length: 1\r\n\r\nx}\r\n~", &[200, 400], &["/a"]),
];

fn written(case: &str) -> Vec<u8> {
    case.replace('~', SMUGGLED).replace('^', "Host: a\r\n").replace('@', &"a".repeat(9000)).into_bytes()
}

/// Runs a conversation twice, and checks all three sides.
fn run(sidecar: &TestSidecar, name: &str, bytes: &[u8], statuses: &[u16], targets: &[&str]) {
    // The result is the same whether the bytes arrive at once or one by one.
    let bit_by_bit: Vec<&[u8]> = bytes.chunks(1).collect();
    for pieces in [vec![bytes], bit_by_bit] {
        let got = sidecar.send_in_pieces(&pieces);
        let answers = answers(&got, &[]).unwrap_or_else(|broken| panic!("{name}: {broken}: {got:?}"));
        let said: Vec<u16> = answers.iter().map(|answer| answer.second().parse().unwrap()).collect();
        assert_eq!(said, statuses, "{name}: {got:?}");
        let seen = sidecar.seen(name);
        let asked: Vec<&str> = seen.iter().map(Message::second).collect();
        assert_eq!(asked, targets, "{name}");
        for answer in answers.iter().filter(|answer| answer.second() != "200") {
            assert_eq!((answer.all("connection"), answer.all("x-sitio-error")), (vec!["close"], vec!["bad-request"]), "{name}");
        }
        for request in &seen {
            let hop_by_hop = ["connection", "upgrade", "te", "keep-alive", "proxy-connection", "http2-settings"];
            let is_upgrade = request.all("connection") == ["upgrade"] && request.all("upgrade") == ["x"];
            assert!(is_upgrade || hop_by_hop.iter().all(|field| request.all(field).is_empty()), "{name}: {request:?}");
        }
    }
    sidecar.expect_unaffected(name);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_not_carried() {
    let sidecar = TestSidecar::open().await;
    for (name, case, status) in REFUSED {
        run(&sidecar, name, &written(case), &[*status], &[]);
    }
}

#[tokio::test]
async fn what_can_be_read_in_one_way_only_is_carried_as_that() {
    let sidecar = TestSidecar::open().await;
    for (name, case, statuses, targets) in CARRIED {
        run(&sidecar, name, &written(case), statuses, targets);
    }
}

/// Targets, what the service reads of them (each byte as a character), and the status.
const TARGETS: &[(&str, Option<&str>, u16)] = &[
    ("/files/7/a^b\"c\\d`e{f}|<g>~@?q=\"<h>^\\`~@", Some("/files/7/a^b\"c\\d`e{f}|<g>~@?q=\"<h>^\\`~@"), 200),
    ("/\\evil/..\\x", Some("/\\evil/..\\x"), 200),
    ("/caf\u{e9}", Some("/caf\u{c3}\u{a9}"), 200),
    ("/a#b", None, 400),
    ("/a\u{a0}", None, 400),
    ("/a\u{85}HTTP/1.1", None, 400),
];

#[tokio::test]
async fn a_target_is_read_alike_by_all_or_not_carried() {
    let sidecar = TestSidecar::open().await;
    for (target, read, status) in TARGETS {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n{}", if read.is_none() { SMUGGLED } else { "" });
        run(&sidecar, target, bytes.as_bytes(), &[*status], &read.iter().copied().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_head_that_is_asked_for_badly_is_refused_without_a_body() {
    let sidecar = TestSidecar::open().await;
    for head in ["HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\nX"] {
        let got = sidecar.send(head.as_bytes());
        let text = String::from_utf8_lossy(&got.bytes);
        assert!(text.starts_with("HTTP/1.1 400 ") && text.ends_with("\r\n\r\n"), "{head:?}: {text}");
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_is_never_a_whole_one() {
    let sidecar = TestSidecar::open().await;
    for (name, case) in [
        ("a length", "POST /a HTTP/1.1\r\n^Content-Length: 99\r\n\r\n~"),
        ("chunks", "POST /a HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\nff\r\n~"),
        ("chunks without their end", "POST /a HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n23\r\n~\r\n"),
        ("chunks without their last line", "POST /a HTTP/1.1\r\n^Transfer-Encoding: chunked\r\n\r\n23\r\n~\r\n0\r\n"),
    ] {
        let got = sidecar.send(&written(case));
        assert!(got.end.is_err() || !got.bytes.starts_with(b"HTTP/1.1 2"), "{name}: {got:?}");
        assert!(sidecar.seen(name).is_empty(), "{name}");
        sidecar.expect_unaffected(name);
        // The service sees the abort as the end of the connection.
        sidecar.wait_until_cut();
    }
}
