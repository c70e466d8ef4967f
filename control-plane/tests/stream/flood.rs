//! Tests of slow, silent and greedy clients on both ports: probes are answered while they hold all connections they can get.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::TestControlPlane;

/// Connections of an attack: more than the port admits.
const CONNECTIONS: usize = 1100;

/// A limit that two busy cores always meet.
const SOON: Duration = Duration::from_secs(60);

/// Longer than a connection may be silent, plus the time that two busy cores need to close it.
const CLOSED_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test]
async fn probes_are_answered_while_slow_bodies_hold_all_places() {
    let body = "POST /api/v1/rules HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{";
    assert_probes_are_answered(body.as_bytes(), CONNECTIONS).await;
}

#[tokio::test]
async fn probes_are_answered_while_unread_pipelines_hold_all_places() {
    assert_probes_are_answered("GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100).as_bytes(), CONNECTIONS).await;
}

#[tokio::test]
async fn probes_are_answered_while_silent_connections_hold_all_places() {
    assert_probes_are_answered(b"GET /", 5 * CONNECTIONS).await;
}

#[tokio::test]
async fn probes_are_answered_while_readers_of_events_hold_all_places() {
    assert_probes_are_answered(b"GET /events?page=overview HTTP/1.1\r\nHost: a\r\n\r\n", 2 * CONNECTIONS).await;
}

#[tokio::test]
async fn a_connection_for_sidecars_on_which_nothing_is_said_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(server.grpc).await.unwrap());
        let mut prefaced = TcpStream::connect(server.grpc).await.unwrap();
        prefaced.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        silent.push(prefaced);
    }
    let sidecar = server.attach("shop", "good").await;
    server.wait_for_pod("good").await;
    let all = async {
        for mut stream in silent {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    };
    tokio::time::timeout(CLOSED_WITHIN, all).await.expect("every silent connection is closed");
    server.wait_for_pod("good").await;
    drop(sidecar);
    server.stop().await;
}

/// Opens this many connections that send only these bytes, half of them from another address, and
/// probes meanwhile.
async fn assert_probes_are_answered(words: &[u8], connections: usize) {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut held = Vec::new();
    for number in 0..connections {
        let mut stream = connect(server.http, 1 + (number % 2) as u8).await;
        // The port may close it at any time.
        let _ = stream.write_all(words).await;
        held.push(stream);
        if number % 100 == 0 {
            assert_answers(server.http).await;
        }
    }
    for _ in 0..20 {
        assert_answers(server.http).await;
        held.push(connect(server.http, 1).await);
    }
    drop(held);
    server.stop().await;
}

async fn connect(to: SocketAddr, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn assert_answers(http: SocketAddr) {
    let probe = async {
        let mut stream = connect(http, 3).await;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(SOON, probe).await.expect("a probe is answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
