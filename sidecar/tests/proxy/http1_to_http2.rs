//! Tests of clients that speak HTTP/1.1 in front of services that speak only HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hyper::{HeaderMap, Request, Response};
use mesh::exchange::Outcome;
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::exchange::options::ProxyOptions;
use tokio::task::JoinSet;

use crate::support::{ask, async_listener, counted, send, sidecar, sidecar_with, turn_off};

/// The requests that were reset. Only one test sends such requests.
static RESETS: AtomicUsize = AtomicUsize::new(0);

/// A service that reads each request to its end, and answers by its path. Its SETTINGS come first.
fn service() -> (SocketAddr, JoinSet<()>) {
    let (listener, address) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                let mut requests = JoinSet::new();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    requests.spawn(answer(request, respond));
                }
            });
        }
    });
    (address, service)
}

async fn answer(mut request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let mut body = Vec::new();
    while let Some(Ok(data)) = request.body_mut().data().await {
        body.extend_from_slice(&data);
        let _ = request.body_mut().flow_control().release_capacity(data.len());
    }
    let response = Response::builder();
    match request.uri().path() {
        "/reset" => {
            RESETS.fetch_add(1, Ordering::SeqCst);
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        "/none" => drop(respond.send_response(response.status(404).body(()).unwrap(), true)),
        "/empty" => drop(respond.send_response(response.status(204).body(()).unwrap(), true)),
        "/sized" => {
            let response = response.header("content-length", body.len()).body(()).unwrap();
            if let Ok(mut sender) = respond.send_response(response, false) {
                let _ = sender.send_data(body.into(), true);
            }
        }
        "/head" => drop(respond.send_response(response.header("content-length", 1000).body(()).unwrap(), true)),
        path => {
            let said = format!("{} {path} {} {:?}", request.method(), body.len(), request.headers());
            let Ok(mut sender) = respond.send_response(response.header("x-sitio-error", "no").body(()).unwrap(), false) else {
                return;
            };
            let _ = sender.send_data(said.into(), false);
            let _ = sender.send_trailers(HeaderMap::from_iter([("checksum".parse().unwrap(), "7".parse().unwrap())]));
        }
    }
}

#[tokio::test]
async fn a_request_and_its_answer_pass_and_are_counted() {
    let (target, _service) = service();
    let mut options = ProxyOptions::new(target);
    assert!(options.forwarding.choose("via"));
    let (workers, address) = sidecar_with(options).await;
    for _ in 0..3 {
        let said =
            ask(address, "GET /users/7?x=1 HTTP/1.1\r\nHost: shop\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-Keep: 2\r\n\r\n")
                .await;
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains("Transfer-Encoding: chunked\r\n"), "{said}");
        assert!(said.contains(r#"GET /users/7 0 {"x-keep": "2", "via": "1.1 sitio"}"#), "{said}");
        assert!(said.ends_with("\r\n0\r\nchecksum: 7\r\n\r\n") && !said.contains("x-sitio-error"), "{said}");
    }
    let report = counted(&workers, "/users/{id}", |report| report.golden.hits == 3).await;
    assert_eq!((report.golden.statuses(), report.golden.failed), (&[(200, 3)][..], 0));
}

#[tokio::test]
async fn bodies_of_every_framing_pass() {
    let (target, _service) = service();
    let (workers, address) = sidecar(target).await;
    assert!(ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    let large = "x".repeat(3_000_000);
    let sized = format!("POST /sized HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{large}", large.len());
    let said = ask(address, &sized).await;
    assert!(said.contains("Content-Length: 3000000\r\n") && said.ends_with(&large), "{} bytes", said.len());
    let chunked = "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    for cut in [20, 60, 70, 75] {
        let (first, second) = chunked.as_bytes().split_at(cut);
        let said = send(address, vec![first.to_vec(), second.to_vec()]).await;
        assert!(said.contains("POST /chunked 11 "), "cut at {cut}: {said}");
    }
    let report = counted(&workers, "/chunked", |report| report.golden.hits == 4).await;
    assert_eq!(report.golden.bytes_in, 44);
}

#[tokio::test]
async fn connections_are_kept_and_responses_without_a_body_are_none() {
    let (target, _service) = service();
    let options = ProxyOptions { decorators: vec![Arc::new(NotFoundPage::built_in())], ..ProxyOptions::new(target) };
    let (workers, address) = sidecar_with(options).await;
    let two = "HEAD /head HTTP/1.1\r\nHost: a\r\n\r\nGET /empty HTTP/1.1\r\nHost: a\r\n\r\n";
    let said = ask(address, two).await;
    assert!(said.contains("Content-Length: 1000\r\n") && said.contains("HTTP/1.1 204 ") && said.ends_with("\r\n\r\n"), "{said}");
    assert!(ask(address, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n").await.contains("<html"), "decorators see the response");
    let said = ask(address, "GET /old HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(said.contains("GET /old 0 ") && !said.contains("chunked"), "{said}");
    turn_off(&workers, "GET", "/off").await;
    assert!(ask(address, "GET /off HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn a_reset_of_the_service_is_its_failure_and_the_request_is_not_sent_again() {
    let (target, _service) = service();
    let (workers, address) = sidecar(target).await;
    for _ in 0..4 {
        // The connections of both workers are in their pools then.
        assert!(ask(address, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    }
    let said = ask(address, "GET /reset HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 502 ") && said.contains("X-Sitio-Error: upstream-reset\r\n"), "{said}");
    assert!(ask(address, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    let report = counted(&workers, "/reset", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.failed, report.recent[0].outcome), (1, Outcome::UpstreamReset));
    assert_eq!(RESETS.load(Ordering::SeqCst), 1);
}
