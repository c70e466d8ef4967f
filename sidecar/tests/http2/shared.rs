//! Tests of many clients with one request each: they share a connection to the service, and none can harm another there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http2::error_code::ErrorCode;
use sidecar::exchange::options::ProxyOptions;
use sidecar::worker::Workers;

use crate::client::Client;
use crate::service::{Connection, Plan, Script, Seen, Service};
use crate::support::{PATIENCE, counted, listener};

/// Clients of a test: more than the sidecar needs to share a connection.
const CLIENTS: usize = 16;

/// A sidecar with one worker, in front of this service.
async fn sidecar(service: &Service) -> (Workers, SocketAddr) {
    let (listener, address) = listener();
    let workers = Workers::start(1, listener, ProxyOptions::new(service.address)).unwrap();
    workers.open().await;
    (workers, address)
}

/// Clients that have been served, and the connection to the service that they share.
fn sharing_clients(service: &Service, address: SocketAddr) -> (Vec<Client>, usize) {
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    let deadline = Instant::now() + PATIENCE;
    for round in 0.. {
        assert!(Instant::now() < deadline, "no connection is shared");
        let path = format!("/round/{round}/");
        ask_all(&mut clients, &path);
        let by_connection = service.log(|log| {
            let mut counts = BTreeMap::<usize, usize>::new();
            log.for_path(&path).iter().for_each(|seen| *counts.entry(seen.connection).or_default() += 1);
            counts
        });
        if let Some((shared, _)) = by_connection.into_iter().find(|(_, requests)| *requests == CLIENTS) {
            return (clients, shared);
        }
    }
    unreachable!("the loop ends by its deadline")
}

/// Each client sends a request before any reads its response.
fn ask_all(clients: &mut [Client], path: &str) {
    let streams: Vec<u32> =
        clients.iter_mut().enumerate().map(|(number, client)| client.get(&format!("{path}{number}"))).collect();
    for (number, (client, stream)) in clients.iter_mut().zip(streams).enumerate() {
        let answer = client.answer(stream);
        assert_eq!((answer.status(), answer.text()), (200, format!("GET {path}{number} 0")));
    }
}

#[tokio::test]
async fn many_clients_share_a_connection_and_each_gets_its_own_response() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(&service).await;
    let (mut clients, shared) = sharing_clients(&service, address);
    for round in 0..50 {
        ask_all(&mut clients, &format!("/shared/{round}/"));
    }
    let elsewhere = service.log(|log| log.for_path("/shared/").iter().filter(|seen| seen.connection != shared).count());
    assert_eq!(elsewhere, 0);
    let report = counted(&workers, "/shared/{id}/{id}", |report| report.golden.hits == 50 * CLIENTS as u64).await;
    assert_eq!((report.golden.statuses(), report.in_flight), (&[(200, 50 * CLIENTS as u64)][..], 0));
}

#[tokio::test]
async fn requests_with_a_body_or_several_at_once_use_a_connection_of_their_own() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(&service).await;
    let (mut clients, shared) = sharing_clients(&service, address);
    let posted = clients[0].post("/posted", b"hello");
    assert_eq!(clients[0].answer(posted).text(), "POST /posted 5");
    let held = clients[1].get("/hold/first");
    service.wait_for("/hold/first", 1);
    assert_eq!(clients[1].ask("/second").status(), 200);
    let connections = service.log(|log| ["/posted", "/hold/first", "/second"].map(|path| log.for_path(path)[0].connection));
    assert!(connections[0] != shared && connections[1] == shared && connections[2] != shared, "{connections:?}");
    clients[1].cancel(held);
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_no_other() {
    let body = Bytes::from(vec![b'x'; 2_000_000]);
    let asked = move |_: &mut Connection, seen: &Seen| seen.path().starts_with("/large").then(|| Plan::Body(body.clone()));
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(&service).await;
    let (mut clients, shared) = sharing_clients(&service, address);
    // Their windows are zero, so nothing of the bodies can be sent to them.
    let mut stuck: Vec<Client> = (0..30).map(|_| Client::connect_with(address, &[(4, 0)])).collect();
    let streams: Vec<u32> = stuck.iter_mut().map(|client| client.get("/large")).collect();
    service.wait_for("/large", 30);
    assert!(service.log(|log| log.for_path("/large").iter().any(|seen| seen.connection == shared)), "they are on it");
    for round in 0..20 {
        ask_all(&mut clients, &format!("/innocent/{round}/"));
    }
    // Once they read, they get everything.
    for (client, stream) in stuck.iter_mut().zip(streams).take(3) {
        client.wire.widen(stream, 4_000_000);
        client.wire.widen(0, 4_000_000);
        assert_eq!(client.answer(stream).body.len(), 2_000_000);
    }
}

#[tokio::test]
async fn clients_that_cancel_retire_the_shared_connection_before_the_service_ends_it() {
    let cancelled = |connection: &mut Connection, resets: usize| {
        if resets > 20 {
            connection.wire.go_away(0, ErrorCode::ENHANCE_YOUR_CALM);
            connection.wire.close();
        }
    };
    let service = Service::start(Script { cancelled: Box::new(cancelled), ..Script::default() });
    let (_workers, address) = sidecar(&service).await;
    let (mut clients, _) = sharing_clients(&service, address);
    for number in 0..60 {
        let mut attacker = Client::connect(address);
        let path = format!("/silence/{number}");
        let stream = attacker.get(&path);
        service.wait_for(&path, 1);
        attacker.cancel(stream);
        service.wait("the service knows", |log| log.for_path(&path)[0].reset.is_some());
        ask_all(&mut clients, &format!("/innocent/{number}/"));
    }
}

#[tokio::test]
async fn what_the_service_does_to_the_shared_connection_costs_no_request() {
    let asked = |connection: &mut Connection, seen: &Seen| {
        match seen.path().split('/').nth(1) {
            Some("go-away") => connection.wire.go_away(seen.stream - 2, ErrorCode::NO_ERROR),
            Some("closes") => connection.wire.close(),
            Some("refuses") => connection.wire.reset(seen.stream, ErrorCode::REFUSED_STREAM),
            Some("malformed") => connection.wire.head(seen.stream, &[(":status", "200"), ("UPPER", "x")], true),
            _ => return None,
        }
        Some(Plan::Silence)
    };
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (workers, address) = sidecar(&service).await;
    let (mut clients, _) = sharing_clients(&service, address);
    for attack in ["/go-away", "/closes", "/refuses", "/malformed"] {
        let mut attacker = Client::connect(address);
        let stream = attacker.get(attack);
        service.wait_for(attack, 1);
        ask_all(&mut clients, &format!("/innocent{attack}/"));
        let answer = attacker.answer(stream);
        assert!(answer.status() == 502 || answer.reset.is_some(), "{attack}: {answer:?}");
    }
    counted(&workers, "/malformed", |report| report.golden.failed == 1 && report.in_flight == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request_alone() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(&service).await;
    let (mut clients, shared) = sharing_clients(&service, address);
    let mut leaving = Client::connect(address);
    leaving.get("/silence/left");
    service.wait_for("/silence/left", 1);
    assert_eq!(service.log(|log| log.for_path("/silence/left")[0].connection), shared);
    drop(leaving);
    service.wait("it is cancelled", |log| log.for_path("/silence/left")[0].reset == Some(ErrorCode::CANCEL.0));
    ask_all(&mut clients, "/after/");
    let report = counted(&workers, "/silence/left", |report| report.golden.hits == 1).await;
    assert_eq!(report.golden.statuses(), [(499, 1)]);
}
