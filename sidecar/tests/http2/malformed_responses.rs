//! Tests of malformed responses: each ends its own exchange, and no other one of the same connection.

use http2::error_code::ErrorCode;

use crate::client::{Client, Innocent};
use crate::service::{Connection, Plan, Script, Seen, Service};
use crate::support::{counted, sidecar};

/// Heads that no response may have.
const HEADS: [&[(&str, &str)]; 14] = [
    &[(":status", "200"), ("X-Upper", "1")],
    &[(":status", "200"), ("", "1")],
    &[(":status", "200"), ("a b", "1")],
    &[(":status", "200"), ("nul", "a\0b")],
    &[(":status", "200"), ("cr", "a\rb")],
    &[(":status", "200"), ("lf", "a\nset-cookie: b")],
    &[("no", "status")],
    &[(":status", "abc")],
    &[(":status", "99")],
    &[(":status", "101")],
    &[("regular", "first"), (":status", "200")],
    &[(":status", "200"), (":status", "200")],
    &[(":status", "200"), (":path", "/")],
    &[(":status", "200"), ("transfer-encoding", "chunked")],
];

/// The case in a path such as `/bad/3`.
fn case(seen: &Seen) -> Option<usize> {
    seen.path().strip_prefix("/bad/")?.parse().ok()
}

/// A service whose responses are malformed after their heads.
fn asked(connection: &mut Connection, seen: &Seen) -> Option<Plan> {
    let (wire, stream) = (&mut connection.wire, seen.stream);
    match seen.path() {
        "/bad/trailers" => {
            wire.head(stream, &[(":status", "200")], false);
            wire.data(stream, b"body", false);
            wire.head(stream, &[(":status", "200"), ("checksum", "1")], true);
        }
        "/bad/204" => {
            wire.head(stream, &[(":status", "204")], false);
            wire.data(stream, b"surprise", true);
        }
        "/bad/long" => {
            wire.head(stream, &[(":status", "200"), ("content-length", "4")], false);
            wire.data(stream, b"longer", true);
        }
        "/bad/short" => {
            wire.head(stream, &[(":status", "200"), ("content-length", "9")], false);
            wire.data(stream, b"shorter", true);
        }
        "/bad/first" => wire.data(stream, b"no head", true),
        _ => {
            let head = HEADS[case(seen)?];
            wire.head(stream, head, false);
        }
    }
    Some(Plan::Scripted)
}

fn service() -> Service {
    Service::start(Script { asked: Box::new(asked), ..Script::default() })
}

/// The exchanges are on one connection to the service, and it was asked to end the bad ones.
#[track_caller]
fn expect_one_connection(service: &Service, exchanges: usize) {
    let all_reset = |log: &crate::service::Log| log.for_path("/bad").iter().all(|seen| seen.reset.is_some());
    service.wait("the service knows that its responses are not wanted", all_reset);
    service.log(|log| {
        let bad = log.for_path("/bad");
        assert_eq!(bad.len(), exchanges, "none was sent twice");
        let held = log.for_path("/hold/mine")[0].connection;
        assert!(bad.iter().all(|seen| seen.connection == held), "{bad:?}");
    });
}

#[tokio::test]
async fn a_malformed_head_of_a_response_ends_its_own_exchange_with_502_and_no_other() {
    let service = service();
    let (workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let held = client.get("/hold/mine");
    for number in 0..HEADS.len() {
        let answer = client.ask(&format!("/bad/{number}"));
        assert_eq!((answer.status(), answer.field("x-sitio-error")), (502, "upstream-protocol"), "{number}: {answer:?}");
        assert!(answer.is_whole, "{number}");
    }
    let answer = client.ask("/bad/first");
    assert_eq!((answer.status(), answer.field("x-sitio-error")), (502, "upstream-protocol"), "{answer:?}");
    expect_one_connection(&service, HEADS.len() + 1);
    assert_eq!(client.ask("/go").status(), 200);
    assert_eq!(client.answer(held).text(), "GET /hold/mine 0");
    let report = counted(&workers, "/bad/{id}", |report| report.golden.hits == HEADS.len() as u64).await;
    assert_eq!(report.golden.failed, HEADS.len() as u64);
    innocent.finish();
}

#[tokio::test]
async fn a_response_that_becomes_malformed_after_its_head_is_not_completed_as_if_it_were_whole() {
    let service = service();
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    let held = client.get("/hold/mine");
    let paths = ["/bad/trailers", "/bad/204", "/bad/long", "/bad/short"];
    for path in paths {
        let answer = client.ask(path);
        assert!(!answer.is_whole && answer.trailers.is_none(), "{path}: {answer:?}");
        assert_eq!(answer.reset, Some(ErrorCode::INTERNAL_ERROR.0), "{path}: {answer:?}");
    }
    expect_one_connection(&service, paths.len());
    assert_eq!(client.ask("/go").status(), 200);
    assert_eq!(client.answer(held).text(), "GET /hold/mine 0");
    innocent.finish();
}
