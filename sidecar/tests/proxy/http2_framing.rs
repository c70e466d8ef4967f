//! Tests of HTTP/2 framing and limits: cut prefaces, refused heads and streams, bodies that stop, heads that are too large.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use mesh::refusal::RefusalReason;
use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::http2::{Client, service, text};
use crate::support::{async_listener, counted, sidecar, sidecar_with, within};

#[tokio::test]
async fn the_preface_is_understood_however_it_is_cut() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut streams = JoinSet::new();
    for cut in 1..preface.len() {
        streams.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in [&preface[..cut], &preface[cut..]] {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut frame = [0; 9];
            within(stream.read_exact(&mut frame)).await.unwrap();
            assert_eq!(frame[3], 4, "SETTINGS is the first frame of a server; cut at {cut}");
        });
    }
    streams.join_all().await;
}

#[tokio::test]
async fn a_host_that_is_not_the_authority_is_refused() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    for (host, status) in [("shop", 200), ("SHOP", 200), ("other", 400)] {
        let request = Request::get("http://shop/").header("host", host).body(()).unwrap();
        let (response, _) = client.requests.send_request(request, true).unwrap();
        assert_eq!(within(response).await.unwrap().status(), status, "{host}");
    }
}

#[tokio::test]
async fn stops_on_the_way_are_counted_and_targets_judged_as_in_http_1() {
    let (target, _service) = service();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    for (method, forwards, status, said) in [
        ("OPTIONS", "3", 200, r#""max-forwards": "2""#),
        ("GET", "3", 200, r#""max-forwards": "3""#),
        ("OPTIONS", "0", 200, ""),
        ("TRACE", "0", 200, "max-forwards: 0\r\n"),
        ("TRACE", "x", 400, "Max-Forwards"),
    ] {
        let request = Request::builder().method(method).uri("http://shop/x").header("max-forwards", forwards);
        let (response, _) = client.requests.send_request(request.body(()).unwrap(), true).unwrap();
        let mut response = within(response).await.unwrap();
        let text = text(response.body_mut()).await;
        assert_eq!(response.status(), status, "{method} {forwards}: {text}");
        assert!(text.contains(said) && (forwards != "0" || !text.contains("keep-me")), "{method} {forwards}: {text}");
    }
    // What the URI library of the test's client and service accepts.
    for target in ["/a{b}^c\\d\"e|f", "/a?{b}^c\\d`e|f", "/caf\u{e9}?q=\u{e9}"] {
        let mut response = client.get(target).await.unwrap();
        let said = text(response.body_mut()).await;
        assert!(said.starts_with(&format!("GET http://shop{target} ")), "{target}: {said}");
    }
    let refused = client.get("/a\u{a0}b").await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["x-sitio-error"].as_bytes()), (400, &b"bad-request"[..]));
    assert_eq!(workers.counters().refusals()[RefusalReason::Target], 1);
    assert_eq!(workers.counters().refusals()[RefusalReason::Field], 1, "Max-Forwards");
}

/// A frame of that type on a stream.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

#[tokio::test]
async fn a_malformed_request_is_reset_alone_and_counted() {
    let (target, _service) = service();
    let (workers, address) = sidecar(target).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // A GET with a field name in upper case, which no HTTP/2 library sends.
    stream.write_all(&frame(1, 5, 1, b"\x82\x86\x84\x41\x04shop\x00\x01X\x01y")).await.unwrap();
    let mut received = Vec::new();
    while !received.windows(9).any(|bytes| bytes == [0, 0, 4, 3, 0, 0, 0, 0, 1]) {
        assert_ne!(within(stream.read_buf(&mut received)).await.unwrap(), 0, "the stream is reset alone");
    }
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while workers.counters().refusals()[RefusalReason::Http2] != 1 {
        assert!(std::time::Instant::now() < deadline, "{:?}", workers.counters().refusals());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_whole_answer_is_counted_although_the_client_leaves_before_its_empty_end() {
    let (listener, target) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        let response = Response::builder().header("content-length", "5").body(()).unwrap();
        let mut body = respond.send_response(response, false).unwrap();
        body.send_data(Bytes::from_static(b"hello"), false).unwrap();
        // The frame that ends the stream never comes.
        let _ = connection.accept().await;
        drop(body);
    });
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let mut response = client.get("/whole").await.unwrap();
    assert_eq!(within(response.body_mut().data()).await.unwrap().unwrap(), "hello");
    drop((response, client));
    let report = counted(&workers, "/whole", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.statuses(), report.golden.bytes_out), (&[(200, 1)][..], 5));
}

#[tokio::test]
async fn a_body_of_http_2_that_stops_is_answered_408_and_one_that_goes_on_is_not() {
    let (target, _service) = echo_after_body();
    let timeouts = Timeouts { body: Some(Duration::from_millis(500)), ..Timeouts::default() };
    let (workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let mut client = Client::connect(address).await;
    let request = |path: &str| Request::post(format!("http://shop{path}")).body(()).unwrap();

    let (stalled, mut body) = client.requests.send_request(request("/stalled"), false).unwrap();
    body.send_data(Bytes::from_static(b"some"), false).unwrap();
    let stalled = within(stalled).await.unwrap();
    assert_eq!((stalled.status().as_u16(), stalled.headers()["x-sitio-error"].as_bytes()), (408, &b"bad-request"[..]));
    let report = counted(&workers, "/stalled", |report| report.golden.hits == 1 && report.in_flight == 0).await;
    assert_eq!((report.golden.statuses(), report.golden.failures()), (&[(408, 1)][..], 0));

    let (whole, mut body) = client.requests.send_request(request("/whole"), false).unwrap();
    body.send_data(Bytes::from_static(b"all"), true).unwrap();
    assert_eq!(within(whole).await.unwrap().status(), 200, "the connection to the service goes on");
}

/// A service that answers once it has the whole body.
fn echo_after_body() -> (SocketAddr, JoinSet<()>) {
    let (listener, address) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut requests = JoinSet::new();
                while let Some(Ok((mut request, mut respond))) = connection.accept().await {
                    requests.spawn(async move {
                        while let Some(Ok(_)) = request.body_mut().data().await {}
                        let _ = respond.send_response(Response::new(()), true);
                    });
                }
            });
        }
    });
    (address, service)
}

#[tokio::test]
async fn the_fields_of_our_own_answers_are_ours_alone() {
    let (target, _service) = service();
    let mut options = ProxyOptions::new(target);
    assert!(options.forwarding.choose("x-forwarded-proto"));
    let (_workers, address) = sidecar_with(options).await;
    let mut client = Client::connect(address).await;
    let request = Request::get("http://shop/ours").header("x-forwarded-proto", "https").body(()).unwrap();
    let (response, _) = client.requests.send_request(request, true).unwrap();
    let mut response = within(response).await.unwrap();
    assert!(!response.headers().keys().any(|name| name.as_str().starts_with("x-sitio-")), "{response:?}");
    let said = text(response.body_mut()).await;
    assert!(said.contains(r#""x-forwarded-proto": "http""#) && !said.contains(r#""https""#), "{said}");
}

#[tokio::test]
async fn the_answer_in_place_of_a_head_that_is_too_large_is_counted_with_its_bytes() {
    let (listener, target) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connection = h2::server::Builder::new().handshake::<_, Bytes>(listener.accept().await.unwrap().0).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut response = Response::new(());
        for number in 0..10 {
            let name = hyper::header::HeaderName::try_from(format!("x-{number}")).unwrap();
            response.headers_mut().insert(name, "v".repeat(60 * 1024).try_into().unwrap());
        }
        let _ = respond.send_response(response, true);
        let _ = connection.accept().await;
    });
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;

    let mut response = client.get("/large").await.unwrap();

    assert_eq!(response.status(), 502);
    let body = text(response.body_mut()).await;
    let report = counted(&workers, "/large", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.statuses(), report.golden.bytes_out), (&[(502, 1)][..], body.len() as u64));
}
