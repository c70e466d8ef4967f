//! Property test: valid conversations, cut anywhere, arrive as sent; the slow reader is the model.

use proptest::prelude::*;
use tokio::runtime::Builder;

use crate::service::Then;
use crate::test_sidecar::{TestSidecar, answers};

/// How a body is sent.
#[derive(Debug, Clone)]
enum Sent {
    None,
    Length(Vec<u8>),
    /// In chunks of this size, with an extension and a trailer.
    Chunks(Vec<u8>, usize, &'static str, Option<&'static str>),
    /// Until the connection ends; responses only, and the last.
    UntilClose(Vec<u8>),
}

impl Sent {
    /// The fields, and the bytes behind the head.
    fn written(&self) -> (String, Vec<u8>) {
        match self {
            Self::None => (String::new(), Vec::new()),
            Self::Length(body) => (format!("Content-Length: {}\r\n", body.len()), body.clone()),
            Self::UntilClose(body) => (String::new(), body.clone()),
            Self::Chunks(body, size, extension, trailer) => {
                let mut bytes = Vec::new();
                for chunk in body.chunks(*size) {
                    bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                let trailer = trailer.map(|value| format!("X-Trailer: {value}\r\n")).unwrap_or_default();
                bytes.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
                ("transfer-encoding: CHUNKED\r\n".to_owned(), bytes)
            }
        }
    }

    fn body(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Length(body) | Self::Chunks(body, ..) | Self::UntilClose(body) => body,
        }
    }

    fn trailers(&self) -> Vec<(String, String)> {
        let Self::Chunks(_, _, _, Some(value)) = self else { return Vec::new() };
        vec![("x-trailer".to_owned(), (*value).to_owned())]
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    // Bytes that look like framing, wherever the body is cut.
    let byte = prop::sample::select(b"\r\n0:; aGET/1.".to_vec());
    let body = prop::collection::vec(byte, 0..30);
    let extension = prop::sample::select(vec!["", ";a", " ;a=b", ";a=\"0\\\"\""]);
    let trailer = prop::option::of(prop::sample::select(vec!["", "b", "b; c: d"]));
    prop_oneof![
        Just(Sent::None),
        body.clone().prop_map(Sent::Length),
        (body, 1_usize..9, extension, trailer)
            .prop_map(|(body, size, extension, trailer)| Sent::Chunks(body, size, extension, trailer)),
    ]
}

/// A request, and whether it has connection-specific fields.
#[derive(Debug, Clone)]
struct Asked {
    method: &'static str,
    target: &'static str,
    field: &'static str,
    hop_by_hop: &'static str,
    sent: Sent,
}

fn asked() -> impl Strategy<Value = Asked> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PURGE"]);
    let target = prop::sample::select(vec!["/", "/a?b", "/x%20y", "//", "/*"]);
    let field = prop::sample::select(vec!["", "X-A: b", "X-A: \t b: c\u{e9} ", "x-a:"]);
    let hop_by_hop = prop::sample::select(vec!["", "Connection: X-Hop\r\nX-Hop: 1\r\n", "Keep-Alive: 5\r\nTE: gzip\r\n"]);
    (method, target, field, hop_by_hop, sent()).prop_map(|(method, target, field, hop_by_hop, sent)| Asked {
        method,
        target,
        field,
        hop_by_hop,
        sent,
    })
}

/// A response, with interim ones before it.
#[derive(Debug, Clone)]
struct Said {
    interims: usize,
    status: &'static str,
    sent: Sent,
}

fn said() -> impl Strategy<Value = Said> {
    let status = prop::sample::select(vec!["200 OK", "404 Not Found", "500 "]);
    let until_close = prop::collection::vec(any::<u8>(), 0..30).prop_map(Sent::UntilClose);
    let sent = prop_oneof![sent(), until_close];
    (0_usize..3, status, sent).prop_map(|(interims, status, sent)| Said { interims, status, sent })
}

fn read_requests(sidecar: &TestSidecar, asked: &[Asked]) {
    let mut bytes = Vec::new();
    for request in asked {
        let (fields, body) = request.sent.written();
        let field = if request.field.is_empty() { String::new() } else { format!("{}\r\n", request.field) };
        let head =
            format!("{} {} HTTP/1.1\r\n{fields}host: a\r\n{field}{}\r\n", request.method, request.target, request.hop_by_hop);
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&body);
    }
    for cut in 0..bytes.len() {
        let case = format!("cut at {cut}");
        let got = sidecar.send_in_pieces(&[&bytes[..cut], &bytes[cut..]]);
        let seen = sidecar.seen(&case);
        let received = answers(&got, &[]).unwrap();
        assert_eq!((seen.len(), received.len()), (asked.len(), asked.len()), "{case}: {got:?}");
        for ((asked, seen), received) in asked.iter().zip(&seen).zip(&received) {
            assert_eq!((seen.first(), seen.second(), &seen.body[..]), (asked.method, asked.target, asked.sent.body()), "{case}");
            let drops = asked.hop_by_hop.starts_with("Connection");
            assert_eq!(seen.trailers, if drops { Vec::new() } else { asked.sent.trailers() }, "{case}");
            let value = asked
                .field
                .split_once(':')
                .map(|(_, value)| value.trim_matches([' ', '\t']).bytes().map(char::from).collect::<String>());
            let values: Vec<String> = seen.all("x-a").into_iter().map(str::to_owned).collect();
            assert_eq!(values, Vec::from_iter(value), "{case}");
            assert!(
                seen.all("x-hop").is_empty() && seen.all("te").is_empty() && seen.all("keep-alive").is_empty(),
                "{case}: {seen:?}"
            );
            let echo = [format!("{} {} ", asked.method, asked.target).as_bytes(), asked.sent.body()].concat();
            assert_eq!(received.body, echo, "{case}");
        }
    }
}

fn read_answer(sidecar: &TestSidecar, said: &Said) {
    let (fields, body) = said.sent.written();
    let interims = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".repeat(said.interims);
    let head = format!("{interims}HTTP/1.1 {}\r\nX-A: b\r\n{fields}\r\n", said.status);
    let ends = matches!(said.sent, Sent::None | Sent::UntilClose(_));
    let bytes = [head.as_bytes(), &body].concat();
    for cut in 0..bytes.len() {
        let case = format!("cut at {cut}");
        sidecar.script_bytes(&[&bytes[..cut], &bytes[cut..]], if ends { Then::Close } else { Then::Stay });
        let got = sidecar.send(b"GET /script HTTP/1.1\r\nHost: a\r\n\r\n");
        let all = answers(&got, &["GET"]).unwrap();
        assert_eq!(sidecar.seen(&case).len(), 1, "{case}");
        let [answer] = &all[..] else { panic!("{case}: {got:?}") };
        assert_eq!((answer.second(), &answer.body[..]), (&said.status[..3], said.sent.body()), "{case}: {got:?}");
        assert_eq!((answer.all("x-a"), &answer.trailers), (vec!["b"], &said.sent.trailers()), "{case}");
        let interims = got.bytes.windows(13).filter(|bytes| bytes == b"HTTP/1.1 103 ").count();
        assert_eq!(interims, said.interims, "{case}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn requests_arrive_as_sent(asked in prop::collection::vec(asked(), 1..4)) {
        let sidecar = Builder::new_current_thread().build().unwrap().block_on(TestSidecar::open());
        read_requests(&sidecar, &asked);
    }

    #[test]
    fn responses_arrive_as_sent(said in prop::collection::vec(said(), 1..4)) {
        let sidecar = Builder::new_current_thread().build().unwrap().block_on(TestSidecar::open());
        for said in &said {
            read_answer(&sidecar, said);
        }
    }
}
