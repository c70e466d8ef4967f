//! Fuzz checks of the whole HTTP/1 proxy, for any bytes from a client or from the service.

use std::sync::LazyLock;

use tokio::runtime::Runtime;

use crate::service::Then;
use crate::test_sidecar::{TestSidecar, answers};

/// With this a client starts HTTP/2, which the reader here does not support.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";

/// One tunnel for all inputs, so that a state left behind by one input can break the next one.
static TUNNEL: LazyLock<(Runtime, TestSidecar)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O can be built");
    let sidecar = runtime.block_on(TestSidecar::open());
    (runtime, sidecar)
});

/// Any bytes from a client: the service reads well-formed requests or none, and the next client gets its own response.
pub(crate) fn connection(input: &[u8]) {
    let (_, sidecar) = &*TUNNEL;
    if input.windows(HTTP2.len()).any(|bytes| bytes == HTTP2) {
        return;
    }
    let got = sidecar.send(input);
    let seen = sidecar.seen("any bytes");
    // A reset shows the client that there is no response. The sidecar itself may answer a request with `Max-Forwards`.
    if got.end.is_err() || String::from_utf8_lossy(input).to_ascii_lowercase().contains("max-forwards") {
        return sidecar.expect_unaffected("any bytes");
    }
    let methods: Vec<&str> = seen.iter().map(crate::reader::Message::first).collect();
    let said = answers(&got, &methods).unwrap_or_else(|broken| panic!("{broken}: {got:?}"));
    assert!(said.len() == seen.len() || said.len() == seen.len() + 1, "{} requests, {got:?}", seen.len());
    for (request, answer) in seen.iter().zip(&said) {
        let refused = answer.second().starts_with(['4', '5']);
        let echo = format!("{} {} ", request.first(), request.second()).into_bytes();
        assert!(refused || request.first() == "HEAD" || answer.body.starts_with(&echo), "{request:?} got {answer:?}");
    }
    sidecar.expect_unaffected("any bytes");
}

/// Any bytes from the service: the client reads one well-formed response or a broken connection; the next is unaffected.
pub(crate) fn answer(input: &[u8]) {
    let (_, sidecar) = &*TUNNEL;
    let Some((first, bytes)) = input.split_first() else { return };
    let (one, two) = bytes.split_at(bytes.len() * usize::from(first & 0x0f) / 15);
    // It closes after its response: the tunnel would wait for a service that stayed silent after half of it.
    sidecar.script_bytes(&[one, two], Then::Close);
    let method = if first & 0x20 == 0 { "GET" } else { "HEAD" };
    let fields = if first & 0x40 == 0 { "" } else { "Connection: upgrade\r\nUpgrade: websocket\r\n" };
    let got = sidecar.send(format!("{method} /script HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
    if got.end.is_ok() && !got.bytes.starts_with(b"HTTP/1.1 101 ") {
        let said = answers(&got, &[method]).unwrap_or_else(|broken| panic!("{broken}: {got:?}"));
        assert_eq!(said.len(), 1, "{got:?}");
    }
    sidecar.seen("any answer");
    sidecar.expect_unaffected("any answer");
}
