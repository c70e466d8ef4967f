//! Tests of the paths and methods of the admin port, and of its limits.

use std::time::Duration;

use exposition::format::Format;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::export::admin::LIMITS;
use crate::sidecar::tests::world::{World, ask, within};

#[tokio::test]
async fn the_admin_port_knows_its_paths_and_methods() {
    let world = World::start(|_| {}).await;
    world.get("/users/42").await;
    for (path, status) in [("/livez", 200), ("/healthz", 200), ("/readyz", 200), ("/stats", 200), ("/", 404), ("/livez/", 404)] {
        assert_eq!(world.admin(path).await.status, status, "{path}");
    }
    let head = ask(world.admin, "HEAD", "/livez").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for method in ["POST", "DELETE"] {
        assert_eq!(ask(world.admin, method, "/stats").await.status, 405, "{method}");
    }
    let answer = world.admin("/metrics").await;
    assert!(answer.head.contains(Format::Text.content_type()), "{}", answer.head);
    let line = "\nhttp_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/users/{id}\"} 1\n";
    assert!(answer.body.contains(line), "{}", answer.body);
    world.left().await;
}

#[tokio::test]
async fn metrics_are_compressed_for_those_that_ask() {
    let world = World::start(|_| {}).await;
    for (asked, answered) in [("Accept-Encoding: gzip\r\n", true), ("", false)] {
        let mut stream = within(TcpStream::connect(world.admin)).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{asked}Connection: close\r\n\r\n");
        within(stream.write_all(request.as_bytes())).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(answer.contains("content-encoding: gzip"), answered, "{answer}");
        assert_ne!(answer.contains("# TYPE"), answered, "{answer}");
    }
    world.left().await;
}

#[tokio::test]
async fn a_service_that_is_not_there_makes_the_pod_unready_but_not_dead() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::start(|options| options.proxy.target = gone.into()).await;
    let unready = world.admin("/readyz").await;
    assert_eq!(unready.status, 503);
    assert!(unready.body.starts_with(&format!("the service on {gone} does not accept connections")), "{}", unready.body);
    assert_eq!(world.admin("/livez").await.status, 200);
    world.left().await;
}

/// Silent connections: about ten times as many as the port has slots.
const SILENT: usize = 300;

#[test]
fn a_head_has_two_seconds_and_one_address_half_of_the_connections() {
    assert_eq!(LIMITS.head_within, Duration::from_secs(2));
    assert_eq!((LIMITS.connections.of_address, LIMITS.connections.all), (16, 32));
}

#[tokio::test]
async fn silent_connections_never_fail_a_probe() {
    let world = World::start(|_| {}).await;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(within(TcpStream::connect(world.admin)).await.unwrap());
    }
    for round in 0..12 {
        assert_eq!(world.admin("/livez").await.status, 200, "probe {round}");
        silent.push(within(TcpStream::connect(world.admin)).await.unwrap());
    }
    // All are closed: some because others needed the slot, the rest because they never sent a request.
    for mut stream in silent {
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
    }
    world.left().await;
}

#[tokio::test]
async fn responses_that_are_not_read_never_fail_a_probe() {
    let world = World::start(|_| {}).await;
    let mut unread = Vec::new();
    for _ in 0..SILENT {
        let mut stream = within(TcpStream::connect(world.admin)).await.unwrap();
        // The port may close it at any time.
        let _ = within(stream.write_all("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100).as_bytes())).await;
        unread.push(stream);
    }
    for round in 0..12 {
        assert_eq!(world.admin("/livez").await.status, 200, "probe {round}");
    }
    world.left().await;
}
