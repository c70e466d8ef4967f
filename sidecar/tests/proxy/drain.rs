//! Tests of exchanges and connections during a drain.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use sidecar::exchange::options::ProxyOptions;
use sidecar::worker::Workers;

use crate::support::{PATIENCE, ask, counted_all, read_head, service, sidecar};

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_counts_what_it_must_break_off() {
    let (target, _service) = service(2, |stream| {
        let head = read_head(stream);
        if head.starts_with(b"GET /never") {
            let _ = stream.read(&mut [0]); // until the sidecar gives up
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        }
        head
    });
    let (workers, address) = sidecar(target).await;
    assert!(ask(address, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.ends_with("hi"));
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    counted_all(&workers, |all| all.iter().any(|report| report.in_flight == 1)).await;

    workers.drain(Duration::from_millis(10)).await;

    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
    let last = workers.collect().await;
    let broken = last.iter().find(|report| report.endpoint.route() == "/never").unwrap();
    assert_eq!((broken.in_flight, broken.golden.statuses(), broken.golden.failed_by_sitio), (0, &[(503, 1)][..], 1));
}

#[tokio::test]
async fn connections_that_wait_when_the_door_is_shut_are_served() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let workers = Workers::start(2, listener, ProxyOptions::new(closed)).unwrap();
    let mut clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }

    // Both commands are queued before the first worker runs, so the drain begins before any connection is accepted.
    workers.open().await;
    workers.drain(PATIENCE).await;

    for client in &mut clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("X-Sitio-Error: upstream-connect\r\n"), "{answer}");
    }
}
