//! Tests faults: each ends only one exchange, is named and counted, and causes no duplicate request.

use anyhow::ensure;
use scenario::body::{self, Check};
use scenario::client::{Client, Response};
use scenario::eventually::{SOON, eventually};
use scenario::flaky_service::{BreakPoint, CloseKind, FlakyService};
use scenario::origin::Origin;
use scenario::proc::{limit_descriptors, open_descriptors};
use scenario::sidecar::Sidecar;

const HEAD: &str = "HTTP/1.1\r\nHost: shop\r\n";

/// Sends a request, and returns its complete response if there is one.
fn asked(client: &mut Client, method: &str, target: &str) -> Option<Response> {
    let body = if method == "POST" { "Content-Length: 4\r\n\r\npaid" } else { "\r\n" };
    client.send(format!("{method} {target} {HEAD}{body}"));
    client.try_response(method).ok()
}

#[test]
fn a_post_is_never_sent_twice_and_a_get_only_after_a_stale_connection() {
    for manner in [CloseKind::Closed, CloseKind::Reset] {
        for moment in BreakPoint::ALL {
            let service = FlakyService::start(moment, manner);
            let sidecar = Sidecar::builder(service.port).with("SITIO_WORKERS", "1").start();

            for (method, pooled) in [("POST", false), ("POST", true), ("GET", false), ("GET", true)] {
                let case = format!("{method}, {moment:?}, {manner:?}, pooled: {pooled}");
                let target = format!("/{method}/{pooled}");
                let mut client = sidecar.connect();
                if pooled {
                    assert_eq!(client.get("/good").text(), "GET /good", "{case}");
                }
                let answer = asked(&mut client, method, &target);

                let status = answer.as_ref().map(Response::status);
                if moment == BreakPoint::WithinBody {
                    assert_eq!(status, None, "{case}: an answer cut short is seen to be cut short: {answer:?}");
                } else {
                    let word = answer.as_ref().and_then(|answer| answer.header("x-sitio-error"));
                    assert_eq!((status, word), (Some(502), Some("upstream-reset")), "{case}: {answer:?}");
                }
                let may_repeat = method == "GET" && pooled && moment < BreakPoint::WithinHead;
                let times = service.asked(&target);
                assert_eq!(times, if may_repeat { 2 } else { 1 }, "{case}: the service was asked {times} times");
                // Its connection is closed, so the next case starts without one.
                assert_eq!(sidecar.get("/last").text(), "GET /last", "{case}: the next client gets its own answer");
            }
            sidecar.expect_idle();
            sidecar.expect_counted(502, 4);
        }
    }
}

#[test]
fn a_reset_within_a_body_ends_that_exchange_alone_and_is_counted() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    let mut bystander = sidecar.connect();
    bystander.send(format!("GET /gate {HEAD}\r\n"));
    eventually(SOON, || {
        ensure!(origin.waiting() == 1, "the bystander has not arrived");
        Ok(())
    });

    let mut uploading = sidecar.connect();
    uploading.send(format!("POST /sink {HEAD}Content-Length: 1000000\r\n\r\n"));
    uploading.send(body::whole(500_000));
    eventually(SOON, || {
        ensure!(origin.asked("/sink") == 1, "the upload has not arrived");
        Ok(())
    });
    uploading.abort();
    sidecar.expect_counted(499, 1);
    let mut downloading = sidecar.connect();
    downloading.send(format!("GET /bytes/50000000 {HEAD}\r\n"));
    downloading.exactly(1000);
    downloading.abort();
    sidecar.expect_counted(499, 2);
    let mut cut_short = sidecar.connect();
    cut_short.send(format!("GET /break/1000 {HEAD}\r\n"));
    assert!(cut_short.try_response("GET").is_err(), "half of a body is no body");
    sidecar.expect_counted(502, 1);

    origin.open_gate();
    assert_eq!(bystander.response("GET").text(), "GET /gate");
    assert_eq!(origin.completed(), 3, "the upload that broke off is no whole request");
    sidecar.expect_idle();
    sidecar.expect_counted(200, 1);
}

/// A client at the point of its crash, and whether an exchange must be counted by then.
fn abandoned(sidecar: &Sidecar, at: usize) -> (Client, bool) {
    let mut client = sidecar.connect();
    match at % 7 {
        0 => return (client, false),
        1 => {
            client.send("GET /head HTTP/1.1\r\nHo");
            return (client, false);
        }
        2 => client.send(format!("POST /sink {HEAD}Content-Length: 10\r\n\r\n")),
        3 => client.send(format!("POST /sink {HEAD}Content-Length: 100000\r\n\r\n{}", "x".repeat(50_000))),
        4 => client.send(format!("POST /sink {HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhel")),
        5 => client.send(format!("GET /gate {HEAD}\r\n")),
        _ => {
            client.send(format!("GET /bytes/50000000 {HEAD}\r\n"));
            client.exactly(100);
        }
    }
    (client, true)
}

#[test]
fn a_thousand_clients_that_crash_leave_nothing_behind() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    sidecar.get("/warm");
    let before = open_descriptors(sidecar.process.id()).unwrap();

    let mut exchanges = 0;
    for round in 0..20 {
        let clients: Vec<_> = (0..50).map(|at| abandoned(&sidecar, round * 50 + at)).collect();
        for (client, has_exchange) in clients {
            exchanges += u64::from(has_exchange);
            client.abort();
        }
        sidecar.expect_counted(499, exchanges);
    }

    sidecar.expect_idle();
    eventually(SOON, || {
        let now = open_descriptors(sidecar.process.id())?;
        // One connection to the service may be idle, and one on the admin port may be closing.
        ensure!(now <= before + 2, "{now} descriptors are open, and were {before}");
        Ok(())
    });
    origin.open_gate();
    assert_eq!(sidecar.get("/after").text(), "GET /after");
    assert_eq!(sidecar.metric("sitio_requests_total", "code=\"5"), 0, "what clients break is no failure of the service");
}

#[test]
fn an_early_end_of_the_clients_half_is_no_abort() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());

    for _ in 0..50 {
        let mut client = sidecar.connect();
        client.send(format!("POST /sink {HEAD}Content-Length: 5\r\n\r\n"));
        client.send(body::whole(5));
        client.finish_sending();
        assert!(client.response("POST").text().starts_with("Length(5) bytes=5 differs_at=None"));
    }

    sidecar.expect_counted(200, 50);
    sidecar.expect_counted(499, 0);
}

#[test]
fn without_descriptors_it_waits_and_recovers() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).with("SITIO_WORKERS", "1").start();
    let pid = sidecar.process.id();
    assert_eq!(sidecar.get("/before").status(), 200);

    // As if another program in the container had taken all remaining descriptors.
    let before = limit_descriptors(pid, Some(0));
    let mut waiting: Vec<Client> = (0..20).map(|_| sidecar.connect()).collect();
    for client in &mut waiting {
        client.send(format!("GET /patient {HEAD}Connection: close\r\n\r\n"));
    }
    eventually(SOON, || {
        let said = sidecar.process.stderr().join("\n");
        ensure!(said.contains("cannot accept connections;"), "{said}");
        Ok(())
    });
    limit_descriptors(pid, before);

    for client in &mut waiting {
        let answer = client.response("GET");
        let word = answer.header("x-sitio-error");
        assert!(matches!((answer.status(), word), (200, None) | (503, Some("overloaded"))), "{answer:?}");
    }
    drop(waiting);
    let mut client = eventually(SOON, || {
        let mut client = sidecar.connect();
        let status = client.get("/after").status();
        ensure!(status == 200, "still {status}");
        Ok(client)
    });
    for _ in 0..50 {
        assert_eq!(client.get("/after").status(), 200, "it has recovered");
    }
    sidecar.expect_idle();
    let complaints = sidecar.process.stderr().iter().filter(|line| line.contains("cannot accept")).count();
    assert!(complaints < 10, "it says so {complaints} times");
}

#[test]
fn over_the_connection_limit_there_is_an_answer_that_says_so() {
    let origin = Origin::start();
    // Two descriptors for each connection, and 96 for everything else.
    let sidecar = Sidecar::builder(origin.port()).descriptors(96 + 2 * 20).start();
    let mut held: Vec<Client> = (0..20).map(|_| sidecar.connect()).collect();
    for client in &mut held {
        assert_eq!(client.get("/held").status(), 200);
    }

    for _ in 0..5 {
        let mut client = sidecar.connect();
        let _ = client.try_send(format!("GET /one-too-many {HEAD}\r\n"));
        let answer = client.response("GET");
        assert_eq!((answer.status(), answer.header("x-sitio-error")), (503, Some("overloaded")), "{answer:?}");
        assert_eq!((answer.header("connection"), answer.header("retry-after")), (Some("close"), Some("1")), "{answer:?}");
        assert_eq!(client.rest(), b"", "and the connection is closed");
    }
    assert_eq!(sidecar.metric("sitio_connections_turned_away_total", ""), 5);
    assert_eq!(origin.asked("/one-too-many"), 0);

    for client in &mut held {
        assert_eq!(client.get("/held").status(), 200, "those who were there before are served");
    }
    drop(held);
    eventually(SOON, || {
        let status = sidecar.get("/again").status();
        ensure!(status == 200, "still {status}");
        Ok(())
    });
}

#[test]
fn a_peer_that_sends_a_whole_body_before_it_reads_is_served() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    let mut client = sidecar.connect();

    client.send(format!("POST /sink {HEAD}Content-Length: 20000000\r\n\r\n"));
    client.send(body::whole(20_000_000));
    let sunk = client.response("POST").text();
    client.send(format!("GET /bytes/20000000 {HEAD}\r\n"));
    let (_, check, _) = client.checked_response("GET");

    assert!(sunk.contains("bytes=20000000 differs_at=None"), "{sunk}");
    assert_eq!(check, Check { bytes: 20_000_000, differs_at: None });
}

#[test]
fn a_client_that_leaves_before_a_late_small_answer_was_not_answered() {
    const LEFT: u64 = 20;
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());

    for _ in 0..LEFT {
        let mut client = sidecar.connect();
        client.send(format!("GET /gate {HEAD}\r\n"));
        drop(client); // A normal close: the kernel only reports that nothing more will be sent.
    }
    eventually(SOON, || {
        ensure!(origin.waiting() == LEFT, "{} requests wait at the gate", origin.waiting());
        Ok(())
    });
    origin.open_gate();

    // Each response is answered with a reset, usually at once, but the kernel may delay it.
    eventually(SOON, || {
        let counted = sidecar.metric("sitio_requests_total", "code=\"499\"");
        let others = sidecar.metric("sitio_requests_total", "code=\"200\"");
        ensure!(counted + others == LEFT && counted > LEFT / 2, "{counted} were counted as gone, {others} as served");
        Ok(())
    });
}
