//! Tests that windows of connections are given back for exchanges that end early: the next ones find them whole.

use bytes::Bytes;
use http2::error_code::ErrorCode;

use crate::client::{Client, Innocent, head};
use crate::service::{Connection, Plan, Script, Seen, Service};
use crate::support::sidecar;
use crate::wire::INITIAL_WINDOW_SIZE;

/// Exchanges that end early. Together they hold many times the windows of a connection.
const ROUNDS: usize = 60;

/// More than the windows of a stream and of a connection, so that a transfer needs both several times.
const BODY_BYTES: usize = 2_000_000;

/// What a round leaves unread: the window of a stream.
const PART_BYTES: usize = 128 * 1024;

/// `/large` is answered with a large body, and `/early` before its body has arrived.
fn service() -> Service {
    let large: Bytes = vec![b'x'; BODY_BYTES].into();
    let asked = move |connection: &mut Connection, seen: &Seen| match seen.path() {
        "/large" => Some(Plan::Body(large.clone())),
        "/early" => {
            connection.wire.head(seen.stream, &[(":status", "413")], true);
            connection.wire.reset(seen.stream, ErrorCode::NO_ERROR);
            Some(Plan::Scripted)
        }
        _ => None,
    };
    Service::start(Script { asked: Box::new(asked), ..Script::default() })
}

/// A large upload and a large download pass whole.
fn expect_transfers(client: &mut Client) {
    let upload = client.post("/upload", &vec![b'x'; BODY_BYTES]);
    assert_eq!(client.answer(upload).text(), format!("POST /upload {BODY_BYTES}"));
    let download = client.ask("/large");
    assert!(download.is_whole && download.body.len() == BODY_BYTES, "{}", download.body.len());
}

#[tokio::test]
async fn downloads_that_are_cancelled_unread_leave_the_windows_whole() {
    let service = service();
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect_with(address, &[(INITIAL_WINDOW_SIZE, 0)]);
    for _ in 0..ROUNDS {
        let stream = client.get("/large");
        client.read_until(|client| client.answers[&stream].status() == 200);
        client.cancel(stream);
    }
    client.wire.settings(&[(INITIAL_WINDOW_SIZE, 65_535)]);
    expect_transfers(&mut client);
    innocent.finish();
}

#[tokio::test]
async fn uploads_that_are_cancelled_unread_leave_the_windows_whole() {
    let service = service();
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    for round in 0..ROUNDS {
        let stream = client.request(&head("POST", "/unread"), false);
        client.wire.body(stream, vec![b'x'; PART_BYTES], false);
        service.wait_for("/unread", round + 1);
        client.cancel(stream);
        assert_eq!(client.ask("/quick").status(), 200);
    }
    expect_transfers(&mut client);
    service.wait("connections whose windows are used up are closed", |log| log.connections - log.ended.len() < 5);
    innocent.finish();
}

#[tokio::test]
async fn uploads_that_are_answered_early_get_their_answer_and_leave_the_windows_whole() {
    let service = service();
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    for _ in 0..ROUNDS {
        let stream = client.request(&head("POST", "/early"), false);
        client.wire.body(stream, vec![b'x'; PART_BYTES], false);
        client.read_until(|client| client.answers[&stream].is_over());
        assert_eq!((client.answers[&stream].status(), client.answers[&stream].is_whole), (413, true));
        client.read_until(|client| client.answers[&stream].reset.is_some());
        assert_eq!(client.answers[&stream].reset, Some(ErrorCode::NO_ERROR.0), "the response is whole");
    }
    expect_transfers(&mut client);
    innocent.finish();
}

#[tokio::test]
async fn downloads_of_clients_that_disconnect_leave_the_windows_whole_for_the_next_one() {
    let service = service();
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    for _ in 0..ROUNDS / 4 {
        let mut client = Client::connect_with(address, &[(INITIAL_WINDOW_SIZE, 0)]);
        let stream = client.get("/large");
        client.read_until(|client| client.answers[&stream].status() == 200);
        client.wire.close();
    }
    expect_transfers(&mut Client::connect(address));
    innocent.finish();
}
