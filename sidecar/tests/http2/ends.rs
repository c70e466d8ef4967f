//! Tests of connections that end: the service's, the client's, and all of them in a drain.

use http2::error_code::ErrorCode;
use mesh::report::EndpointReport;

use crate::client::{Client, Innocent, head};
use crate::service::{Connection, Log, Plan, Script, Seen, Service};
use crate::support::{PATIENCE, counted, counted_all, sidecar};

/// The last stream of a GOAWAY that only announces the end.
const ALL_STREAMS: u32 = (1 << 31) - 1;

/// `/break` ends the connection.
fn asked(connection: &mut Connection, seen: &Seen) -> Option<Plan> {
    let is_break = seen.path() == "/break";
    is_break.then(|| {
        connection.wire.close();
        Plan::Scripted
    })
}

#[tokio::test]
async fn a_service_that_breaks_its_connection_ends_what_is_on_it_and_nothing_else() {
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let begun: Vec<u32> = (0..3).map(|_| client.get("/begin")).collect();
    client.read_until(|client| begun.iter().all(|stream| client.answers[stream].text() == "begun"));
    let silent = client.post("/silence", b"body");
    service.wait_for("/silence", 1);

    let broken = client.post("/break", b"");

    for stream in begun {
        let answer = client.answer(stream);
        assert_eq!((answer.is_whole, answer.reset), (false, Some(ErrorCode::INTERNAL_ERROR.0)), "a part is no whole");
    }
    for stream in [silent, broken] {
        let answer = client.answer(stream);
        assert_eq!((answer.status(), answer.field("x-sitio-error")), (502, "upstream-reset"), "{answer:?}");
    }
    assert_eq!(client.ask("/next").status(), 200, "the client's connection goes on");
    let report = counted(&workers, "/begin", |report| report.golden.hits == 3).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (3, &[(502, 3)][..]));
    assert_eq!(service.log(|log| log.for_path("/silence").len()), 1, "a POST is not sent twice");
    innocent.finish();
}

#[tokio::test]
async fn a_service_that_breaks_the_rules_of_a_connection_ends_what_is_on_it_and_nothing_else() {
    let asked = |connection: &mut Connection, seen: &Seen| {
        let is_faulty = seen.path() == "/faulty";
        is_faulty.then(|| {
            // SETTINGS of five bytes.
            connection.wire.send(b"\0\0\x05\x04\0\0\0\0\0five.");
            Plan::Scripted
        })
    };
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let begun = client.get("/begin");
    client.read_until(|client| client.answers[&begun].text() == "begun");
    let answer = client.ask("/faulty");
    assert_eq!((answer.status(), answer.field("x-sitio-error")), (502, "upstream-protocol"), "{answer:?}");
    assert_eq!(client.answer(begun).reset, Some(ErrorCode::INTERNAL_ERROR.0));
    assert_eq!(client.ask("/next").status(), 200, "the client's connection goes on");
    innocent.finish();
}

#[tokio::test]
async fn the_service_learns_that_a_client_has_disconnected() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    client.get("/silence");
    client.get("/begin");
    let upload = client.request(&head("POST", "/upload"), false);
    client.wire.body(upload, "a part", false);
    service.wait("all have begun", |log| log.for_path("/upload").iter().any(|seen| seen.body == b"a part"));

    client.wire.close();

    let paths = ["/silence", "/begin", "/upload"];
    let is_known = |log: &Log| {
        let calls = paths.iter().flat_map(|path| log.for_path(path));
        calls.into_iter().all(|call| call.reset == Some(ErrorCode::CANCEL.0) || log.ended.contains(&call.connection))
    };
    service.wait("the service knows", is_known);
    assert!(service.log(|log| !log.for_path("/upload")[0].is_whole), "a part is no whole");
    let is_cancelled = |report: &EndpointReport| report.golden.statuses() == [(499, 1)] && report.golden.failed == 0;
    let are_counted = |all: &[EndpointReport]| {
        let of = |path: &str| all.iter().any(|report| report.endpoint.route() == path && is_cancelled(report));
        paths.iter().all(|path| of(path))
    };
    counted_all(&workers, are_counted).await;
    innocent.finish();
}

#[tokio::test]
async fn a_drain_announces_itself_and_lets_streams_finish() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address);
    let upload = client.request(&head("POST", "/upload"), false);
    client.wire.body(upload, "first ", false);
    service.wait_for("/upload", 1);

    let talk = move || {
        client.read_until(|client| client.go_away.is_some());
        assert_eq!(client.go_away, Some((ALL_STREAMS, 0)), "first it is only announced");
        // What is on its way at that moment is still served, if the client has not answered PING yet.
        client.read_until(|client| client.go_away != Some((ALL_STREAMS, 0)));
        assert_eq!(client.go_away, Some((upload, 0)));
        client.wire.body(upload, "second", true);
        let answer = client.answer(upload);
        client.read_to_end();
        answer
    };
    let (answer, ()) = tokio::join!(tokio::task::spawn_blocking(talk), workers.drain(PATIENCE));

    let answer = answer.unwrap();
    assert_eq!((answer.status(), answer.text()), (200, "POST /upload 12".to_owned()));
    let report = counted(&workers, "/upload", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.statuses(), report.in_flight), (&[(200, 1)][..], 0));
}

#[tokio::test]
async fn a_request_on_its_way_when_a_drain_begins_is_served() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address);
    let held = client.request(&head("POST", "/upload"), false);
    service.wait_for("/upload", 1);

    let talk = move || {
        client.read_until(|client| client.go_away.is_some());
        // PING follows GOAWAY and is not read yet, so this request is as good as sent before.
        let late = client.get("/late");
        let answer = client.answer(late);
        client.wire.body(held, "all", true);
        let held = client.answer(held);
        client.read_to_end();
        (answer, held)
    };
    let (answers, ()) = tokio::join!(tokio::task::spawn_blocking(talk), workers.drain(PATIENCE));

    let (late, held) = answers.unwrap();
    assert_eq!((late.status(), late.text()), (200, "GET /late 0".to_owned()));
    assert_eq!((held.status(), held.text()), (200, "POST /upload 3".to_owned()));
}

#[tokio::test]
async fn a_drain_closes_idle_connections_with_goaway() {
    let service = Service::start(Script::default());
    let (workers, address) = sidecar(service.address).await;
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        assert_eq!(client.ask("/before").status(), 200);
    }
    let wait = move || {
        clients.iter_mut().for_each(Client::read_to_end);
        clients.into_iter().map(|client| client.go_away).collect::<Vec<_>>()
    };
    let (ends, ()) = tokio::join!(tokio::task::spawn_blocking(wait), workers.drain(PATIENCE));
    assert_eq!(ends.unwrap(), vec![Some((1, 0)); 4]);
}
