//! Tests that slow and silent clients lose their connections, and that probes are answered while such clients hold all places.

use std::time::Instant;
use tokio::net::TcpListener;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::*;

/// A limit that a busy machine always meets.
const SOON: Duration = Duration::from_secs(20);

const HOUR: Duration = Duration::from_secs(3600);

/// Limits without effective timeouts: only the number of places matters.
const PATIENT: PortLimits = PortLimits {
    connections: Bounds { all: 8, of_address: 8, reserve: 4 },
    head_within: HOUR,
    body_within: HOUR,
    write_within: HOUR,
    head_bytes_max: 16 << 10,
    lasts: None,
    probes: &["/livez"],
};

/// Serves within these limits while `story` runs.
async fn with<F: Future>(limits: PortLimits, story: impl FnOnce(SocketAddr) -> F) -> F::Output {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, drain) = (listener.local_addr().unwrap(), CancellationToken::new());
    let big = || async { vec![b'x'; 8 << 20] };
    let routes = Router::new()
        .route("/livez", get(|| async { "live\n" }))
        .route("/big", get(big))
        .route("/said", post(|said: String| async { said }));
    let serving = serve(listener, routes, limits, drain);
    tokio::select! {
        () = serving => panic!("it was not drained"),
        reported = tokio::time::timeout(SOON, story(address)) => reported.expect("it takes no longer"),
    }
}

async fn say(address: SocketAddr, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(words.as_bytes()).await.unwrap();
    stream
}

async fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = say(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Waits until the server closes the connection.
async fn closed(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn silent_connections_never_keep_a_probe_out() {
    with(PATIENT, |address| async move {
        let mut held = Vec::new();
        for _ in 0..50 {
            held.push(say(address, "GET /livez").await);
            assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
        }
    })
    .await;
}

#[tokio::test]
async fn slow_bodies_never_keep_a_probe_out() {
    with(PATIENT, |address| async move {
        let mut held = Vec::new();
        // Until only the reserve is left. A connection whose request has not been read yet gives
        // way to the next one.
        while !ask(address, "/said").await.starts_with("HTTP/1.1 503") {
            held.push(say(address, "POST /said HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf").await);
        }
        for _ in 0..20 {
            held.push(say(address, "").await);
            assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
        }
    })
    .await;
}

#[tokio::test]
async fn responses_that_are_not_read_never_keep_a_probe_out() {
    with(PATIENT, |address| async move {
        let mut held = Vec::new();
        for _ in 0..30 {
            held.push(say(address, &"GET /big HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50)).await);
            assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_head_a_body_and_a_reader_that_are_too_slow_end_their_connection() {
    let slow = Duration::from_millis(50);
    let limits = PortLimits { head_within: slow, body_within: slow, write_within: slow, ..PATIENT };
    with(limits, |address| async move {
        closed(say(address, "").await).await;
        closed(say(address, "GET /livez HTTP/1.1\r\nHost").await).await;
        let mut body = say(address, "POST /said HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf").await;
        let mut answer = String::new();
        body.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        // Reads nothing until the server has given up: then the response is incomplete.
        let reader = say(address, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let until = Instant::now() + SOON;
        while reader.writable().await.is_ok() && reader.try_write(b"GET").is_ok() {
            assert!(Instant::now() < until, "a response that is not read keeps its connection");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
