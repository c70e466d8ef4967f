//! Tests of clients that speak HTTP/2 in front of services that speak only HTTP/1.1.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{HeaderMap, Request, Response};
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::exchange::options::ProxyOptions;

use crate::http1_service::{Http1Service, Then};
use crate::http2::{Client, text};
use crate::support::{counted, listener, read_head, sidecar, sidecar_with, turn_off, within};

/// The bytes that answer a request for a path with a body.
fn answer(path: &str, body: &[u8]) -> (Vec<u8>, Then) {
    let then = if matches!(path, "/until-close" | "/breaks") { Then::Close } else { Then::Stay };
    let said: &[u8] = match path {
        "/hop" => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n",
        "/chunks" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nChecksum: 7\r\n\r\n",
        "/until-close" => b"HTTP/1.1 200 OK\r\n\r\nto the end",
        "/breaks" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome",
        "/empty" => b"HTTP/1.1 204 No Content\r\n\r\n",
        "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "/early" => b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "/none" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
        "/split" => b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "/invalid" => b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        _ => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Sitio-Error: no\r\n\r\n", body.len());
            return ([head.as_bytes(), body].concat(), then);
        }
    };
    (said.to_vec(), then)
}

async fn send(client: &mut Client, request: Request<()>, body: Option<&[u8]>) -> Response<h2::RecvStream> {
    within(std::future::poll_fn(|cx| client.requests.poll_ready(cx))).await.unwrap();
    let (response, mut stream) = client.requests.send_request(request, body.is_none()).unwrap();
    if let Some(body) = body {
        stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
    }
    within(response).await.unwrap()
}

#[tokio::test]
async fn requests_pass_over_one_connection_and_are_counted() {
    let service = Http1Service::start(answer);
    let (workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address).await;
    for number in 0..5 {
        let request = Request::get(format!("http://shop/users/{number}?x=1"));
        let request = request.header("cookie", "a=1").header("cookie", "b=2").header("te", "trailers").body(()).unwrap();
        let response = send(&mut client, request, None).await;
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("x-sitio-error"), "{response:?}");
        assert!(response.headers().contains_key("date"), "a proxy adds it");
    }
    let expected = "GET /users/4?x=1 HTTP/1.1\r\nHost: shop\r\nConnection: TE\r\nte: trailers\r\nCookie: a=1; b=2\r\n\r\n";
    assert_eq!(service.last(), expected);
    assert!(service.connections() <= 2, "one was asked in HTTP/2, and one serves");
    let report = counted(&workers, "/users/{id}", |report| report.golden.hits == 5).await;
    assert_eq!(report.golden.statuses(), [(200, 5)]);
}

#[tokio::test]
async fn bodies_pass_with_a_length_and_in_chunks() {
    let service = Http1Service::start(answer);
    let (workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address).await;
    let request = Request::post("http://shop/sized").header("content-length", "5").body(()).unwrap();
    let mut response = send(&mut client, request, Some(b"hello")).await;
    assert_eq!(text(response.body_mut()).await, "hello");
    assert!(!service.last().contains("chunked"), "{}", service.last());
    let mut response = send(&mut client, Request::post("http://shop/chunked").body(()).unwrap(), Some(b"hello")).await;
    assert_eq!(text(response.body_mut()).await, "5\r\nhello\r\n0\r\n\r\n", "what the service reads");
    let report = counted(&workers, "/chunked", |report| report.golden.hits == 1).await;
    assert_eq!(report.golden.bytes_in, 5);
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| (at * 31 % 251) as u8).collect();
    let request = Request::post("http://shop/large").header("content-length", large.len()).body(()).unwrap();
    let mut response = send(&mut client, request, Some(&large)).await;
    let mut echoed = Vec::new();
    while let Some(data) = within(response.body_mut().data()).await {
        let data = data.unwrap();
        echoed.extend_from_slice(&data);
        response.body_mut().flow_control().release_capacity(data.len()).unwrap();
    }
    assert!(echoed == large, "it came back changed");
}

#[tokio::test]
async fn responses_of_every_framing_arrive_whole() {
    let service = Http1Service::start(answer);
    let (workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address).await;
    let mut chunks = client.get("/chunks").await.unwrap();
    let hop = client.get("/hop").await.unwrap();
    for name in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
        assert!(!chunks.headers().contains_key(name) && !hop.headers().contains_key(name), "{name}");
    }
    assert_eq!(text(chunks.body_mut()).await, "abcde");
    let trailers: HeaderMap = within(chunks.body_mut().trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["checksum"], "7");
    let mut until_close = client.get("/until-close").await.unwrap();
    assert_eq!(text(until_close.body_mut()).await, "to the end");
    let empty = client.get("/empty").await.unwrap();
    assert_eq!((empty.status().as_u16(), empty.body().is_end_stream()), (204, true));
    let head = send(&mut client, Request::head("http://shop/head").body(()).unwrap(), None).await;
    assert_eq!((head.headers()["content-length"].as_bytes(), head.body().is_end_stream()), (&b"1000"[..], true));
    let mut early = client.get("/early").await.unwrap();
    assert_eq!(text(early.body_mut()).await, "hi");
    assert_eq!(client.get("/split").await.unwrap().headers()["a"], "b   folded");
    counted(&workers, "/early", |report| report.golden.statuses() == [(200, 1)]).await;
}

#[tokio::test]
async fn failures_of_the_service_are_named_and_others_go_on() {
    let service = Http1Service::start(answer);
    let (workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address).await;
    let invalid = client.get("/invalid").await.unwrap();
    assert_eq!((invalid.status().as_u16(), invalid.headers()["x-sitio-error"].as_bytes()), (502, &b"upstream-protocol"[..]));
    let mut breaks = client.get("/breaks").await.unwrap();
    assert_eq!(within(breaks.body_mut().data()).await.unwrap().unwrap(), "some");
    assert!(within(breaks.body_mut().data()).await.unwrap().is_err(), "what breaks off is not taken for whole");
    assert_eq!(client.get("/next").await.unwrap().status(), 200);
    let report = counted(&workers, "/breaks", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (1, &[(502, 1)][..]));
}

#[tokio::test]
async fn what_has_no_meaning_in_http_1_is_refused() {
    let service = Http1Service::start(answer);
    let (_workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/first").await.unwrap().status(), 200);
    let value = hyper::header::HeaderValue::from_bytes(b"a\tb").unwrap();
    let request = Request::get("http://shop/tab").header("x", value).body(()).unwrap();
    assert_eq!(send(&mut client, request, None).await.status(), 200, "a tab is part of a value");
}

#[tokio::test]
async fn rules_and_decorators_answer() {
    let service = Http1Service::start(answer);
    let options = ProxyOptions { decorators: vec![Arc::new(NotFoundPage::built_in())], ..ProxyOptions::new(service.address) };
    let (workers, address) = sidecar_with(options).await;
    let mut client = Client::connect(address).await;
    let mut page = client.get("/none").await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["content-type"].as_bytes()), (404, &b"text/html; charset=utf-8"[..]));
    assert!(text(page.body_mut()).await.contains("<html"));
    turn_off(&workers, "GET", "/off").await;
    assert_eq!(client.get("/off").await.unwrap().status(), 503);
    assert_eq!(client.get("/on").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_service_that_changes_its_protocol_is_found_out() {
    let (listener, target) = listener();
    let other = listener.try_clone().unwrap();
    let http1 = std::thread::spawn(move || {
        // It refuses the preface, then serves one request and leaves.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let head = read_head(&mut stream);
            let status = if head.starts_with(b"PRI") { "400 Bad Request" } else { "200 OK" };
            // In one write: the sidecar closes the connection as soon as it sees an answer that is not HTTP/2.
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let (_workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/one").await.unwrap().status(), 200);
    http1.join().unwrap();
    other.set_nonblocking(true).unwrap();
    let _http2 = crate::http2::service_on(tokio::net::TcpListener::from_std(other).unwrap());
    assert_eq!(client.get("/two").await.unwrap().status(), 200, "it speaks HTTP/2 now");
    assert_eq!(client.get("/three").await.unwrap().status(), 200);
}
