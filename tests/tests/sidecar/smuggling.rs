//! Tests that ambiguous HTTP messages (request smuggling) are rejected and never forwarded.

use scenario::client::Client;
use scenario::flaky_service::scripted;
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;

const HOST: &str = "Host: shop\r\n";

/// The request after each attack: if the service reads it, the attack has succeeded.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n";

/// Heads that must be rejected: name, bytes, and the expected status.
fn refused_heads() -> Vec<(&'static str, Vec<u8>, u16)> {
    let get = |rest: &str| format!("GET /x HTTP/1.1\r\n{HOST}{rest}\r\n{SMUGGLED}").into_bytes();
    let post = |rest: &str| format!("POST /x HTTP/1.1\r\n{HOST}{rest}\r\n0\r\n\r\n{SMUGGLED}").into_bytes();
    let whole = |head: &str| format!("{head}{SMUGGLED}").into_bytes();
    let big = "a".repeat(200_000);
    vec![
        ("length and coding", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        ("coding and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400),
        ("two lengths", post("Content-Length: 5\r\nContent-Length: 0\r\n"), 400),
        ("two equal lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n"), 400),
        ("a list of lengths", post("Content-Length: 5, 5\r\n"), 400),
        ("a signed length", post("Content-Length: +5\r\n"), 400),
        ("a negative length", post("Content-Length: -1\r\n"), 400),
        ("a length in hex", post("Content-Length: 0x5\r\n"), 400),
        ("an empty length", post("Content-Length: \r\n"), 400),
        ("a length over all bounds", post("Content-Length: 99999999999999999999\r\n"), 400),
        ("a length with a space inside", post("Content-Length: 1 0\r\n"), 400),
        ("a length with an underscore", post("Content-Length: 1_0\r\n"), 400),
        ("coding chunked twice", post("Transfer-Encoding: chunked, chunked\r\n"), 400),
        ("coding in two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400),
        ("coding not chunked at last", post("Transfer-Encoding: chunked, gzip\r\n"), 400),
        ("an unknown coding", post("Transfer-Encoding: xchunked\r\n"), 400),
        ("a quoted coding", post("Transfer-Encoding: \"chunked\"\r\n"), 400),
        ("coding with a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n"), 400),
        ("coding with a space before the colon", post("Transfer-Encoding : chunked\r\n"), 400),
        ("length with a space before the colon", post("Content-Length : 5\r\n"), 400),
        ("a folded coding", post("Transfer-Encoding:\r\n chunked\r\n"), 400),
        ("a folded field", get("X-A: b\r\n c\r\n"), 400),
        ("a field that begins with a space", whole("GET /x HTTP/1.1\r\n X: y\r\nHost: shop\r\n\r\n"), 400),
        ("coding in HTTP/1.0", whole("POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        ("a bare LF behind the request line", whole("GET /x HTTP/1.1\nHost: shop\r\n\r\n"), 400),
        ("a bare LF behind a field", get("X-A: b\nX-B: c\r\n"), 400),
        ("bare LFs only", whole("GET /x HTTP/1.1\nHost: shop\n\n"), 400),
        ("a bare CR in a value", get("X-A: b\rTransfer-Encoding: chunked\r\n"), 400),
        ("a NUL in a value", get("X-A: b\0c\r\n"), 400),
        ("a NUL in a name", get("X-\0A: b\r\n"), 400),
        ("a NUL in the target", whole("GET /\0x HTTP/1.1\r\nHost: shop\r\n\r\n"), 400),
        ("a control byte in a value", get("X-A: b\x01c\r\n"), 400),
        ("no name", get(": b\r\n"), 400),
        ("no colon", get("X-A\r\n"), 400),
        ("a space in a name", get("X A: b\r\n"), 400),
        ("a bracket in a name", get("X[A]: b\r\n"), 400),
        ("no Host", whole("GET /x HTTP/1.1\r\n\r\n"), 400),
        ("two Hosts", get("Host: other\r\n"), 400),
        ("no version", whole("GET /x\r\nHost: shop\r\n\r\n"), 400),
        ("two spaces in the request line", whole("GET  /x HTTP/1.1\r\nHost: shop\r\n\r\n"), 400),
        ("a tab in the request line", whole("GET\t/x HTTP/1.1\r\nHost: shop\r\n\r\n"), 400),
        ("a space in the target", whole("GET /x y HTTP/1.1\r\nHost: shop\r\n\r\n"), 400),
        ("a space behind the version", whole("GET /x HTTP/1.1 \r\nHost: shop\r\n\r\n"), 400),
        ("a target without a slash", whole("GET x HTTP/1.1\r\nHost: shop\r\n\r\n"), 400),
        ("version 1.2 of lower case", whole("GET /x http/1.1\r\nHost: shop\r\n\r\n"), 400),
        ("version 3.0", whole("GET /x HTTP/3.0\r\nHost: shop\r\n\r\n"), 505),
        ("a request to be a forward proxy", whole("CONNECT shop:443 HTTP/1.1\r\nHost: shop\r\n\r\n"), 501),
        ("a target without an end", format!("GET /{big} HTTP/1.1\r\n{HOST}\r\n").into_bytes(), 414),
        ("a field without an end", get(&format!("X-A: {big}\r\n")), 431),
        ("a thousand fields", get(&"X-A: b\r\n".repeat(1000)), 431),
    ]
}

#[test]
fn an_ambiguous_head_is_refused_and_never_reaches_the_service() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());

    for (case, bytes, status) in refused_heads() {
        let seen_before = origin.heads();
        let mut hostile = sidecar.connect();
        let _ = hostile.try_send(&bytes);
        let answer = hostile.try_response("GET").unwrap_or_else(|error| panic!("{case}: {error}"));

        assert_eq!(answer.status(), status, "{case}: {answer:?}");
        assert!(answer.header("x-sitio-error").is_some(), "{case}: the answer is the sidecar's own: {answer:?}");
        assert_eq!(String::from_utf8_lossy(&hostile.rest()), "", "{case}: the connection is closed after it");
        assert_eq!(origin.heads(), seen_before, "{case}: the service was not asked");
        assert_eq!(sidecar.get("/innocent").text(), "GET /innocent", "{case}: the next client gets its own answer");
    }
    assert_eq!(origin.asked("/smuggled"), 0);
}

/// Bodies with broken framing after a valid head: the service has read the head, but no complete request.
const BROKEN_CHUNKS: [(&str, &str); 14] = [
    ("no digits", "\r\nabc\r\n0\r\n\r\n"),
    ("no hex", "g\r\nabc\r\n0\r\n\r\n"),
    ("a sign", "+3\r\nabc\r\n0\r\n\r\n"),
    ("a minus", "-3\r\nabc\r\n0\r\n\r\n"),
    ("a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("a space before", " 3\r\nabc\r\n0\r\n\r\n"),
    ("a size over all bounds", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    ("a chunk longer than its size", "3\r\nabcd\r\n0\r\n\r\n"),
    ("a bare LF behind the size", "3\nabc\r\n0\r\n\r\n"),
    ("a bare LF behind the chunk", "3\r\nabc\n0\r\n\r\n"),
    ("a bare CR in an extension", "3;a=\rb\r\nabc\r\n0\r\n\r\n"),
    ("a bare LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("a malformed trailer", "3\r\nabc\r\n0\r\nbad trailer\r\n\r\n"),
    ("a NUL in the size", "3\0\r\nabc\r\n0\r\n\r\n"),
];

#[test]
fn a_body_that_breaks_its_framing_ends_the_exchange_and_the_connection() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());

    for (case, chunks) in BROKEN_CHUNKS {
        let completed_before = origin.completed();
        let mut hostile = sidecar.connect();
        hostile.send(format!("POST /sink HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"));
        let _ = hostile.try_send(format!("{chunks}{SMUGGLED}"));
        let answer = hostile.try_response("POST").unwrap_or_else(|error| panic!("{case}: {error}"));

        assert_eq!(answer.status(), 400, "{case}: {answer:?}");
        assert_eq!(String::from_utf8_lossy(&hostile.rest()), "", "{case}: the connection is closed after it");
        assert_eq!(origin.completed(), completed_before, "{case}: the service read no whole request");
        assert_eq!(sidecar.get("/innocent").text(), "GET /innocent", "{case}: the next client gets its own answer");
    }
    assert_eq!(origin.asked("/smuggled"), 0);
}

#[test]
fn unusual_but_lawful_requests_pass() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    let longest = format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "a".repeat(60_000));
    let many = format!("GET /ok HTTP/1.1\r\n{HOST}{}\r\n", "X-A: b\r\n".repeat(250));

    for (case, request) in [
        ("an empty line before", "\r\nGET /ok HTTP/1.1\r\nHost: shop\r\n\r\n"),
        ("an empty Host", "GET /ok HTTP/1.1\r\nHost:\r\n\r\n"),
        ("an absolute target", "GET http://shop/ok HTTP/1.1\r\nHost: shop\r\n\r\n"),
        ("the server itself", "OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n"),
        ("a method of one's own", "BREW /ok HTTP/1.1\r\nHost: shop\r\n\r\n"),
        ("a value with obsolete text", "GET /ok HTTP/1.1\r\nHost: shop\r\nX-A: caf\u{e9}\r\n\r\n"),
        ("a coding in capitals", "POST /ok HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ("a target of 60,000 bytes", &longest),
        ("a target of all that is visible", "GET /a^b\"c\\d`{e}|<f>?q=\"<g>\" HTTP/1.1\r\nHost: shop\r\n\r\n"),
        ("a target of UTF-8", "GET /caf\u{e9} HTTP/1.1\r\nHost: shop\r\n\r\n"),
        ("250 fields", &many),
    ] {
        let mut client = sidecar.connect();
        client.send(request);
        assert_eq!(client.response("GET").status(), 200, "{case}");
        assert_eq!(client.get("/next").text(), "GET /next", "{case}");
    }
}

#[test]
fn a_service_with_invalid_responses_is_distinguished_from_one_that_is_down() {
    for (case, answer) in [
        ("no HTTP", "hello\r\n\r\n"),
        ("nothing", ""),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le"),
        ("length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
        ("no number as a length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc"),
        ("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 3\r\n\r\nabc"),
    ] {
        let sidecar = Sidecar::in_front_of(scripted(answer));
        let given = sidecar.get("/");
        assert_eq!(given.status(), 502, "{case}: {given:?}");
        let said = given.header("x-sitio-error").unwrap_or_default();
        assert!(!said.is_empty() && said != "upstream-connect", "{case}: {given:?}");
    }
}

#[test]
fn an_answer_that_is_cut_short_is_seen_to_be_cut_short() {
    for (case, answer) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        ("a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nz\r\nabc\r\n0\r\n\r\n"),
    ] {
        let sidecar = Sidecar::in_front_of(scripted(answer));
        let mut client = sidecar.connect();
        client.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
        let read = client.try_response("GET");
        assert!(read.is_err() || read.as_ref().is_ok_and(|answer| answer.status() == 502), "{case}: {read:?}");
    }
}

#[test]
fn bytes_after_a_response_reach_no_client() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let sidecar = Sidecar::in_front_of(scripted(answer));
    let mut client = sidecar.connect();

    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "abc");
        assert_eq!(Client::connect(sidecar.port).get("/").text(), "abc");
    }
}
