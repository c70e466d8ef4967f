//! Tests of floods of frames: each ends the connection of its sender, and no other client notices.

use http2::frame::PREFACE;

use crate::client::{Client, Innocent};
use crate::service::{Log, Script, Service};
use crate::support::sidecar;

/// Frames of one attack. It is over long before, if it is stopped.
const FRAMES_MAX: usize = 400_000;

/// Frames of one write.
const BATCH: usize = 1000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Sends the same frames, and reads until the connection has ended, which it does not before it is stopped. What is sent
/// after that may still find room in the sockets, so it is not counted.
fn flood(client: &mut Client, frame: &[u8]) {
    let batch = frame.repeat(BATCH);
    let mut sent = 0;
    while sent < FRAMES_MAX && client.wire.send(&batch) {
        sent += BATCH;
    }
    client.read_to_end();
}

/// The frames end the connection of a client that has a request under way on stream 1.
async fn expect_stopped(flooding: &[u8]) {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    let mut innocent = Innocent::begin(address);
    let mut attacker = Client::connect(address);
    let stream = attacker.request(&crate::client::head("POST", "/silence/attacker"), false);
    assert_eq!(stream, 1);
    service.wait_for("/silence/attacker", 1);

    flood(&mut attacker, flooding);

    innocent.expect_served();
    let is_given_up = |log: &Log| {
        let call = log.for_path("/silence/attacker")[0];
        call.reset.is_some() || log.ended.contains(&call.connection)
    };
    service.wait("the attacker's request is given up", is_given_up);
    innocent.finish();
}

#[tokio::test]
async fn a_flood_of_ping_ends_its_connection_alone() {
    expect_stopped(&frame(6, 0, 0, b"8 bytes.")).await;
}

#[tokio::test]
async fn a_flood_of_settings_ends_its_connection_alone() {
    expect_stopped(&frame(4, 0, 0, &[0, 4, 0, 1, 0, 0])).await;
}

#[tokio::test]
async fn a_flood_of_acknowledgements_ends_its_connection_alone() {
    expect_stopped(&frame(4, 1, 0, b"")).await;
}

#[tokio::test]
async fn a_flood_of_empty_data_ends_its_connection_alone() {
    expect_stopped(&frame(0, 0, 1, b"")).await;
}

#[tokio::test]
async fn a_flood_of_padding_ends_its_connection_alone() {
    expect_stopped(&frame(0, 8, 1, &[7, 0, 0, 0, 0, 0, 0, 0])).await;
}

#[tokio::test]
async fn a_flood_of_window_updates_ends_its_connection_alone() {
    expect_stopped(&frame(8, 0, 1, &[0, 0, 0, 1])).await;
}

#[tokio::test]
async fn a_flood_of_window_updates_of_the_connection_ends_it_alone() {
    expect_stopped(&frame(8, 0, 0, &[0, 0, 0, 1])).await;
}

#[tokio::test]
async fn a_flood_of_priority_ends_its_connection_alone() {
    expect_stopped(&frame(2, 0, 1, &[0, 0, 0, 3, 9])).await;
}

#[tokio::test]
async fn a_flood_of_unknown_frames_ends_its_connection_alone() {
    expect_stopped(&frame(0xbe, 0, 1, b"?")).await;
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection_alone() {
    expect_stopped(&frame(3, 0, 1, &[0, 0, 0, 8])).await;
}

#[tokio::test]
async fn a_flood_of_continuations_ends_its_connection_alone() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    for payload in [&b""[..], b"\0\x01a\x01b"] {
        let innocent = Innocent::begin(address);
        let mut attacker = Client::connect(address);
        assert!(attacker.wire.send(&frame(1, 1, 1, b"\x82\x86\x84")));
        flood(&mut attacker, &frame(9, 0, 1, payload));
        innocent.finish();
    }
    assert!(service.log(|log| log.for_path("/").iter().all(|seen| seen.path() != "/")), "its request was not sent");
}

#[tokio::test]
async fn a_flood_of_requests_and_resets_ends_its_connection_alone() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    let mut innocent = Innocent::begin(address);
    let mut attacker = Client::connect(address);
    let mut rounds = 0;
    loop {
        let stream = attacker.open();
        attacker.answers.remove(&stream);
        let block = attacker.wire.block_of(&crate::client::head("GET", "/silence/attacker"));
        let pair = [frame(1, 5, stream, &block), frame(3, 0, stream, &[0, 0, 0, 8])].concat();
        if !attacker.wire.send(&pair) {
            break;
        }
        rounds += 1;
        assert!(rounds < FRAMES_MAX, "never stopped");
        if rounds % BATCH == 0 {
            innocent.expect_served();
        }
    }
    innocent.finish();
}

#[tokio::test]
async fn a_client_that_makes_the_sidecar_reset_its_streams_is_stopped_too() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut attacker = Client::connect(address);
    let mut rounds = 0;
    loop {
        let stream = attacker.open();
        attacker.answers.remove(&stream);
        let block = attacker.wire.block_of(&crate::client::head("GET", "/silence/attacker"));
        // WINDOW_UPDATE of zero is an error of the stream.
        if !attacker.wire.send(&[frame(1, 5, stream, &block), frame(8, 0, stream, &[0; 4])].concat()) {
            break;
        }
        rounds += 1;
        assert!(rounds < FRAMES_MAX, "never stopped");
    }
    innocent.finish();
}

#[tokio::test]
async fn a_faulty_first_frame_ends_its_connection_alone() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    for first in [frame(6, 0, 0, b"8 bytes."), frame(1, 5, 1, b"\x82\x86\x84"), frame(4, 1, 0, b""), frame(4, 0, 0, b"five.")] {
        let innocent = Innocent::begin(address);
        let mut attacker = Client::silent(address);
        assert!(attacker.wire.send(&[&PREFACE[..], &first].concat()));
        attacker.read_to_end();
        innocent.finish();
    }
}
