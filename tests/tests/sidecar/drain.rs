//! Tests the sidecar's drain: unready at once, listening during the grace period, and finishing exchanges in flight.

use anyhow::ensure;
use rustix::process::Signal;
use scenario::client::Client;
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::{Sidecar, SidecarBuilder};

const GET_GATE: &str = "GET /gate HTTP/1.1\r\nHost: shop\r\n\r\n";

/// Longer than any test: a drain with this bound must be ended by the test.
const NEVER: &str = "1h";

fn patient(origin: &Origin) -> SidecarBuilder {
    Sidecar::builder(origin.port()).with("SITIO_DRAIN_GRACE", "1s").with("SITIO_DRAIN_TIMEOUT", NEVER)
}

/// Sends SIGTERM, and waits until the sidecar reports that it drains.
fn asked_to_leave(sidecar: &Sidecar) {
    sidecar.process.signal(Signal::TERM);
    eventually(SOON, || {
        let answer = sidecar.admin("/readyz");
        ensure!((answer.status(), answer.text().as_str()) == (503, "draining\n"), "{answer:?}");
        Ok(())
    });
}

fn expect_waiting(origin: &Origin, count: u64) {
    eventually(SOON, || {
        ensure!(origin.waiting() == count, "{} requests wait at the gate", origin.waiting());
        Ok(())
    });
}

#[test]
fn during_the_grace_traffic_is_let_in_and_each_answer_closes_its_connection() {
    let origin = Origin::start();
    let mut sidecar = patient(&origin).with("SITIO_DRAIN_GRACE", NEVER).start();
    let mut kept = sidecar.connect();
    assert_eq!(kept.get("/before").header("connection"), None);

    asked_to_leave(&sidecar);
    // The probe fails at once; each worker notices the drain a moment later.
    let last = eventually(SOON, || {
        let answer = kept.get("/last");
        ensure!(answer.header("connection") == Some("close"), "the connection is kept: {answer:?}");
        Ok(answer)
    });
    let late = eventually(SOON, || {
        let answer = sidecar.get("/late");
        ensure!(answer.header("connection") == Some("close"), "the connection is kept: {answer:?}");
        Ok(answer)
    });

    assert_eq!(last.status(), 200, "{last:?}");
    assert_eq!(kept.rest(), b"", "the connection is closed, as the answer said");
    assert_eq!(late.status(), 200, "a client that does not know of the drain is served");
    sidecar.process.signal(Signal::TERM);
    assert_eq!(sidecar.process.ended(SOON).code(), Some(1), "a second signal ends the grace");
}

#[test]
fn the_grace_ends_and_the_sidecar_with_it() {
    let origin = Origin::start();
    let mut sidecar = patient(&origin).with("SITIO_DRAIN_GRACE", "10ms").start();

    sidecar.process.signal(Signal::TERM);

    assert_eq!(sidecar.process.ended(SOON).code(), Some(0));
}

#[test]
fn what_is_under_way_is_finished_and_an_idle_connection_does_not_hold_it_up() {
    let origin = Origin::start();
    let mut sidecar = patient(&origin).start();
    let mut idle = sidecar.connect();
    idle.get("/idle");
    let mut under_way: Vec<Client> = (0..20).map(|_| sidecar.connect()).collect();
    for client in &mut under_way {
        client.send(GET_GATE);
    }
    let mut uploading = sidecar.connect();
    uploading.send("POST /sink HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n\r\nabc");
    expect_waiting(&origin, 20);

    asked_to_leave(&sidecar);
    // The port is closed after the grace period; the exchanges in flight continue.
    eventually(SOON, || {
        ensure!(Client::try_connect(sidecar.port).is_err(), "it still listens");
        Ok(())
    });
    assert_eq!(idle.rest(), b"", "an idle connection is let go");
    assert_eq!(sidecar.admin("/livez").status(), 200, "it is alive until the end");
    uploading.send("def");
    origin.open_gate();

    assert!(uploading.response("POST").text().starts_with("Length(6) bytes=6"));
    for client in &mut under_way {
        let answer = client.response("GET");
        assert_eq!((answer.text().as_str(), answer.status()), ("GET /gate", 200));
    }
    drop((under_way, uploading));
    assert_eq!(sidecar.process.ended(SOON).code(), Some(0));
}

#[test]
fn a_drain_ends_in_time_and_the_last_numbers_arrive() {
    let (control_plane, origin) = (ControlPlane::start(), Origin::start());
    let mut sidecar = Sidecar::builder(origin.port())
        .named("shop", "shop-0")
        .reports_to(control_plane.grpc_port)
        .with("SITIO_DRAIN_GRACE", "0s")
        .with("SITIO_DRAIN_TIMEOUT", "500ms")
        .start();
    let mut client = sidecar.connect();
    for _ in 0..100 {
        client.get("/counted");
    }
    let mut stuck = sidecar.connect();
    stuck.send(GET_GATE);
    expect_waiting(&origin, 1);

    // While the process is stopped, the kernel accepts ten more connections, which it finds together with the signal.
    sidecar.process.signal(Signal::STOP);
    let mut late: Vec<Client> = (0..10).map(|_| sidecar.connect()).collect();
    for client in &mut late {
        client.send("GET /counted HTTP/1.1\r\nHost: shop\r\n\r\n");
    }
    sidecar.process.signal(Signal::TERM);
    sidecar.process.signal(Signal::CONT);
    for client in &mut late {
        assert_eq!(client.response("GET").status(), 200);
    }

    // The gate never opens, so only the timeout ends this drain.
    assert_eq!(sidecar.process.ended(SOON).code(), Some(0));
    // A hundred, ten, and the one that was aborted.
    control_plane.api().expect_hits("shop", 111);
}

#[test]
fn connections_that_wait_to_be_accepted_when_the_door_closes_are_served() {
    let origin = Origin::start();
    for _ in 0..5 {
        let mut sidecar = patient(&origin).with("SITIO_DRAIN_GRACE", "0s").start();
        // While the process is stopped, the kernel completes the connections; it finds them together with the signal.
        sidecar.process.signal(Signal::STOP);
        let mut clients: Vec<Client> = (0..300).map(|_| sidecar.connect()).collect();
        for client in &mut clients {
            client.send("GET /late HTTP/1.1\r\nHost: shop\r\n\r\n");
        }
        sidecar.process.signal(Signal::TERM);
        sidecar.process.signal(Signal::CONT);
        for client in &mut clients {
            assert_eq!(client.response("GET").status(), 200);
        }
        drop(clients);
        assert_eq!(sidecar.process.ended(SOON).code(), Some(0));
    }
}

#[test]
fn connections_that_are_made_while_the_door_closes_are_served() {
    let origin = Origin::start();
    for _ in 0..3 {
        let mut sidecar = patient(&origin).with("SITIO_DRAIN_GRACE", "0s").start();
        let mut clients: Vec<Client> = Vec::new();
        sidecar.process.signal(Signal::TERM);
        while clients.len() < 500 {
            let Ok(mut client) = Client::try_connect(sidecar.port) else { break };
            client.send("GET /late HTTP/1.1\r\nHost: shop\r\n\r\n");
            clients.push(client);
        }
        for client in &mut clients {
            assert_eq!(client.response("GET").status(), 200, "every connection that was made is served");
        }
        drop(clients);
        assert_eq!(sidecar.process.ended(SOON).code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let origin = Origin::start();
    let mut sidecar = patient(&origin).with("SITIO_DRAIN_GRACE", NEVER).start();
    let mut client = sidecar.connect();
    client.send(GET_GATE);
    expect_waiting(&origin, 1);

    asked_to_leave(&sidecar);
    sidecar.process.signal(Signal::TERM);

    assert_eq!(sidecar.process.ended(SOON).code(), Some(1));
}
