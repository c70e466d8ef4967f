//! Tests of hostile and odd responses: the client reads one well-formed response or learns that there is none.

use crate::service::Then::{Close, Stay};
use crate::test_sidecar::{Got, TestSidecar, answers};

mod cases;

use cases::CASES;
use cases::Verdict::{self, Broken, Gets, Nothing, Unintelligible};

/// A response that no other client may ever get.
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

fn written(answer: &str) -> String {
    let (interims, fields) = ("HTTP/1.1 100 Continue\r\n\r\n".repeat(100), "A: b\r\n".repeat(300));
    answer
        .replace('~', POISON)
        .replace('@', &interims)
        .replace('#', &"b".repeat(100_000))
        .replace('$', &fields)
        .replace('%', &fields[..140 * "A: b\r\n".len()])
}

fn judge(name: &str, method: &str, got: &Got, verdict: Verdict) {
    let read = answers(got, &[method]);
    let (status, body, word) = match verdict {
        Gets(status, body) => (status, Some(body), None),
        Unintelligible => (502, None, Some("upstream-protocol")),
        Nothing => (502, None, Some("upstream-reset")),
        Broken => {
            // An end in the middle of a message shows a client as well as a reset that more is missing.
            assert!(read.is_err(), "{name}: {read:?}");
            return;
        }
    };
    let all = read.unwrap_or_else(|broken| panic!("{name}: {broken}: {got:?}"));
    let [answer] = &all[..] else { panic!("{name}: {got:?}") };
    assert_eq!(answer.second(), status.to_string(), "{name}: {got:?}");
    assert!(body.is_none_or(|body| answer.body == body.as_bytes()), "{name}: {got:?}");
    assert_eq!(answer.all("x-sitio-error").first().copied(), word, "{name}: {got:?}");
}

#[tokio::test]
async fn an_answer_is_read_in_one_way_or_not_at_all() {
    let sidecar = TestSidecar::open().await;
    for (name, method, answer, then, verdict) in CASES {
        let answer = written(answer);
        // At once, and cut where most readers have their seams.
        let cut = answer.find("\r\n\r\n").map_or(answer.len() / 2, |at| at + 3).min(answer.len());
        for pieces in [vec![answer.as_str()], vec![&answer[..cut], &answer[cut..]]] {
            sidecar.script(&pieces, *then);
            let got = sidecar.send(format!("{method} /script HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            // An error found after a part of the response was forwarded can only be signalled by closing the connection.
            let late = pieces.len() == 2 && matches!(verdict, Unintelligible) && answers(&got, &[method]).is_err();
            judge(name, method, &got, if late { Broken } else { *verdict });
            // A GET may be sent again only if a pooled connection was closed without a byte (RFC 9110, section 9.2.2).
            let asked = sidecar.seen(name).len();
            assert!(asked == 1 || (asked == 2 && answer.is_empty()), "{name}: it is asked {asked} times");
            sidecar.expect_unaffected(name);
        }
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_what_it_can_read() {
    let sidecar = TestSidecar::open().await;
    for (answer, then, head, body) in [
        (
            "HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            Stay,
            "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: close\r\n",
            "hi",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\n\r\nhi",
            Stay,
            "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\nConnection: keep-alive\r\n",
            "hi",
        ),
        ("HTTP/1.1 200 OK\r\nDate: then\r\n\r\nhi", Close, "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: close\r\n", "hi"),
    ] {
        sidecar.script(&[answer], then);
        let got = sidecar.send(b"GET /script HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(String::from_utf8_lossy(&got.bytes), format!("{head}\r\n{body}"));
        let seen = sidecar.seen(answer);
        assert!(seen[0].all("expect").is_empty(), "HTTP/1.0 knows no expectations: {seen:?}");
    }
}

#[tokio::test]
async fn a_protocol_is_changed_only_to_what_was_offered() {
    let sidecar = TestSidecar::open().await;
    let ask = "GET /script HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket, x/1\r\n\r\nearly";
    for (protocol, granted) in
        [("websocket", true), ("X/1", true), ("websocket, x/1", true), ("y", false), ("h2c", false), ("x", false), ("", false)]
    {
        let answer = format!("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\nContent-Length: 3\r\n\r\nframes");
        sidecar.script(&[&answer], Close);
        let got = sidecar.send(ask.as_bytes());
        let text = String::from_utf8_lossy(&got.bytes);
        let expected = format!("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\nframes");
        assert_eq!((text == expected, text.starts_with("HTTP/1.1 502 ")), (granted, !granted), "{protocol}: {text}");
        sidecar.seen(protocol);
        sidecar.expect_unaffected(protocol);
    }
}
