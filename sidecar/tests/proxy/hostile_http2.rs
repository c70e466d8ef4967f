//! Attacks on HTTP/2: each is stopped, costs the sidecar little, and does not affect other clients.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::Reason;
use hyper::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http2::{Client, service};
use crate::support::{PATIENCE, sidecar, within};

/// More than any limit: an attack that gets this far has worked.
const ROUNDS_MAX: usize = 50_000;

const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn innocent_is_served(address: SocketAddr) {
    assert_eq!(Client::connect(address).await.get("/innocent").await.unwrap().status(), 200);
}

/// A frame of that type on stream 1.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    frame.extend_from_slice(payload);
    frame
}

/// The head of a GET as HPACK, all of it from the static table except the authority.
const GET: &[u8] = b"\x82\x86\x84\x41\x04shop";

/// Writes all pieces, unless the other side ends the connection before; returns whether it did.
async fn is_stopped(mut stream: TcpStream, pieces: impl Iterator<Item = Vec<u8>>) -> bool {
    let (mut from, mut to) = stream.split();
    let write = async {
        for piece in pieces.take(ROUNDS_MAX) {
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    tokio::select! {
        () = write => false,
        _ = within(from.read_to_end(&mut said)) => true,
    }
}

#[tokio::test]
async fn rapid_reset_ends_the_attacker_s_connection_alone() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut attacker = Client::connect(address).await;
    let mut rounds = 0;
    while rounds < ROUNDS_MAX {
        if within(std::future::poll_fn(|cx| attacker.requests.poll_ready(cx))).await.is_err() {
            break;
        }
        let request = Request::get("http://shop/silent").body(()).unwrap();
        let Ok((_, mut stream)) = attacker.requests.send_request(request, false) else { break };
        stream.send_reset(Reason::CANCEL);
        rounds += 1;
        if rounds % 100 == 0 {
            innocent_is_served(address).await;
        }
    }
    assert!(rounds < ROUNDS_MAX, "the attacker was never stopped");
    innocent_is_served(address).await;
}

#[tokio::test]
async fn asking_and_taking_back_at_leisure_ends_the_connection_too() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut attacker = Client::connect(address).await;
    for round in 0.. {
        assert!(round < 2000, "the attacker was never stopped");
        let request = Request::get("http://shop/silent").body(()).unwrap();
        if within(std::future::poll_fn(|cx| attacker.requests.poll_ready(cx))).await.is_err() {
            break;
        }
        let Ok((response, mut stream)) = attacker.requests.send_request(request, false) else { break };
        if within(response).await.is_err() {
            break;
        }
        stream.send_reset(Reason::CANCEL);
    }
    innocent_is_served(address).await;
}

#[tokio::test]
async fn a_flood_of_continuations_is_cut_off() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    stream.write_all(&frame(1, 0, GET)).await.unwrap();
    // Fields without indexing, so that nothing is kept but the head itself.
    let field = b"\0\x01a\x7f\x81\x07".iter().copied().chain([b'b'; 1024]).collect::<Vec<u8>>();
    let continuations = std::iter::repeat_with(|| frame(9, 0, &field));
    assert!(is_stopped(stream, continuations).await, "the flood was never stopped");
    innocent_is_served(address).await;
}

#[tokio::test]
async fn a_flood_of_empty_continuations_is_cut_off() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    stream.write_all(&frame(1, 0, GET)).await.unwrap();
    assert!(is_stopped(stream, std::iter::repeat_with(|| frame(9, 0, b""))).await, "never stopped");
    innocent_is_served(address).await;
}

#[tokio::test]
async fn a_head_that_unfolds_to_megabytes_is_refused() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    // One field of 3,000 bytes enters the table, and is then referenced 10,000 times by one byte each.
    let mut head = GET.to_vec();
    head.extend_from_slice(b"\x40\x01a\x7f\xb9\x16");
    head.extend_from_slice(&[b'b'; 3000]);
    head.extend_from_slice(&[0xbe; 10_000]);
    stream.write_all(&frame(1, 0x5, &head)).await.unwrap();

    let (mut answer, mut seen) = ([0; 4096], Vec::new());
    let is_refused = |seen: &[u8]| {
        let mut rest = seen;
        while let [a, b, c, kind, _, _, _, _, id, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            // A response on the stream (431, so no body), its reset, or the end of the connection.
            if (*kind == 1 && *id == 1) || matches!(kind, 3 | 7) {
                return true;
            }
            rest = after.get(length..).unwrap_or_default();
        }
        false
    };
    while !is_refused(&seen) {
        match within(stream.read(&mut answer)).await {
            Ok(0) | Err(_) => break,
            Ok(read) => seen.extend_from_slice(&answer[..read]),
        }
    }
    assert!(!String::from_utf8_lossy(&seen).contains("keep-me"), "the service was asked");
    innocent_is_served(address).await;
}

#[tokio::test]
async fn a_body_that_the_service_does_not_read_is_held_back_at_its_sender() {
    const BYTES_MAX: usize = 1024 * 1024;
    const HELD_BYTES_MIN: usize = 64 * 1024;
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let request = Request::post("http://shop/silent").body(()).unwrap();
    let (response, mut body) = client.requests.send_request(request, false).unwrap();
    within(response).await.unwrap();

    let mut sent = 0;
    loop {
        body.reserve_capacity(16 * 1024);
        let capacity = std::future::poll_fn(|cx| body.poll_capacity(cx));
        // A granted window arrives sooner or later; after that, a short silence shows that no more is granted.
        let wait = if sent < HELD_BYTES_MIN { PATIENCE } else { std::time::Duration::from_millis(500) };
        let Ok(Some(Ok(bytes))) = tokio::time::timeout(wait, capacity).await else { break };
        body.send_data(Bytes::from(vec![b'x'; bytes]), false).unwrap();
        sent += bytes;
        assert!(sent < BYTES_MAX, "more is taken than the service reads");
    }
    assert!(sent >= HELD_BYTES_MIN, "{sent}");
    innocent_is_served(address).await;
}

#[tokio::test]
async fn unread_streams_do_not_delay_the_others() {
    let (target, _service) = service();
    let (_workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let mut held = Vec::new();
    for _ in 0..90 {
        held.push(client.get("/silent").await.unwrap());
    }
    assert_eq!(client.get("/quick").await.unwrap().status(), 200);
    innocent_is_served(address).await;
}
