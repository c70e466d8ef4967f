//! Tests of limits on streams: those of the service are kept without waiting, and the sidecar's own refuse at once.

use http2::error_code::ErrorCode;
use sidecar::exchange::options::ProxyOptions;

use crate::client::{Client, Innocent};
use crate::service::{Connection, Log, Plan, Script, Seen, Service};
use crate::support::{sidecar, sidecar_with};
use crate::wire::MAX_CONCURRENT_STREAMS;

/// The limit of the service.
const STREAMS: usize = 100;

fn limited() -> Script {
    Script { settings: vec![(MAX_CONCURRENT_STREAMS, STREAMS as u32)], ..Script::default() }
}

/// The most requests that one connection to the service has carried at once. None of them was answered.
fn most_on_one_connection(service: &Service, path: &str) -> usize {
    let on = |log: &Log, number| log.for_path(path).iter().filter(|seen| seen.connection == number).count();
    service.log(|log| (0..log.connections).map(|number| on(log, number)).max().unwrap_or_default())
}

#[tokio::test]
async fn calls_that_hang_reach_a_service_with_a_limit_of_streams_and_delay_no_other_client() {
    let service = Service::start(limited());
    let (_workers, address) = sidecar(service.address).await;
    let mut innocent = Innocent::begin(address);
    let mut clients: Vec<Client> = (0..6).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        for _ in 0..60 {
            client.get("/silence");
        }
        innocent.expect_served();
    }
    service.wait_for("/silence", 360);
    assert!(most_on_one_connection(&service, "/silence") <= STREAMS);
    innocent.finish();
}

#[tokio::test]
async fn a_client_with_more_calls_than_the_service_allows_gets_a_second_connection() {
    let service = Service::start(limited());
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    for _ in 0..150 {
        client.get("/silence");
    }
    service.wait_for("/silence", 150);
    assert_eq!(most_on_one_connection(&service, "/silence"), STREAMS);
    assert_eq!(client.ask("/quick").status(), 200);
    innocent.finish();
    let connections = service.log(|log| log.connections);
    assert_eq!(connections, 3, "one of the innocent client, and two of the other");
}

#[tokio::test]
async fn three_hundred_streaming_calls_on_one_channel_all_begin() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let calls: Vec<u32> = (0..300).map(|_| client.get("/begin")).collect();
    client.read_until(|client| calls.iter().all(|call| client.answers[call].text() == "begun"));
    assert!(calls.iter().all(|call| !client.answers[call].is_over()));
    innocent.finish();
}

#[tokio::test]
async fn a_stream_over_the_sidecar_s_limit_is_refused_at_once_and_the_others_go_on() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar_with(ProxyOptions { streams_max: 100, ..ProxyOptions::new(service.address) }).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let calls: Vec<u32> = (0..100).map(|_| client.get("/hold/call")).collect();
    service.wait_for("/hold/call", 100);

    let refused = client.get("/refused");
    assert_eq!(client.answer(refused).reset, Some(ErrorCode::REFUSED_STREAM.0));
    assert!(service.log(|log| log.for_path("/refused").is_empty()));

    // One ends by its client, so that another one fits.
    client.cancel(calls[0]);
    assert_eq!(client.ask("/go").status(), 200);
    for call in &calls[1..] {
        assert_eq!(client.answer(*call).text(), "GET /hold/call 0");
    }
    innocent.finish();
}

#[tokio::test]
async fn a_service_that_allows_no_stream_is_not_asked_for_ever_more_connections() {
    // A client may send requests before it knows the limit.
    let asked = |connection: &mut Connection, seen: &Seen| {
        connection.wire.reset(seen.stream, ErrorCode::REFUSED_STREAM);
        Some(Plan::Unread)
    };
    let settings = vec![(MAX_CONCURRENT_STREAMS, 0)];
    let service = Service::start(Script { settings, asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address);
    let stream = client.get("/none");
    let answer = client.answer(stream);
    assert!(answer.status() == 502 || answer.reset == Some(ErrorCode::REFUSED_STREAM.0), "{answer:?}");
    let connections = service.log(|log| log.connections);
    assert!(connections < 20, "{connections}");
}
