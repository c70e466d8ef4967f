//! Tests of clients that cancel their calls: a service that punishes it punishes no other client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http2::error_code::ErrorCode;
use sidecar::exchange::options::ProxyOptions;
use sidecar::worker::Workers;

use crate::client::{Client, Innocent};
use crate::service::{Connection, Script, Service};
use crate::support::{PATIENCE, listener, sidecar};

/// Resets of one connection after which the service ends it.
const RESETS_OF_SERVICE_MAX: usize = 200;

/// Resets after which the sidecar does not lend a connection to another client.
const RESETS_MAX: usize = 16;

/// A service that ends a connection with too many resets, and how often it has.
fn strict_service() -> (Service, Arc<AtomicUsize>) {
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ended);
    let cancelled = move |connection: &mut Connection, resets: usize| {
        if resets >= RESETS_OF_SERVICE_MAX {
            connection.wire.go_away(0, ErrorCode::ENHANCE_YOUR_CALM);
            connection.wire.close();
            counted.fetch_add(1, Ordering::SeqCst);
        }
    };
    (Service::start(Script { cancelled: Box::new(cancelled), ..Script::default() }), ended)
}

/// Begins calls that hang, and cancels them when they have reached the service. Returns its connection.
fn cancel_calls(service: &Service, client: &mut Client, path: &str, calls: usize) -> usize {
    let streams: Vec<u32> = (0..calls).map(|_| client.get(path)).collect();
    service.wait_for(path, calls);
    for stream in streams {
        client.cancel(stream);
    }
    service.wait("the service knows", |log| log.for_path(path).iter().all(|seen| seen.reset == Some(ErrorCode::CANCEL.0)));
    service.log(|log| log.for_path(path)[0].connection)
}

#[tokio::test]
async fn clients_that_cancel_their_calls_harm_no_other_client() {
    let (service, ended) = strict_service();
    let (_workers, address) = sidecar(service.address).await;
    let mut innocents = [Innocent::begin(address), Innocent::begin(address)];
    let mut attackers = Vec::new();
    for number in 0..60 {
        let mut attacker = Client::connect(address);
        cancel_calls(&service, &mut attacker, &format!("/silence/{number}/"), 10);
        attackers.push(attacker);
        // Some stay, and some leave their connection to the service to the next one.
        if number % 3 == 0 {
            attackers.clear();
        }
        innocents.iter_mut().for_each(Innocent::expect_served);
    }
    assert_eq!(ended.load(Ordering::SeqCst), 0, "no connection was ended");
    innocents.into_iter().for_each(Innocent::finish);
}

#[tokio::test]
async fn a_client_that_cancels_hundreds_of_calls_is_punished_alone() {
    let (service, ended) = strict_service();
    let (_workers, address) = sidecar(service.address).await;
    let mut innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    for number in 0..25 {
        cancel_calls(&service, &mut client, &format!("/silence/{number}/"), 10);
        innocent.expect_served();
        // It wants most of what it asks for, so the sidecar does not stop it.
        (0..15).for_each(|_| drop(client.ask("/wanted")));
    }
    assert!(ended.load(Ordering::SeqCst) > 0);
    innocent.finish();
}

#[tokio::test]
async fn a_connection_on_which_many_calls_were_cancelled_is_not_lent_to_another_client() {
    for (calls, is_lent) in [(RESETS_MAX - 1, true), (RESETS_MAX, false)] {
        let (service, _) = strict_service();
        let (listener, address) = listener();
        let workers = Workers::start(1, listener, ProxyOptions::new(service.address)).unwrap();
        workers.open().await;
        let mut client = Client::connect(address);
        let first = cancel_calls(&service, &mut client, "/silence", calls);
        drop(client);
        let deadline = Instant::now() + PATIENCE;
        while workers.connections() > 0 {
            assert!(Instant::now() < deadline, "the connection has not ended");
            std::thread::yield_now();
        }
        if !is_lent {
            service.wait("it is closed", |log| log.ended.contains(&first));
        }
        assert_eq!(Client::connect(address).ask("/next").status(), 200);
        let next = service.log(|log| log.for_path("/next")[0].connection);
        assert_eq!(next == first, is_lent, "{calls} calls");
    }
}
