//! Tests of bodies that are not read: what the sidecar takes of them is bounded, and others pass meanwhile.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use sidecar::exchange::options::ProxyOptions;
use sidecar::worker::Workers;

use crate::client::{Client, Innocent};
use crate::service::{Log, Plan, Script, Seen, Service};
use crate::support::{listener, sidecar};
use crate::wire::{INITIAL_WINDOW_SIZE, Received};

const CLIENTS: usize = 20;
const STREAMS: usize = 100;
const BODY_BYTES: usize = 2 * 1024 * 1024;

/// The window of a connection to the service.
const CONNECTION_WINDOW_BYTES: u64 = 4 * 65_535;

/// What the sidecar accepts for one downstream connection, and for all of a worker, beyond the window.
const AHEAD_BYTES_MAX: u64 = 1024 * 1024;
const AHEAD_BYTES_OF_WORKER_MAX: u64 = 16 * 1024 * 1024;

/// What one read of a socket may exceed a budget by, for each connection.
const READ_BYTES: u64 = 64 * 1024;

/// Bytes that show where they belong.
fn pattern() -> Bytes {
    (0..BODY_BYTES).map(|at| (at * 31 % 251) as u8).collect::<Vec<u8>>().into()
}

/// A service that answers `/large` with the pattern.
fn large_service() -> Service {
    let pattern = pattern();
    let asked =
        move |_: &mut crate::service::Connection, seen: &Seen| (seen.path() == "/large").then(|| Plan::Body(pattern.clone()));
    Service::start(Script { asked: Box::new(asked), ..Script::default() })
}

/// The bytes of all large bodies that the service has sent. Those of the innocent client are few.
fn sent_bytes(log: &Log) -> u64 {
    log.for_path("/large")
        .iter()
        .map(|seen| seen.connection)
        .collect::<BTreeSet<_>>()
        .iter()
        .map(|number| log.sent_bytes[number])
        .sum()
}

/// Opens the windows of a client, and checks that all bodies arrive whole.
fn read_whole(client: &mut Client, pattern: &Bytes) {
    client.wire.settings(&[(INITIAL_WINDOW_SIZE, 1024 * 1024)]);
    client.wire.widen(0, 1024 * 1024);
    let (mut received, mut whole): (HashMap<u32, usize>, usize) = (HashMap::new(), 0);
    while whole < STREAMS {
        let Received::Data { stream, bytes, end } = client.wire.next().unwrap().unwrap() else { continue };
        client.wire.give_back(stream, bytes.len(), end);
        let at = received.entry(stream).or_default();
        assert!(pattern[*at..*at + bytes.len()] == bytes, "stream {stream} is not what the service sent at {at}");
        *at += bytes.len();
        whole += usize::from(end);
    }
    assert!(received.values().all(|bytes| *bytes == BODY_BYTES), "{received:?}");
}

#[tokio::test]
async fn what_clients_ask_for_and_do_not_read_stays_at_the_service_and_arrives_whole_when_they_do() {
    let service = large_service();
    let (listener, address) = listener();
    let workers = Workers::start(1, listener, ProxyOptions::new(service.address)).unwrap();
    workers.open().await;
    let mut innocent = Innocent::begin(address);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect_with(address, &[(INITIAL_WINDOW_SIZE, 0)])).collect();
    for client in &mut clients {
        for _ in 0..STREAMS {
            client.get("/large");
        }
        client.read_until(|client| client.answers.values().all(|answer| answer.status() == 200));
        innocent.expect_served();
    }
    // What the windows allow arrives sooner or later. Then nothing changes any more.
    let windows = CLIENTS as u64 * CONNECTION_WINDOW_BYTES;
    service.wait("the windows are used up", |log| sent_bytes(log) >= windows);
    let mut sent = 0;
    while service.log(sent_bytes) != sent {
        sent = service.log(sent_bytes);
        (0..10).for_each(|_| innocent.expect_served());
    }
    let bound = windows + AHEAD_BYTES_OF_WORKER_MAX.min(CLIENTS as u64 * AHEAD_BYTES_MAX) + CLIENTS as u64 * READ_BYTES;
    assert!(sent <= bound, "{sent} bytes of at most {bound}");

    let pattern = pattern();
    read_whole(&mut clients[0], &pattern);
    drop(clients.split_off(2));
    read_whole(&mut clients[1], &pattern);
    innocent.finish();
}

#[tokio::test]
async fn bodies_that_the_service_does_not_read_stop_no_other_request() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    let mut innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    for _ in 0..2 {
        client.post("/unread", &vec![b'x'; 1024 * 1024]);
    }
    service.wait("the window of the connection is used up", |log| {
        log.for_path("/unread").iter().map(|seen| seen.body.len()).sum::<usize>() >= 65_535
    });
    innocent.expect_served();
    let other = client.post("/other", &[b'x'; 1000]);
    assert_eq!(client.answer(other).text(), "POST /other 1000");
    assert!(client.answers.values().filter(|answer| answer.is_over()).count() == 1, "the uploads go on");
    innocent.finish();
}

/// Clients with one response each, more than the budget of a worker is for.
const MANY_CLIENTS: usize = 300;

/// The windows of streams while a worker has memory, and when it is short of it.
const STREAM_WINDOW_BYTES: u64 = 128 * 1024;
const SMALL_STREAM_WINDOW_BYTES: u64 = 16 * 1024;

#[tokio::test]
async fn many_clients_that_do_not_read_share_one_budget_and_others_are_served() {
    let service = large_service();
    let (listener, address) = listener();
    let workers = Workers::start(1, listener, ProxyOptions::new(service.address)).unwrap();
    workers.open().await;
    let mut innocent = Innocent::begin(address);
    let mut clients = Vec::new();
    for _ in 0..MANY_CLIENTS {
        let mut client = Client::connect_with(address, &[(INITIAL_WINDOW_SIZE, 0)]);
        let stream = client.get("/large");
        client.read_until(|client| client.answers[&stream].status() == 200);
        clients.push((client, stream));
    }
    innocent.expect_served();
    let mut sent = 0;
    while service.log(sent_bytes) != sent {
        sent = service.log(sent_bytes);
        (0..10).for_each(|_| innocent.expect_served());
    }
    // Each may get its first bytes before those of the one before are in the budget.
    let bound = AHEAD_BYTES_OF_WORKER_MAX + 2 * STREAM_WINDOW_BYTES + MANY_CLIENTS as u64 * SMALL_STREAM_WINDOW_BYTES;
    assert!(sent <= bound, "{sent} bytes of at most {bound}; with large windows it would be {}", 300 * STREAM_WINDOW_BYTES);
    let (mut client, stream) = clients.pop().unwrap();
    client.wire.widen(stream, 4 * BODY_BYTES as u32);
    client.wire.widen(0, 4 * BODY_BYTES as u32);
    assert!(client.answer(stream).body == pattern(), "it arrives whole when it is read");
    innocent.finish();
}
