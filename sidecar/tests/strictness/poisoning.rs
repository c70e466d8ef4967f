//! Tests that bytes which the service sends without a request are never used as a response.

use std::io::{Read as _, Write as _};

use crate::service::Then;
use crate::test_sidecar::{Got, TestSidecar, answers};

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// Sends one request, and reads exactly the expected response; the connection stays open.
fn ask(sidecar: &TestSidecar, request: &str, answer: &str) -> std::net::TcpStream {
    let mut stream = sidecar.connect();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = vec![0; answer.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), answer);
    stream
}

#[tokio::test]
async fn bytes_that_come_after_the_answer_are_never_the_next_one() {
    let sidecar = TestSidecar::open().await;
    for (name, method, first, late) in [
        ("a second answer", "GET", "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nhi", POISON),
        ("the body of HEAD", "HEAD", "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 44\r\n\r\n", POISON),
        ("the body of 304", "GET", "HTTP/1.1 304 x\r\nDate: then\r\nContent-Length: 44\r\n\r\n", POISON),
        ("the body of 204", "GET", "HTTP/1.1 204 x\r\nDate: then\r\n\r\n", POISON),
        (
            "an interim answer",
            "GET",
            "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ),
        (
            "the beginning of an answer",
            "GET",
            "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nX-A: ",
        ),
        ("a line end", "GET", "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nhi", "\r\n"),
        (
            "a timeout",
            "GET",
            "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 408 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
    ] {
        let cue = sidecar.script_by_cue(&[first, late, ""], Then::Stay);
        cue.send(()).unwrap();
        let client = ask(&sidecar, &format!("{method} /script HTTP/1.1\r\nHost: a\r\n\r\n"), first);
        // The channel acts as a rendezvous: the third piece is only taken once the second is written.
        cue.send(()).unwrap();
        cue.send(()).unwrap();
        sidecar.wait_until_scripted();
        sidecar.seen(name);
        sidecar.expect_unaffected(name);
        drop(client);
    }
}

#[tokio::test]
async fn a_connection_that_the_service_has_closed_is_not_reused() {
    let sidecar = TestSidecar::open().await;
    for name in ["with a close option", "without a word"] {
        let fields = if name.starts_with("with a") { "Connection: close\r\n" } else { "" };
        let ended = sidecar.ended();
        sidecar.script(&[&format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nhi")], Then::Close);
        let got = sidecar.send(b"GET /script HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(got.bytes.ends_with(b"\r\n\r\nhi"), "{name}: {got:?}");
        sidecar.wait_until_ended(ended + 1);
        // A request that must not be repeated is sent once, on a live connection.
        let got = sidecar.send(b"POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(answers(&got, &["POST"]).unwrap()[0].body, b"POST /once hi", "{name}");
        assert_eq!(sidecar.seen(name).iter().filter(|request| request.second() == "/once").count(), 1, "{name}");
        sidecar.expect_unaffected(name);
    }
}

#[tokio::test]
async fn an_early_answer_ends_the_connection_that_the_rest_of_the_request_would_come_through() {
    let sidecar = TestSidecar::open().await;
    // The service answers when it has read the head: for the service the request is complete, for the client it is not.
    for early in
        ["HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"]
    {
        let ended = sidecar.ended();
        sidecar.answer_early(early);
        let mut client = sidecar.connect();
        client.write_all(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        // The response announces the close, because the client's remaining body would be taken for a request.
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("\r\nConnection: close\r\n") && text.ends_with("\r\n\r\nno"), "{text}");
        let _ = client.write_all(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        drop(client);
        sidecar.wait_until_ended(ended + 1);
        assert!(sidecar.seen(early).is_empty());
        sidecar.expect_unaffected(early);
    }
}

#[tokio::test]
async fn pipelined_requests_get_their_answers_in_their_order_and_no_other() {
    let sidecar = TestSidecar::open().await;
    let methods: Vec<&str> = (0..20).map(|n| if n % 3 == 0 { "HEAD" } else { "GET" }).collect();
    let heads = methods.iter().enumerate().map(|(n, method)| format!("{method} /{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let requests = heads.collect::<Vec<_>>().concat();
    let got: Got = sidecar.send(requests.as_bytes());
    let read = answers(&got, &methods).unwrap();
    assert_eq!(read.len(), 20);
    for (n, answer) in read.iter().enumerate().filter(|(n, _)| n % 3 != 0) {
        assert_eq!(answer.body, format!("GET /{n} ").as_bytes());
    }
}

#[tokio::test]
async fn a_late_forbidden_body_is_part_of_no_response() {
    let sidecar = TestSidecar::open().await;
    for (name, method, head, passed_on) in [
        ("HEAD", "HEAD", "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 44\r\n\r\n", None),
        (
            "chunks for HEAD",
            "HEAD",
            "HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n",
            Some("HTTP/1.1 200 OK\r\nDate: then\r\n\r\n"),
        ),
        ("304", "GET", "HTTP/1.1 304 x\r\nDate: then\r\nContent-Length: 44\r\n\r\n", None),
    ] {
        let cue = sidecar.script_by_cue(&[head, POISON], Then::Stay);
        cue.send(()).unwrap();
        let client = ask(&sidecar, &format!("{method} /script HTTP/1.1\r\nHost: a\r\n\r\n"), passed_on.unwrap_or(head));
        sidecar.seen(name);
        // These requests use another connection, because the service has not sent the announced rest yet.
        sidecar.expect_unaffected(name);
        cue.send(()).unwrap();
        sidecar.expect_unaffected(name);
        drop(client);
    }
}
