//! Tests that the settings of both sides are obeyed, unusual ones and changes under way included.

use bytes::Bytes;

use crate::client::{Client, Innocent, head};
use crate::service::{Connection, Plan, Script, Seen, Service};
use crate::support::sidecar;
use crate::wire::INITIAL_WINDOW_SIZE;

/// SETTINGS_HEADER_TABLE_SIZE.
const HEADER_TABLE_SIZE: u16 = 0x1;

/// No compression table, and streams that carry one byte at a time.
const MEAN: [(u16, u32); 2] = [(HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, 1)];

#[tokio::test]
async fn a_window_of_one_byte_and_no_compression_table_only_cost_time() {
    let service = Service::start(Script { settings: MEAN.to_vec(), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect_with(address, &MEAN);
    for _ in 0..3 {
        let stream = client.post("/small", &[b'x'; 500]);
        assert_eq!(client.answer(stream).text(), "POST /small 500");
    }
    innocent.finish();
}

#[tokio::test]
async fn a_window_that_is_taken_back_stops_a_response_until_it_is_given_again() {
    const BODY_BYTES: usize = 1_000_000;
    let large: Bytes = vec![b'x'; BODY_BYTES].into();
    let asked = move |_: &mut Connection, seen: &Seen| (seen.path() == "/large").then(|| Plan::Body(large.clone()));
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect_with(address, &[(INITIAL_WINDOW_SIZE, 50_000)]);
    let stream = client.get("/large");
    client.read_until(|client| client.answers[&stream].body.len() >= 10_000);

    // What was given back meanwhile is more than what is taken back, so some of it still arrives.
    client.wire.settings(&[(INITIAL_WINDOW_SIZE, 0)]);
    let other = client.get("/other");
    client.read_until(|client| client.answers[&other].status() == 200);
    assert!(client.answers[&other].body.is_empty(), "a head needs no window, and a body does");
    client.wire.settings(&[(INITIAL_WINDOW_SIZE, 100_000)]);

    assert_eq!(client.answer(other).text(), "GET /other 0");
    let answer = client.answer(stream);
    assert!(answer.is_whole && answer.body.len() == BODY_BYTES, "{}", answer.body.len());
    innocent.finish();
}

#[tokio::test]
async fn heads_of_many_frames_pass_in_both_directions() {
    let asked = |connection: &mut Connection, seen: &Seen| {
        let value = crate::wire::value(&seen.fields, "large")?.to_owned();
        connection.wire.head(seen.stream, &[(":status", "200"), ("large", &value)], true);
        Some(Plan::Scripted)
    };
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let large = "v".repeat(50_000);
    let mut fields = head("GET", "/large").to_vec();
    fields.push(("large", &large));
    let stream = client.request(&fields, true);
    assert!(client.answer(stream).field("large") == large);
    innocent.finish();
}
