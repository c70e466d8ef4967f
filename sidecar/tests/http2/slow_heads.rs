//! Tests of clients whose first frames, or whose heads, do not arrive: their connections end after the timeout.

use std::time::Duration;

use http2::error_code::ErrorCode;
use http2::frame::PREFACE;
use mesh::refusal::RefusalReason;
use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;

use crate::client::{Client, Innocent, head};
use crate::service::{Script, Service};
use crate::support::sidecar_with;

/// An empty SETTINGS frame.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// A HEADERS frame of stream 1 without END_HEADERS: the field block goes on.
const HALF_A_BLOCK: &[u8] = b"\0\0\x02\x01\x01\0\0\0\x01\x82\x86";

/// The header of a HEADERS frame, and a part of what it announces.
const HALF_A_FRAME: &[u8] = b"\0\x01\0\x01\x05\0\0\0\x01\x82";

#[tokio::test]
async fn a_head_that_does_not_arrive_ends_its_connection_and_no_other() {
    let service = Service::start(Script::default());
    let timeouts = Timeouts { head: Duration::from_millis(300), ..Timeouts::default() };
    let (workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(service.address) }).await;
    let mut innocent = Innocent::begin(address);
    let cases: [&[&[u8]]; 5] = [
        &[PREFACE],
        &[PREFACE, &SETTINGS[..4]],
        &[PREFACE, SETTINGS, HALF_A_BLOCK],
        &[PREFACE, SETTINGS, HALF_A_FRAME],
        &[PREFACE, SETTINGS, &HALF_A_BLOCK[..3]],
    ];
    for (number, pieces) in cases.into_iter().enumerate() {
        let mut client = Client::silent(address);
        assert!(client.wire.send(&pieces.concat()));
        client.read_to_end();
        assert_eq!(client.go_away.map(|(_, code)| code), Some(ErrorCode::ENHANCE_YOUR_CALM.0), "case {number}");
        assert_eq!(workers.counters().refusals()[RefusalReason::Timeout], number as u64 + 1);
        innocent.expect_served();
    }
    innocent.finish();
}

#[tokio::test]
async fn calls_under_way_do_not_extend_the_time_of_a_head_and_the_pieces_of_one_neither() {
    let service = Service::start(Script::default());
    let timeouts = Timeouts { head: Duration::from_millis(300), ..Timeouts::default() };
    let (_workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(service.address) }).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    client.get("/begin");
    service.wait_for("/begin", 1);
    let stream = client.open();
    let block = client.wire.block_of(&head("GET", "/never"));
    let frame = |kind: u8, piece: &[u8]| [&[0, 0, piece.len() as u8, kind, 0, 0, 0, 0, stream as u8], piece].concat();
    let mut pieces = block.chunks(1).cycle();
    assert!(client.wire.send(&frame(1, pieces.next().unwrap())));
    let mut sent = 0;
    // One CONTINUATION after another, as slowly as the other client is served; each has one byte.
    let mut other = Client::connect(address);
    while client.wire.send(&frame(9, pieces.next().unwrap())) && sent < 60 {
        sent += 1;
        (0..20).for_each(|_| assert_eq!(other.ask("/other").status(), 200));
    }
    client.read_to_end();
    assert!(service.log(|log| log.for_path("/never").is_empty()));
    service.wait("the call of the attacker has ended", |log| {
        let call = log.for_path("/begin")[0];
        call.reset.is_some() || log.ended.contains(&call.connection)
    });
    innocent.finish();
}
