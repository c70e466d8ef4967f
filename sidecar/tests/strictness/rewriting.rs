//! Tests that connection-specific fields are not forwarded, and that message framing is written anew.

use crate::service::Then;
use crate::test_sidecar::{self, PATIENCE, TestSidecar};

/// The head that a client sends, and what the service reads instead.
const REQUESTS: [(&str, &str); 13] = [
    ("GET http://b:81/x HTTP/1.1\r\nHost: a\r\n", "GET /x HTTP/1.1|host: b:81"),
    ("GET https://b?x HTTP/1.1\r\nHost: a\r\n", "GET /?x HTTP/1.1|host: b"),
    ("GET / HTTP/1.0\r\nHost: a\r\n", "GET / HTTP/1.1|host: a"),
    ("GET / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n", "GET / HTTP/1.1|host: a"),
    ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n", "GET / HTTP/1.1|host: a|expect: 100-continue"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n", "POST / HTTP/1.1|host: a|content-length: 0"),
    (
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-a,Close , X-B\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3\r\n",
        "GET / HTTP/1.1|host: a|x-c: 3",
    ),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\n", "GET / HTTP/1.1|host: a"),
    ("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, Trailers;q=1\r\n", "GET / HTTP/1.1|host: a"),
    ("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n", "GET / HTTP/1.1|host: a|connection: TE|te: trailers"),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 007\r\n", "OPTIONS * HTTP/1.1|host: a|max-forwards: 6"),
    ("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n", "GET / HTTP/1.1|host: a|max-forwards: 0"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX-A:  b\t \r\nX-A:\r\n", "GET / HTTP/1.1|host: a|x-a: b|x-a: "),
];

#[tokio::test]
async fn requests() {
    let sidecar = TestSidecar::open().await;
    for (sent, expected) in REQUESTS {
        sidecar.send(format!("{sent}\r\n").as_bytes());
        let [seen] = &sidecar.seen(sent)[..] else { panic!("{sent:?}") };
        let fields = seen.fields.iter().map(|(name, value)| format!("|{name}: {value}"));
        assert_eq!(seen.line.clone() + &fields.collect::<String>(), expected, "{sent:?}");
    }
}

#[tokio::test]
async fn answers() {
    let sidecar = TestSidecar::open().await;
    for (said, expected) in [
        ("200 OK\r\nContent-Length: 0\r\nConnection: X-A\r\nX-A: 1\r\nX-B: 2\r\n", "200 OK\r\nX-B: 2\r\nContent-Length: 0\r\n"),
        (
            "200 OK\r\nContent-Length: 00\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nProxy-Connection: x\r\n",
            "200 OK\r\nContent-Length: 0\r\n",
        ),
        ("204 x\r\nContent-Length: 0\r\n", "204 x\r\n"),
        ("304 x\r\nContent-Length: 7\r\nTransfer-Encoding: x\r\n", "502 Bad Gateway\r\n"),
        ("304 x\r\nContent-Length: 7\r\n", "304 x\r\nContent-Length: 7\r\n"),
        ("205 x\r\nTransfer-Encoding: chunked\r\n", "205 x\r\nContent-Length: 0\r\n"),
        (
            "426 x\r\nConnection: upgrade\r\nUpgrade: y\r\nContent-Length: 0\r\n",
            "426 x\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: y\r\n",
        ),
    ] {
        sidecar.script(&[&format!("HTTP/1.1 {said}Date: then\r\n\r\n")], Then::Close);
        let got = sidecar.send(b"GET /script HTTP/1.1\r\nHost: a\r\n\r\n");
        let text = String::from_utf8_lossy(&got.bytes).replace("Date: then\r\n", "");
        let head = text.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{said:?}: {text:?}"));
        let is_ours = expected.starts_with("502");
        assert!(if is_ours { head.starts_with(expected) } else { head == format!("{expected}\r\n") }, "{said:?}: {text:?}");
        sidecar.seen(said);
    }
}

#[tokio::test]
async fn an_answer_without_a_date_gets_one() {
    let sidecar = TestSidecar::open().await;
    for (said, expected) in [
        ("200 OK\r\nContent-Length: 0\r\n", None),
        ("204 x\r\n", None),
        ("304 x\r\n", None),
        ("503 x\r\nContent-Length: 0\r\n", None),
        ("200 OK\r\nContent-Length: 0\r\nDate: then\r\nConnection: Date\r\n", None),
        ("200 OK\r\nContent-Length: 0\r\ndate: then\r\n", Some("then")),
        ("103 x\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n", None),
    ] {
        sidecar.script(&[&format!("HTTP/1.1 {said}\r\n")], Then::Close);
        let got = sidecar.send(b"GET /script HTTP/1.1\r\nHost: a\r\n\r\n");
        let [answer] = &test_sidecar::answers(&got, &["GET"]).unwrap()[..] else { panic!("{said:?}: {got:?}") };
        let [date] = answer.all("date")[..] else { panic!("{said:?}: {answer:?}") };
        match expected {
            Some(expected) => assert_eq!(date, expected),
            None => assert!(httpdate::parse_http_date(date).unwrap().elapsed().unwrap() < PATIENCE, "{date}"),
        }
        // An interim response cannot be cached, so it gets no date.
        assert_eq!(String::from_utf8_lossy(&got.bytes).to_ascii_lowercase().matches("date: ").count(), 1, "{got:?}");
        sidecar.seen(said);
    }
}
