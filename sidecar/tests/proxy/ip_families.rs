//! Tests of services on Unix sockets, and of IPv6 on both sides.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};

use sidecar::exchange::options::ProxyOptions;
use sidecar::sidecar::SidecarListeners;
use sidecar::target::ServiceAddr;
use sidecar::timeouts::Timeouts;
use sidecar::worker::Workers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::support::{PATIENCE, counted, sidecar, within};

/// Answers one request with the request itself, and waits until its caller has closed.
async fn answer_once(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut head = vec![0; 4096];
    let length = stream.read(&mut head).await.unwrap();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.write_all(&head[..length]).await.unwrap();
    let _ = stream.read(&mut head).await;
}

async fn ask(address: SocketAddr, request: &'static str) -> String {
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn a_service_on_a_unix_socket_is_reached_and_named_localhost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let mut service = JoinSet::new();
    service.spawn(async move {
        loop {
            answer_once(listener.accept().await.unwrap().0).await;
        }
    });
    let (workers, address) = sidecar(ServiceAddr::Unix(path)).await;

    let answer = within(ask(address, "GET /a HTTP/1.0\r\n\r\n")).await;

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("GET /a HTTP/1.1\r\nHost: localhost\r\n"), "{answer}");
    counted(&workers, "/a", |report| report.golden.hits == 1).await;
}

#[tokio::test]
async fn a_missing_unix_socket_is_named_in_the_error() {
    let (_workers, address) = sidecar("unix:/nowhere/app.sock".parse::<ServiceAddr>().unwrap()).await;
    let answer = within(ask(address, "GET / HTTP/1.0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("unix:/nowhere/app.sock"), "{answer}");
}

#[tokio::test]
async fn a_port_alone_is_found_on_either_loopback_and_both_are_named_where_neither_answers() {
    let listener = tokio::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (workers, address) = sidecar(ServiceAddr::Loopback(port)).await;
    let mut service = JoinSet::new();
    service.spawn(async move { answer_once(listener.accept().await.unwrap().0).await });
    let answer = within(ask(address, "GET /six HTTP/1.0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    counted(&workers, "/six", |report| report.golden.hits == 1).await;

    service.shutdown().await;
    let answer = within(ask(address, "GET / HTTP/1.0\r\n\r\n")).await;
    let both = format!("does not listen at 127.0.0.1:{port} or [::1]:{port}.");
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains(&both), "{answer}");
}

#[tokio::test]
async fn both_ends_speak_ipv6_and_the_address_that_means_all_means_ipv4_too() {
    let listener = tokio::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    let target: ServiceAddr = format!("[::1]:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let mut service = JoinSet::new();
    service.spawn(async move {
        loop {
            answer_once(listener.accept().await.unwrap().0).await;
        }
    });
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let listeners = SidecarListeners::bind(any, any, Timeouts::default().keepalive).unwrap();
    let port = listeners.traffic.local_addr().unwrap().port();
    let workers = Workers::start(1, listeners.traffic, ProxyOptions::new(target)).unwrap();
    workers.open().await;

    for address in [SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from(([127, 0, 0, 1], port))] {
        let answer = within(ask(address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{address}: {answer}");
    }
}
