//! Tests of HTTP/2 that is not gRPC: requests, the sidecar's own responses, and resets.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use hyper::{HeaderMap, Request, Response};
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::exchange::options::ProxyOptions;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{async_listener, counted, sidecar, sidecar_with, turn_off, within};

/// A client whose connection is driven by its own task.
pub(crate) struct Client {
    pub(crate) requests: SendRequest<Bytes>,
    _connection: JoinSet<Result<(), h2::Error>>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (requests, running) = h2::client::handshake(stream).await.unwrap();
        let mut connection = JoinSet::new();
        connection.spawn(running);
        Self { requests, _connection: connection }
    }

    /// Sends a request without a body, and returns its response.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Response<RecvStream>, h2::Error> {
        let request = Request::get(format!("http://shop{path}")).body(()).unwrap();
        within(std::future::poll_fn(|cx| self.requests.poll_ready(cx))).await?;
        let (response, _) = self.requests.send_request(request, true)?;
        within(response).await
    }
}

/// A service that answers by path: `/reset` with a reset, `/trailers` with trailers, `/none` with 404, else an echo.
pub(crate) fn service() -> (SocketAddr, JoinSet<()>) {
    let (listener, address) = async_listener();
    (address, service_on(listener))
}

pub(crate) fn service_on(listener: tokio::net::TcpListener) -> JoinSet<()> {
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    answer(&request, &mut respond);
                    std::mem::forget(request); // Dropping it would release its window. The process ends soon.
                }
            });
        }
    });
    service
}

fn answer(request: &Request<RecvStream>, respond: &mut h2::server::SendResponse<Bytes>) {
    let response = Response::builder().header("keep-me", "yes");
    match request.uri().path() {
        "/reset" => respond.send_reset(h2::Reason::ENHANCE_YOUR_CALM),
        "/silent" => std::mem::forget(respond.send_response(response.body(()).unwrap(), false)),
        "/ours" => {
            let response = response.header("x-sitio-error", "bad-request").header("X-Sitio-Rule", "7");
            let mut body = respond.send_response(response.body(()).unwrap(), false).unwrap();
            let _ = body.send_data(format!("{:?}", request.headers()).into(), true);
        }
        "/none" => drop(respond.send_response(response.status(404).body(()).unwrap(), true)),
        "/trailers" => {
            let mut body = respond.send_response(response.body(()).unwrap(), false).unwrap();
            body.send_data(Bytes::from_static(b"body"), false).unwrap();
            let _ = body.send_trailers(HeaderMap::from_iter([("checksum".parse().unwrap(), "1".parse().unwrap())]));
        }
        _ => {
            let said = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
            let mut body = respond.send_response(response.body(()).unwrap(), false).unwrap();
            let _ = body.send_data(said.into(), true);
        }
    }
}

/// The whole of a body.
pub(crate) async fn text(body: &mut RecvStream) -> String {
    let mut text = Vec::new();
    while let Some(data) = within(body.data()).await {
        text.extend_from_slice(&data.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_request_passes_with_its_path_and_fields_and_is_counted() {
    let (target, _service) = service();
    let mut options = ProxyOptions::new(target);
    assert!(options.forwarding.choose("via") && options.forwarding.choose("x-forwarded-for"));
    let (workers, address) = sidecar_with(options).await;
    let mut client = Client::connect(address).await;

    let mut response = client.get("/users/7?x=1").await.unwrap();
    let said = text(response.body_mut()).await;

    assert_eq!((response.status().as_u16(), response.headers()["keep-me"].as_bytes()), (200, &b"yes"[..]));
    assert!(said.starts_with("GET http://shop/users/7?x=1 "), "{said}");
    assert!(said.contains(r#""via": "2 sitio""#) && said.contains(r#""x-forwarded-for": "127.0.0.1""#), "{said}");
    let report = counted(&workers, "/users/{id}", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.statuses(), report.golden.bytes_out), (&[(200, 1)][..], said.len() as u64));
}

#[tokio::test]
async fn trailers_pass() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let mut response = client.get("/trailers").await.unwrap();
    assert_eq!(text(response.body_mut()).await, "body");
    let trailers = within(response.body_mut().trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["checksum"], "1");
}

#[tokio::test]
async fn a_reset_of_the_service_s_reaches_the_downstream_with_its_reason() {
    let (target, _service) = service();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let error = client.get("/reset").await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
    let report = counted(&workers, "/reset", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (1, &[(502, 1)][..]));
    assert_eq!(client.get("/next").await.unwrap().status(), 200, "other streams go on");
}

#[tokio::test]
async fn what_is_given_up_is_given_up_at_the_service_too() {
    let (listener, target) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        tokio::select! {
            _ = connection.accept() => panic!("nothing else comes"),
            reason = std::future::poll_fn(|cx| body.poll_reset(cx)) => reason.unwrap(),
        }
    });
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let request = Request::post("http://shop/long").body(()).unwrap();
    let (response, mut body) = client.requests.send_request(request, false).unwrap();
    let _response = within(response).await.unwrap();
    counted(&workers, "/long", |report| report.in_flight == 1).await;

    body.send_reset(h2::Reason::CANCEL);

    assert_eq!(within(service.join_next()).await.unwrap().unwrap(), h2::Reason::CANCEL);
    let report = counted(&workers, "/long", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.statuses(), report.golden.failed), (&[(499, 1)][..], 0));
}

#[tokio::test]
async fn a_restart_of_the_service_ends_only_what_was_under_way() {
    let (target, mut first) = service();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let mut under_way = client.get("/silent").await.unwrap();

    first.shutdown().await;

    assert!(within(under_way.body_mut().data()).await.unwrap().is_err(), "what breaks off is not taken for whole");
    let report = counted(&workers, "/silent", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (1, &[(502, 1)][..]));
    let gone = client.get("/").await.unwrap();
    assert_eq!((gone.status().as_u16(), gone.headers()["x-sitio-error"].as_bytes()), (502, &b"upstream-connect"[..]));

    let _second = service_on(tokio::net::TcpListener::bind(target).await.unwrap());
    assert_eq!(client.get("/").await.unwrap().status(), 200, "the same connection goes on");
}

#[tokio::test]
async fn rules_and_decorators_answer_as_they_do_in_http_1() {
    let (target, _service) = service();
    let options = ProxyOptions { decorators: vec![Arc::new(NotFoundPage::built_in())], ..ProxyOptions::new(target) };
    let (workers, address) = sidecar_with(options).await;
    let mut client = Client::connect(address).await;
    let mut page = client.get("/none").await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["content-type"].as_bytes()), (404, &b"text/html; charset=utf-8"[..]));
    assert!(text(page.body_mut()).await.contains("<html"));

    turn_off(&workers, "GET", "/off").await;
    let off = client.get("/off").await.unwrap();
    assert_eq!((off.status().as_u16(), off.headers()["x-sitio-rule"].as_bytes()), (503, &b"r-1"[..]));
    assert!(off.headers().contains_key("retry-after"));
}
