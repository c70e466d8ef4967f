//! Tests of WebSockets over HTTP/2: extended CONNECT (RFC 8441), where the service supports it.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use hyper::{Request, Response};
use tokio::task::JoinSet;

use crate::http2::{Client, service};
use crate::support::{PATIENCE, async_listener, counted, sidecar, within};

/// A service that supports extended CONNECT (RFC 8441) and sends back what it gets.
fn echoing_over_http2() -> (SocketAddr, JoinSet<()>) {
    let (listener, address) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.enable_connect_protocol();
                let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
                let mut tunnels = JoinSet::new();
                while let Some(Ok((mut request, mut respond))) = connection.accept().await {
                    let is_tunnel = request.extensions().get::<h2::ext::Protocol>().is_some();
                    tunnels.spawn(async move {
                        let mut sender = respond.send_response(Response::new(()), !is_tunnel).unwrap();
                        while let Some(Ok(data)) = request.body_mut().data().await {
                            let _ = request.body_mut().flow_control().release_capacity(data.len());
                            sender.send_data(data, false).unwrap();
                        }
                        if is_tunnel {
                            let _ = sender.send_data(Bytes::new(), true);
                        }
                    });
                }
            });
        }
    });
    (address, service)
}

#[tokio::test]
async fn a_websocket_over_http_2_passes_where_the_service_supports_it() {
    let (target, _service) = echoing_over_http2();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/first").await.unwrap().status(), 200, "the service's settings are known now");
    let deadline = Instant::now() + PATIENCE;
    while !client.requests.is_extended_connect_protocol_enabled() {
        assert!(Instant::now() < deadline, "the sidecar announces what the service supports");
        tokio::task::yield_now().await;
    }
    let mut request = Request::builder().method("CONNECT").uri("http://shop/socket").body(()).unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (response, mut sender) = client.requests.send_request(request, false).unwrap();
    let mut response = within(response).await.unwrap();
    assert_eq!(response.status(), 200);
    for number in 0..10 {
        let said = format!("message {number}");
        sender.send_data(said.clone().into(), false).unwrap();
        assert_eq!(within(response.body_mut().data()).await.unwrap().unwrap(), said);
    }
    counted(&workers, "/socket", |report| report.in_flight == 1).await;
    sender.send_data(Bytes::new(), true).unwrap();
    assert!(within(response.body_mut().data()).await.is_none_or(|data| data.is_ok_and(|data| data.is_empty())));
    let report = counted(&workers, "/socket", |report| report.golden.hits == 1).await;
    assert_eq!((report.endpoint.method(), report.golden.bytes_in, report.golden.bytes_out), ("CONNECT", 90, 90));
}

#[tokio::test]
async fn a_tunnel_is_refused_where_the_service_does_not_support_it() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/first").await.unwrap().status(), 200);
    assert!(!client.requests.is_extended_connect_protocol_enabled());
    let request = Request::builder().method("CONNECT").uri("shop:80").body(()).unwrap();
    let (response, _) = client.requests.send_request(request, true).unwrap();
    assert_eq!(within(response).await.unwrap().status(), 501);
}
