//! Tests of requests that the service did not process: they are sent again, and those that it may have processed are not.

use std::sync::atomic::{AtomicBool, Ordering};

use http2::error_code::ErrorCode;

use crate::client::{Client, Innocent, head};
use crate::service::{Connection, Plan, Script, Seen, Service};
use crate::support::sidecar;

/// More than the replay buffer of the sidecar, but within the window in which the service accepts it before GOAWAY.
const LARGE_BYTES: usize = 200_000;

/// How often a request is sent at most.
const ATTEMPTS_MAX: usize = 5;

/// A service that does this to the first request for a path that begins with `/once`, and answers the next ones.
fn once(act: impl Fn(&mut Connection, &Seen) + Send + Sync + 'static) -> Service {
    let is_done = AtomicBool::new(false);
    let asked = move |connection: &mut Connection, seen: &Seen| {
        if !seen.path().starts_with("/once") || is_done.swap(true, Ordering::SeqCst) {
            return None;
        }
        act(connection, seen);
        Some(Plan::Unread)
    };
    Service::start(Script { asked: Box::new(asked), ..Script::default() })
}

/// The requests for `path`: the first one was not processed, and the second one is whole.
#[track_caller]
fn expect_sent_twice(service: &Service, path: &str, body_bytes: usize) -> [Seen; 2] {
    let seen: Vec<Seen> = service.log(|log| log.for_path(path).into_iter().cloned().collect());
    let [first, second] = seen.try_into().unwrap();
    assert!(second.is_whole && second.body == vec![b'x'; body_bytes], "{second:?}");
    assert_eq!(first.fields, second.fields);
    [first, second]
}

#[tokio::test]
async fn requests_above_the_last_stream_of_goaway_are_sent_again_on_another_connection() {
    let service = once(|connection, seen| connection.wire.go_away(seen.stream - 2, ErrorCode::NO_ERROR));
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    assert_eq!(client.ask("/first").status(), 200);
    let get = client.get("/once/get");
    assert_eq!(client.answer(get).text(), "GET /once/get 0");
    let [first, second] = expect_sent_twice(&service, "/once/get", 0);
    assert_ne!(first.connection, second.connection);
    assert_eq!(service.log(|log| log.for_path("/first").len()), 1, "it was processed");
    innocent.finish();
}

#[tokio::test]
async fn requests_with_bodies_above_the_last_stream_of_goaway_are_sent_again_whole() {
    for bytes in [1000, LARGE_BYTES] {
        let service = once(|connection, seen| connection.wire.go_away(seen.stream - 2, ErrorCode::NO_ERROR));
        let (_workers, address) = sidecar(service.address).await;
        let innocent = Innocent::begin(address);
        let mut client = Client::connect(address);
        assert_eq!(client.ask("/first").status(), 200);
        let post = client.post("/once/post", &vec![b'x'; bytes]);
        assert_eq!(client.answer(post).text(), format!("POST /once/post {bytes}"));
        let [first, second] = expect_sent_twice(&service, "/once/post", bytes);
        assert_ne!(first.connection, second.connection);
        innocent.finish();
    }
}

#[tokio::test]
async fn goaway_right_after_the_settings_of_a_new_connection_costs_no_request() {
    // The first connection, on which requests wait for SETTINGS, and a later one, on which they do not.
    for ending in [0, 1] {
        let opened = move |connection: &mut Connection| {
            if connection.number == ending {
                connection.wire.go_away(0, ErrorCode::NO_ERROR);
            }
        };
        let service = Service::start(Script { opened: Box::new(opened), ..Script::default() });
        let (_workers, address) = sidecar(service.address).await;
        let innocent = Innocent::begin(address);
        let mut client = Client::connect(address);
        let (get, post) = (client.get("/get"), client.post("/post", &[b'x'; 1000]));
        assert_eq!(client.answer(get).text(), "GET /get 0");
        assert_eq!(client.answer(post).text(), "POST /post 1000");
        innocent.finish();
    }
}

#[tokio::test]
async fn a_service_that_ends_every_new_connection_is_not_asked_for_ever_more_of_them() {
    let opened = |connection: &mut Connection| connection.wire.go_away(0, ErrorCode::NO_ERROR);
    let service = Service::start(Script { opened: Box::new(opened), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address);
    let stream = client.get("/never");
    let answer = client.answer(stream);
    assert!(answer.status() == 502 || answer.reset == Some(ErrorCode::REFUSED_STREAM.0), "{answer:?}");
    let connections = service.log(|log| log.connections);
    assert!(connections < 20, "{connections}");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again() {
    for bytes in [0, 1000] {
        let service = once(|connection, seen| connection.wire.reset(seen.stream, ErrorCode::REFUSED_STREAM));
        let (_workers, address) = sidecar(service.address).await;
        let innocent = Innocent::begin(address);
        let mut client = Client::connect(address);
        let stream = if bytes == 0 { client.get("/once") } else { client.post("/once", &vec![b'x'; bytes]) };
        let answer = client.answer(stream);
        assert_eq!(answer.status(), 200, "{answer:?}");
        expect_sent_twice(&service, "/once", bytes);
        innocent.finish();
    }
}

#[tokio::test]
async fn a_request_that_is_refused_every_time_ends_as_refused_and_the_others_go_on() {
    let asked = |connection: &mut Connection, seen: &Seen| {
        let is_refused = seen.path() == "/refused";
        is_refused.then(|| {
            connection.wire.reset(seen.stream, ErrorCode::REFUSED_STREAM);
            Plan::Unread
        })
    };
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let upload = client.request(&head("POST", "/upload"), false);
    client.wire.body(upload, "first ", false);
    for body in [&b""[..], b"body"] {
        let stream = if body.is_empty() { client.get("/refused") } else { client.post("/refused", body) };
        assert_eq!(client.answer(stream).reset, Some(ErrorCode::REFUSED_STREAM.0));
    }
    assert_eq!(service.log(|log| log.for_path("/refused").len()), 2 * ATTEMPTS_MAX);
    client.wire.body(upload, "second", true);
    assert_eq!(client.answer(upload).text(), "POST /upload 12");
    innocent.finish();
}

#[tokio::test]
async fn a_request_that_the_service_may_have_processed_is_not_sent_twice() {
    for method in ["GET", "POST"] {
        let service = once(|connection, seen| {
            connection.wire.go_away(seen.stream, ErrorCode::NO_ERROR);
            connection.wire.close();
        });
        let (_workers, address) = sidecar(service.address).await;
        let innocent = Innocent::begin(address);
        let mut client = Client::connect(address);
        let stream = if method == "GET" { client.get("/once") } else { client.post("/once", b"x") };
        let answer = client.answer(stream);
        assert_eq!((answer.status(), answer.field("x-sitio-error")), (502, "upstream-reset"), "{answer:?}");
        assert_eq!(client.ask("/next").status(), 200);
        assert_eq!(service.log(|log| log.for_path("/once").len()), 1, "{method}");
        innocent.finish();
    }
}

#[tokio::test]
async fn what_goaway_lets_finish_is_finished_on_the_old_connection() {
    let asked = |connection: &mut Connection, seen: &Seen| {
        if seen.path() == "/last" {
            connection.wire.go_away(seen.stream, ErrorCode::NO_ERROR);
        }
        None
    };
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let stream = client.post("/last", &vec![b'x'; LARGE_BYTES]);
    assert_eq!(client.answer(stream).text(), format!("POST /last {LARGE_BYTES}"));
    assert_eq!(client.ask("/next").text(), "GET /next 0");
    let of = |path: &str| service.log(|log| log.for_path(path).iter().map(|seen| seen.connection).collect::<Vec<_>>());
    assert_eq!(of("/last").len(), 1);
    assert_ne!(of("/last"), of("/next"));
    innocent.finish();
}
