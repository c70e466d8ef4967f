//! Tests of connections that are not HTTP: either side may speak first, bytes pass unchanged, connections are counted.

use std::net::SocketAddr;

use sidecar::exchange::options::ProxyOptions;
use sidecar::protocol::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{async_listener, counted, listener, sidecar, sidecar_with, turn_off, within};

/// A service that sends its greeting, if it has one, and then echoes until its caller has finished.
fn echo(greeting: &'static [u8]) -> (SocketAddr, JoinSet<()>) {
    let (listener, address) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                stream.write_all(greeting).await.unwrap();
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.write_all(b"bye").await;
            });
        }
    });
    (address, service)
}

async fn describe(target: SocketAddr, protocol: Protocol) -> (sidecar::worker::Workers, SocketAddr) {
    sidecar_with(ProxyOptions { protocol, ..ProxyOptions::new(target) }).await
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    within(stream.read_exact(&mut read)).await.unwrap();
    read
}

async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest)).await.unwrap();
    rest
}

/// Whether a connection is reset; it may be gone even before its client has completed the connect.
async fn is_reset(address: SocketAddr) -> bool {
    let connection = async { TcpStream::connect(address).await?.read(&mut [0; 8]).await };
    within(connection).await.is_err()
}

#[tokio::test]
async fn a_server_first_protocol_passes_at_once_if_tcp_is_configured() {
    let (target, _service) = echo(b"220 mail\r\n");
    let (workers, address) = describe(target, Protocol::Tcp).await;
    let mut client = TcpStream::connect(address).await.unwrap();

    assert_eq!(read(&mut client, 10).await, b"220 mail\r\n");
    counted(&workers, "/", |report| report.in_flight == 1).await;
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut client, 18).await, b"GET / HTTP/1.1\r\n\r\n");
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"bye", "the other half stays open");

    let report = counted(&workers, "/", |report| report.golden.hits == 1).await;
    assert_eq!((report.endpoint.to_string().as_str(), report.in_flight), ("TCP /", 0));
    assert_eq!((report.golden.bytes_in, report.golden.bytes_out), (18, 31));
    assert_eq!((report.golden.statuses(), report.golden.failed), (&[(0, 1)][..], 0));
}

#[tokio::test]
async fn a_server_first_protocol_is_detected() {
    let (target, _service) = echo(b"220 mail\r\n");
    let (workers, address) = sidecar(target).await;
    let mut client = TcpStream::connect(address).await.unwrap();

    assert_eq!(read(&mut client, 10).await, b"220 mail\r\n");
    client.write_all(b"EHLO me\r\n").await.unwrap();
    assert_eq!(read(&mut client, 9).await, b"EHLO me\r\n");
    drop(client);
    counted(&workers, "/", |report| report.golden.hits == 1 && report.endpoint.method() == "TCP").await;

    // From then on the service is dialled at once, and a client that sends first still works.
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"NICK me\r\n").await.unwrap();
    assert_eq!(read(&mut client, 19).await, b"220 mail\r\nNICK me\r\n");
}

#[tokio::test]
async fn bytes_that_cannot_be_http_pass_as_they_are() {
    let (target, _service) = echo(b"");
    let (_workers, address) = sidecar(target).await;
    for hello in [&b"\x16\x03\x01\x02\0\x01\0\x01"[..], b"\0\0\0\x08\x04\xd2\x16\x2f", b"*1\r\n$4\r\nPING\r\n", b"SSH-2.0-x\r\n"]
    {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(hello).await.unwrap();
        assert_eq!(read(&mut client, hello.len()).await, hello);
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, b"bye");
    }
}

#[tokio::test]
async fn a_big_stream_passes_whole_while_its_sender_is_faster_than_its_reader() {
    const BYTES: usize = 20 * 1024 * 1024;
    let (target, _service) = echo(b"");
    let (workers, address) = describe(target, Protocol::Tcp).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut from, mut to) = client.split();
    let sent: Vec<u8> = (0..BYTES).map(|at| (at * 7 % 253) as u8).collect();

    let upload = async {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut echoed = Vec::new();
    within(async { tokio::join!(upload, async { from.read_to_end(&mut echoed).await.unwrap() }) }).await;

    assert!(echoed.strip_suffix(b"bye").is_some_and(|echoed| echoed == sent), "{} bytes came back", echoed.len());
    counted(&workers, "/", |report| report.golden.bytes_in == BYTES as u64).await;
}

#[tokio::test]
async fn a_request_that_is_malformed_is_refused_and_not_tunnelled() {
    let (target, _service) = echo(b"");
    let (_workers, address) = sidecar(target).await;
    for hostile in
        ["GET\t/ HTTP/1.1\r\n\r\n", " GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "get\r\n", "\x01 / HTTP/1.1\r\n"]
    {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(hostile.as_bytes()).await.unwrap();
        let answer = rest(&mut client).await;
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{hostile:?}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn an_http_service_never_receives_unparsed_bytes() {
    let (listener, target) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
        }
    });
    let (workers, address) = sidecar(target).await;
    for round in 0..2 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"\x01\r\nGET /off HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let answer = String::from_utf8_lossy(&rest(&mut client).await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("secret"), "{round}: {answer}");
    }
    let hits = counted(&workers, "/", |report| report.golden.hits > 0).await.golden.hits;
    assert_eq!(hits, 1, "the second one was refused before the service saw it");
}

#[tokio::test]
async fn what_is_no_http_is_refused_where_only_http_is_wanted() {
    let (target, _service) = echo(b"");
    let (_workers, address) = describe(target, Protocol::Http).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"\x16\x03\x01\x02\0\x01\0\x01").await.unwrap();
    assert!(rest(&mut client).await.starts_with(b"HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_connection_can_be_turned_off_like_any_endpoint() {
    let (target, _service) = echo(b"hello");
    let (workers, address) = describe(target, Protocol::Tcp).await;
    turn_off(&workers, "TCP", "/").await;
    assert!(is_reset(address).await);
    let report = counted(&workers, "/", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.by_rule, report.golden.bytes_out), (1, 0));
}

#[tokio::test]
async fn a_service_that_is_not_there_fails_the_connection() {
    let (listener, target) = listener();
    drop(listener);
    let (workers, address) = describe(target, Protocol::Tcp).await;
    assert!(is_reset(address).await);
    let report = counted(&workers, "/", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (1, &[(502, 1)][..]));
}

#[tokio::test]
async fn a_downstream_that_waits_before_it_asks_loses_nothing() {
    let (listener, target) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
        let _ = stream.read(&mut head).await;
    });
    let (_workers, address) = sidecar(target).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    // The service is dialled while the client is silent; it accepts only this one connection.
    assert!(tokio::time::timeout(std::time::Duration::from_millis(900), client.readable()).await.is_err());
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.ends_with(b"\r\n\r\nhi"), "{}", String::from_utf8_lossy(&answer));
}
