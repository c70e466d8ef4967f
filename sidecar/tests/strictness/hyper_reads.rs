//! Tests that hyper reads every forwarded message as the same single message, with the same end.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use sidecar::body::{Body, To};
use sidecar::head::response::ResponseTo;
use sidecar::head::write::{Persistence, Plan};
use sidecar::head::{Framing, Parsed, request, response, slots, write};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Bytes in transit between the two; more than any message here has.
const PIPE_BYTES: usize = 1024 * 1024;

/// What one side has read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Interpretation {
    /// Method and target, or the status.
    line: String,
    body: Vec<u8>,
}

/// A response of hyper without a body.
struct Nothing;

impl hyper::body::Body for Nothing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

async fn whole(body: Incoming) -> hyper::Result<Vec<u8>> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// What a hyper server reads from bytes on one connection.
async fn served(bytes: &[u8]) -> (Vec<Interpretation>, hyper::Result<()>) {
    let (mut ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let received = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let received = Arc::clone(&received);
        async move {
            let line = format!("{} {}", request.method(), request.uri());
            let body = whole(request.into_body()).await?;
            received.lock().unwrap().push(Interpretation { line, body });
            hyper::Result::Ok(Response::new(Nothing))
        }
    });
    ours.write_all(bytes).await.unwrap();
    ours.shutdown().await.unwrap();
    let ended = hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(theirs), service).await;
    let received = received.lock().unwrap().clone();
    (received, ended)
}

/// What a hyper client reads from bytes that answer its request.
async fn asked(method: &str, bytes: &[u8]) -> hyper::Result<Interpretation> {
    let (mut ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(theirs)).await?;
    let request = Request::builder().method(method).uri("/").header("host", "a").body(Nothing).unwrap();
    let service = async {
        let mut room = [0; 1024];
        let _ = ours.read(&mut room).await.unwrap();
        ours.write_all(bytes).await.unwrap();
        ours.shutdown().await.unwrap();
    };
    let client = async {
        let answer = sender.send_request(request).await?;
        let line = answer.status().as_str().to_owned();
        Ok(Interpretation { line, body: whole(answer.into_body()).await? })
    };
    let (_, received, ()) = tokio::join!(connection, client, service);
    received
}

/// What the tunnel forwards for these bytes, and the message that it read; `None` if it refuses.
fn carried_request(bytes: &[u8]) -> Option<(Vec<u8>, Interpretation)> {
    let mut slots = slots();
    let Parsed::Complete(head, length) = request::parse(bytes, &mut slots) else { return None };
    let mut wire = Vec::new();
    write::request(&mut wire, &head, "service", write::Added::default());
    let body =
        carry(head.framing, if head.framing == Framing::Chunked { To::Chunks } else { To::Plain }, &bytes[length..], &mut wire)?;
    let root = if head.target.starts_with('?') { "/" } else { "" };
    Some((wire, Interpretation { line: format!("{} {root}{}", head.method, head.target), body }))
}

fn carried_answer(bytes: &[u8], method: &str) -> Option<(Vec<u8>, Interpretation)> {
    let mut slots = slots();
    let Parsed::Complete(head, length) = response::parse(bytes, &mut slots) else { return None };
    let from = head.framing(if method == "HEAD" { ResponseTo::HeadOnly } else { ResponseTo::Whole });
    if head.is_interim() || from == Framing::UntilClose {
        return None;
    }
    let plan = Plan { framing: from, states_length: head.status != 204, ..Plan::bare(Persistence::Keep) };
    let mut wire = Vec::new();
    write::response(&mut wire, &head, plan);
    let body = carry(from, if from == Framing::Chunked { To::Chunks } else { To::Plain }, &bytes[length..], &mut wire)?;
    Some((wire, Interpretation { line: head.status.to_string(), body }))
}

/// Appends the body to `wire`, and returns its content; `None` if it is malformed or incomplete.
fn carry(from: Framing, to: To, rest: &[u8], wire: &mut Vec<u8>) -> Option<Vec<u8>> {
    let whole = |to: To, out: &mut Vec<u8>| {
        let mut body = Body::new(from, to);
        let plain = body.carry(rest, out).ok()?.plain;
        out.extend_from_slice(plain);
        body.is_done().then_some(())
    };
    let mut content = Vec::new();
    whole(to, wire)?;
    whole(To::Plain, &mut content)?;
    Some(content)
}

/// Parts of messages, good and bad. Random combinations are mostly refused; the others must be read alike.
const PIECES: &[&str] = &[
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:  05\t\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:CHUNKED\r\n",
    "Connection: close\r\n",
    "Connection: X-A, content-length\r\n",
    "X-A: b\r\n",
    "X-A: \u{e9}\r\n",
    "A:\r\n",
    "Expect: 100-continue\r\n",
    "TE: trailers\r\n",
    "Trailer: X\r\n",
    "Upgrade: websocket\r\n",
    "Connection: upgrade\r\n",
    "Max-Forwards: 3\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Content-Length: 5, 5\r\n",
    "X : y\r\n",
    "X: y\n",
    "Transfer-Encoding: identity\r\n",
    " fold\r\n",
    "Content_Length: 9\r\n",
    "X: \u{b}\r\n",
    "Keep-Alive: 1\r\n",
];
const LINES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "HEAD /h HTTP/1.1\r\n",
    "PUT http://b/c HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "POST http://b?q HTTP/1.1\r\n",
    "DELETE / HTTP/1.0\r\n",
    "get / HTTP/1.1\r\n",
    "TRACE / HTTP/1.1\r\n",
    "GET /a{b}|c^d\\\" HTTP/1.1\r\n",
    "GET /caf\u{e9}?`{} HTTP/1.1\r\n",
];
const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 x\r\n",
    "HTTP/1.1 304 x\r\n",
    "HTTP/1.1 404 \u{e9}\r\n",
    "HTTP/1.1 599 x\r\n",
    "HTTP/1.1 600 x\r\n",
    "HTTP/1.1 200 OK\n",
    "HTTP/1.1 206 a: b\r\n",
];
const BODIES: &[&str] = &[
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "5 ;a=\"b\"\r\nhello\r\n00\r\nX: y\r\nContent-Length: 3\r\n\r\n",
    "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
];

fn message(lines: &'static [&'static str]) -> impl Strategy<Value = String> {
    let fields = prop::collection::vec(prop::sample::select(PIECES), 0..5);
    let (line, body) = (prop::sample::select(lines), prop::sample::select(BODIES));
    (line, fields, body).prop_map(|(line, fields, body)| {
        format!("{line}Host: a\r\n{}\r\n{body}", fields.concat()).replace("Host: a\r\nHost: a\r\n", "Host: a\r\n")
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn requests(first in message(LINES), second in message(LINES)) {
        let Some((mut wire, one)) = carried_request(first.as_bytes()) else { return Ok(()) };
        let mut expected = vec![one];
        // Another request follows on the same connection: if hyper ended the first elsewhere, this one would be broken.
        if let Some((more, two)) = carried_request(second.as_bytes()) {
            wire.extend_from_slice(&more);
            expected.push(two);
        }
        // A request to change the protocol is the last that is read as HTTP.
        prop_assume!(!wire.windows(8).any(|bytes| bytes == b"Upgrade:"));
        let (received, ended) = run(served(&wire));
        prop_assert!(ended.is_ok(), "{:?}: {:?}", ended, String::from_utf8_lossy(&wire));
        prop_assert_eq!(received, expected, "{:?}", String::from_utf8_lossy(&wire));
    }

    #[test]
    fn answers(said in message(STATUS_LINES), is_head in any::<bool>()) {
        let method = if is_head { "HEAD" } else { "GET" };
        let Some((wire, expected)) = carried_answer(said.as_bytes(), method) else { return Ok(()) };
        // A control character passes unchanged, and hyper's client accepts none (RFC 9110, section 5.5, allows both).
        prop_assume!(!wire.contains(&b'\x0b'));
        let received = run(asked(method, &wire));
        prop_assert_eq!(received.ok(), Some(expected), "{:?}", String::from_utf8_lossy(&wire));
    }
}
