//! Tests persistent connections, pipelined requests, and protocol upgrades through a sidecar.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use scenario::client::Client;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;

/// All of these may wait in the accept queue at once, which commonly has room for 128.
const CONNECTIONS: u64 = 100;

fn world() -> (Origin, Sidecar) {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    (origin, sidecar)
}

#[test]
fn one_connection_carries_many_exchanges() {
    let (origin, sidecar) = world();
    let mut client = sidecar.connect();

    for at in 0..500 {
        assert_eq!(client.get(&format!("/orders/{at}")).text(), format!("GET /orders/{at}"));
    }

    assert_eq!(origin.completed(), 500);
    assert_eq!(origin.connections(), 1, "the connection to the service is kept too");
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let (origin, sidecar) = world();
    let mut client = sidecar.connect();

    client.send(concat!(
        "GET /first HTTP/1.1\r\nHost: shop\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n\r\nsecond",
        "HEAD /third HTTP/1.1\r\nHost: shop\r\n\r\n",
        "GET /chunked/10 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n",
    ));

    assert_eq!(client.response("GET").text(), "GET /first");
    assert_eq!(client.response("POST").text(), "second");
    assert_eq!(client.response("HEAD").header("content-length"), Some("11"));
    assert_eq!(client.response("GET").body, scenario::body::whole(10));
    assert_eq!(client.rest(), b"", "the client asked to close after the last");
    assert_eq!(origin.completed(), 4);
}

#[test]
fn a_connection_that_takes_over_the_protocol_becomes_a_tunnel() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    // The first bytes of the new protocol follow directly after the head.
    client.send("GET /upgrade HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ");
    let switched = client.response("GET");
    assert_eq!((switched.status(), switched.header("upgrade")), (101, Some("echo")));
    assert_eq!(client.exactly(14), b"welcome hello ");

    for round in 0..100 {
        let said = format!("\0round {round}\r\n\r\n");
        client.send(&said);
        assert_eq!(client.exactly(said.len()), said.as_bytes());
    }
    client.finish_sending();
    assert_eq!(client.rest(), b"", "the half that the client closed is closed on the other side too");
}

#[test]
fn a_client_that_closes_its_half_still_gets_its_answer() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    client.send("POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nlast");
    client.finish_sending();

    assert_eq!(client.response("POST").text(), "last");
}

#[test]
fn a_service_that_drops_idle_connections_costs_no_request() {
    let (origin, sidecar) = world();
    let mut client = sidecar.connect();

    for _ in 0..50 {
        assert_eq!(client.get("/close/100").status(), 200);
        client = sidecar.connect();
        assert_eq!(client.get("/kept").status(), 200);
    }

    assert_eq!(origin.completed(), 100);
}

#[test]
fn what_the_client_says_reaches_the_service_unchanged() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    client.send(concat!(
        "GET /head?a=b&c=%20 HTTP/1.1\r\nHost: shop:8080\r\nx-LOWER-Upper: Kept As It Is\r\n",
        "Cookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nAuthorization: Bearer t\r\nX-Unicode: \u{e9}\r\n\r\n",
    ));
    let head = client.response("GET").text();

    assert!(head.starts_with("GET /head?a=b&c=%20 HTTP/1.1\r\n"), "{head}");
    for line in
        ["Host: shop:8080", "x-LOWER-Upper: Kept As It Is", "Cookie: a=1\r\nCookie: b=2", "Authorization: Bearer t", "\u{e9}"]
    {
        assert!(head.contains(line), "{line} is missing in {head}");
    }
}

#[test]
fn a_hundred_connections_are_served_and_let_go() {
    let (origin, sidecar) = world();

    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| sidecar.connect()).collect();
    for client in &mut clients {
        client.send("GET /many HTTP/1.1\r\nHost: shop\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response("GET").text(), "GET /many");
    }
    drop(clients);

    assert_eq!(origin.completed(), CONNECTIONS);
    eventually(SOON, || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", sidecar.process.id()))?.count();
        // The sidecar may keep its connections to the service for later requests.
        ensure!(descriptors < CONNECTIONS as usize + 50, "{descriptors} descriptors are still open");
        Ok(())
    });
}

#[test]
fn a_service_that_is_too_busy_to_accept_is_waited_for() {
    // The accept queue has room for one and is full: a new connection waits for the SYN retry, which the kernel sends
    // only after a second.
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let waiting = TcpStream::connect(address).unwrap();
    let sidecar = Sidecar::in_front_of(address.port());
    let mut client = sidecar.connect();

    client.send("GET /patient HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    let knocked = TcpStream::connect_timeout(&address, Duration::from_millis(250));
    assert!(knocked.is_err(), "the queue is full");
    drop(waiting);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nat last";
            // The connection that filled the queue is closed, and so are the readiness probes.
            let _ = (&stream).read(&mut [0; 1024]).and_then(|_| (&stream).write_all(answer));
        }
    });

    assert_eq!(client.response("GET").text(), "at last");
}
