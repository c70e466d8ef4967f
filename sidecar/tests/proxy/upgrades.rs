//! Tests of WebSockets and other upgrades: visible while open, counted with their bytes, closed at the end of a drain.

use std::net::SocketAddr;
use std::time::Duration;

use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{async_listener, counted, sidecar, sidecar_with, within};

const ASK: &[u8] = b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A service that accepts every upgrade, and then echoes.
fn service() -> (SocketAddr, JoinSet<()>) {
    let (listener, address) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            stream.write_all(AGREE).await.unwrap();
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        }
    });
    (address, service)
}

async fn upgrade(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(ASK).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(client.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    client
}

#[tokio::test]
async fn an_open_one_is_under_way_and_counted_with_its_bytes_when_it_ends() {
    let (target, _service) = service();
    let (workers, address) = sidecar(target).await;
    let mut client = upgrade(address).await;

    client.write_all(b"\x81\x05hello").await.unwrap();
    let mut frame = [0; 7];
    within(client.read_exact(&mut frame)).await.unwrap();
    assert_eq!(&frame, b"\x81\x05hello");
    counted(&workers, "/live", |report| report.in_flight == 1 && report.golden.hits == 0).await;
    drop(client);

    let report = counted(&workers, "/live", |report| report.golden.hits == 1).await;
    assert_eq!((report.in_flight, report.golden.statuses()), (0, &[(101, 1)][..]));
    assert_eq!((report.golden.bytes_in, report.golden.bytes_out), (7, 7));
    assert!(report.golden.total_us > 0);
}

#[tokio::test]
async fn an_open_one_is_closed_at_the_end_of_a_drain() {
    let (target, _service) = service();
    let (workers, address) = sidecar(target).await;
    let mut client = upgrade(address).await;
    client.write_all(b"x").await.unwrap();
    within(client.read_u8()).await.unwrap();

    within(workers.drain(Duration::from_millis(10))).await;

    assert!(!matches!(within(client.read(&mut [0; 8])).await, Ok(1..)));
    let report = counted(&workers, "/live", |report| report.golden.hits == 1).await;
    assert_eq!((report.in_flight, report.golden.bytes_in), (0, 1));
}

#[tokio::test]
async fn an_upgrade_to_http_2_is_not_forwarded() {
    let (listener, target) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut heads = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            heads.push(String::from_utf8_lossy(&head[..length]).to_ascii_lowercase());
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
        }
        heads
    });
    let (_workers, address) = sidecar(target).await;
    for protocol in ["h2c", "HTTP/2.0", "websocket, H2C"] {
        let mut client = TcpStream::connect(address).await.unwrap();
        let fields = format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABk\r\n");
        client.write_all(format!("GET /h2c HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        within(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200", "{protocol}");
    }
    for head in within(service.join_next()).await.unwrap().unwrap() {
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
    }
}

/// A sidecar with these timeouts, and both ends of an upgraded connection through it.
async fn tunnel(timeouts: Timeouts) -> (sidecar::worker::Workers, TcpStream, TcpStream) {
    let (listener, target) = async_listener();
    let (workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let served = async {
        let (mut service, _) = within(listener.accept()).await.unwrap();
        assert!(service.read(&mut [0; 4096]).await.unwrap() > 0);
        service.write_all(AGREE).await.unwrap();
        service
    };
    let (client, service) = tokio::join!(upgrade(address), served);
    (workers, client, service)
}

/// Reads to the end; returns whether that was a reset.
async fn is_reset(stream: &mut TcpStream) -> bool {
    within(stream.read_to_end(&mut Vec::new())).await.is_err()
}

#[tokio::test]
async fn one_whose_client_has_finished_does_not_wait_for_a_silent_service_for_ever() {
    let timeouts = Timeouts { half_closed: Duration::from_millis(100), ..Timeouts::default() };
    let (workers, mut client, mut service) = tunnel(timeouts).await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    // The service can read that the client has finished; then it stays silent, and is cut off.
    while within(service.read_buf(&mut received)).await.is_ok_and(|read| read > 0) {}
    assert_eq!(received, b"last");

    assert!(is_reset(&mut client).await, "this must not look like the service's own end");
    let report = counted(&workers, "/live", |report| report.golden.hits == 1).await;
    assert_eq!((report.in_flight, workers.connections()), (0, 0));
}

#[tokio::test]
async fn one_whose_service_has_finished_does_not_wait_for_a_silent_client_for_ever() {
    let timeouts = Timeouts { half_closed: Duration::from_millis(100), ..Timeouts::default() };
    let (workers, mut client, mut service) = tunnel(timeouts).await;
    service.shutdown().await.unwrap();
    let _ = within(client.read_u8()).await.unwrap_err();

    assert!(is_reset(&mut service).await, "this must not look like the client's own end");
    counted(&workers, "/live", |report| report.golden.hits == 1 && report.in_flight == 0).await;
}

#[tokio::test]
async fn a_silent_one_is_ended_only_where_that_is_wanted() {
    let timeouts = Timeouts { tunnel: Some(Duration::from_millis(100)), ..Timeouts::default() };
    let (_workers, mut client, mut service) = tunnel(timeouts).await;
    let (_others, mut patient, mut waiting) = tunnel(Timeouts::default()).await;
    assert!(is_reset(&mut client).await && is_reset(&mut service).await);
    patient.write_all(b"?").await.unwrap();
    assert_eq!(within(waiting.read_u8()).await.unwrap(), b'?', "which has been silent for longer");
}

#[tokio::test]
async fn a_reset_of_one_end_is_no_proper_end_for_the_other() {
    let (workers, client, mut service) = tunnel(Timeouts::default()).await;
    client.set_zero_linger().unwrap();
    drop(client);
    assert!(is_reset(&mut service).await);

    let (others, mut client, service) = tunnel(Timeouts::default()).await;
    service.set_zero_linger().unwrap();
    drop(service);
    assert!(is_reset(&mut client).await);
    for workers in [workers, others] {
        counted(&workers, "/live", |report| report.golden.hits == 1 && report.in_flight == 0).await;
    }
}
