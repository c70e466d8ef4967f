//! Tests with real sockets that a sidecar starts and stops in the right order.

use std::time::Duration;

use proto::convert::live::Decoder;
use proto::wire::up;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::control_client::dial::StreamToken;
use crate::control_client::tests::control_plane::{Mesh, off};
use crate::sidecar::SidecarListeners;
use crate::sidecar::tests::world::{World, within};
use crate::socket::stream::KEEPALIVE;

pub(crate) mod world;

#[tokio::test]
async fn a_sidecar_alone_lets_traffic_in_and_counts_it() {
    let world = World::start(|_| {}).await;
    for _ in 0..3 {
        assert_eq!(world.get("/a?b=c").await.body, "ok");
    }
    assert_eq!(world.get("/status/404").await.status, 404);
    let stats: serde_json::Value = serde_json::from_str(&world.admin("/stats").await.body).unwrap();
    assert_eq!(stats["/a"]["hit"], 3, "{stats:#}");
    assert_eq!(stats["/a"]["pod"], "web-6c9f7d5b8-2kqxz");
    assert_eq!(stats["/a"]["history"].as_array().unwrap().len(), 3);
    let missing = &stats["/status/{id}"]["history"][0];
    assert_eq!((&missing["request"]["endpoint"], &missing["response"]["status"]), (&"/status/404".into(), &"404".into()));
    world.left().await;
}

#[tokio::test]
async fn traffic_waits_for_the_first_rules() {
    let mut mesh = Mesh::start().await;
    let world = World::start(|options| options.control_plane = Some(mesh.with(StreamToken::None))).await;
    let mut stream = mesh.next().await;
    stream.welcome().await;

    // Given a request that is already waiting, while the sidecar has been reporting for a while...
    let mut early = TcpStream::connect(world.traffic).await.unwrap();
    early.write_all(b"GET /export HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await.unwrap();
    for _ in 0..3 {
        assert_eq!(stream.report().await.endpoints.len(), 0);
    }
    // ...when the rules come, then the request meets them.
    stream.desire(1, vec![off("r1", "/export")]).await;
    let mut answer = String::new();
    within(early.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(early);
    assert_eq!(world.get("/other").await.status, 200);
    world.left().await;
}

#[tokio::test]
async fn a_control_plane_that_says_nothing_does_not_keep_traffic_out() {
    let mesh = Mesh::start().await;
    let world = World::start(|options| options.control_plane = Some(mesh.with(StreamToken::None))).await;
    assert_eq!(world.get("/").await.status, 200);
    world.left().await;
}

#[tokio::test]
async fn a_drain_lets_work_finish_and_says_the_last_numbers_and_goodbye() {
    let mut mesh = Mesh::start().await;
    let world = World::start(|options| {
        options.control_plane = Some(mesh.with(StreamToken::None));
        options.drain_grace = Duration::from_secs(1);
    })
    .await;
    let mut stream = mesh.welcomed().await;
    assert_eq!(world.admin("/readyz").await.status, 200);

    world.start_draining();
    let unready = world.admin("/readyz").await;
    assert_eq!((unready.status, unready.body.as_str()), (503, "draining\n"));
    assert_eq!(world.admin("/livez").await.status, 200);
    assert_eq!(world.get("/late").await.status, 200, "traffic is accepted for the grace");

    let traffic = world.traffic;
    let received = async move {
        let (mut hits, mut last, mut decoder) = (0, None, Decoder::default());
        while let Some(message) = stream.receive().await {
            if let up::Message::Live(live) = &message {
                hits += decoder.decode(live).unwrap().endpoints.iter().map(|endpoint| endpoint.golden.hits).sum::<u64>();
            }
            last = Some(message);
        }
        (hits, last)
    };
    let ((), (hits, last)) = tokio::join!(world.left(), received);
    assert_eq!(hits, 1);
    assert!(matches!(last, Some(up::Message::Bye(_))), "{last:?}");
    assert!(TcpStream::connect(traffic).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let why = SidecarListeners::bind("127.0.0.1:0".parse().unwrap(), address, KEEPALIVE).unwrap_err();
    assert_eq!(why.to_string(), format!("port {} on 127.0.0.1 is already in use", address.port()));
}

#[test]
fn accepted_connections_use_keepalive_and_send_at_once() {
    let listeners = SidecarListeners::bind("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap(), KEEPALIVE).unwrap();
    let _client = std::net::TcpStream::connect(listeners.traffic.local_addr().unwrap()).unwrap();
    listeners.traffic.set_nonblocking(false).unwrap();
    let (accepted, _) = listeners.traffic.accept().unwrap();
    let accepted = socket2::SockRef::from(&accepted);
    assert!(accepted.keepalive().unwrap() && accepted.tcp_nodelay().unwrap());
    assert_eq!(accepted.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    #[cfg(target_os = "linux")]
    assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(120)));
    for extreme in [Duration::ZERO, Duration::from_secs(24 * 3600)] {
        SidecarListeners::bind("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap(), extreme).unwrap();
    }
}
