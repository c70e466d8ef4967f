//! Tests of gRPC through the sidecar: all four kinds of calls, their outcome, and their end in a drain.

use std::time::Duration;

use bytes::Bytes;
use mesh::exchange::Outcome;
use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;
use sidecar::worker::Workers;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::grpc_service::{Client, Note, serve};
use crate::support::{PATIENCE, async_listener, counted, listener, sidecar, sidecar_with, turn_off, within};

fn note(number: u32, text: impl Into<Vec<u8>>) -> Note {
    Note { number, text: text.into() }
}

#[tokio::test]
async fn calls_of_every_kind_pass_and_are_counted() {
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;

    assert_eq!(within(client.repeat(note(7, "hello"))).await.unwrap(), note(7, "hello"));
    assert_counted(&workers, "/test.Echo/Repeat").await;
    let mut counting = client.count(note(300, "x")).await.unwrap();
    for number in 0..300 {
        assert_eq!(within(counting.message()).await.unwrap(), Some(note(number, "x")));
    }
    assert_eq!(within(counting.message()).await.unwrap(), None);
    assert_counted(&workers, "/test.Echo/Count").await;
    let sum = within(client.sum(tokio_stream::iter((1..=100).map(|number| note(number, "y"))))).await.unwrap();
    assert_eq!(sum, note(5050, "y"));
    assert_counted(&workers, "/test.Echo/Sum").await;
}

async fn assert_counted(workers: &Workers, route: &str) {
    let report = counted(workers, route, |report| report.golden.hits == 1 && report.in_flight == 0).await;
    assert_eq!((report.golden.statuses(), report.golden.failed), (&[(200, 1)][..], 0), "{route}");
    assert!(report.golden.bytes_in > 5 && report.golden.bytes_out > 5 && report.golden.total_us > 0, "{report:?}");
    assert_eq!((report.endpoint.method(), report.recent[0].reason.as_str()), ("POST", "OK"));
}

#[tokio::test]
async fn a_conversation_goes_back_and_forth_and_is_seen_while_it_is_open() {
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;

    let (say, said) = mpsc::channel(1);
    let mut received = client.chat(ReceiverStream::new(said)).await.unwrap();
    for number in 0..50 {
        say.send(note(number, "ping")).await.unwrap();
        assert_eq!(within(received.message()).await.unwrap(), Some(note(number, "ping")));
    }
    counted(&workers, "/test.Echo/Chat", |report| report.in_flight == 1).await;
    drop(say);
    assert_eq!(within(received.message()).await.unwrap(), None);
    let report = counted(&workers, "/test.Echo/Chat", |report| report.golden.hits == 1 && report.in_flight == 0).await;
    assert_eq!(report.golden.bytes_in, report.golden.bytes_out);
}

#[tokio::test]
async fn big_messages_pass_whole() {
    const BYTES: usize = 10 * 1024 * 1024;
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;

    let text: Vec<u8> = (0..BYTES).map(|at| (at * 31 % 251) as u8).collect();
    for _ in 0..5 {
        let echo = within(client.repeat(note(1, text.clone()))).await.unwrap();
        assert!(echo.text == text, "the message has changed on its way");
    }

    let report = counted(&workers, "/test.Echo/Repeat", |report| report.golden.hits == 5).await;
    assert!(report.golden.bytes_in > BYTES as u64 && report.golden.bytes_out > BYTES as u64);
}

#[tokio::test]
async fn the_outcome_of_a_call_is_counted_by_its_code() {
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;

    for code in [Code::NotFound, Code::Internal, Code::Unavailable, Code::InvalidArgument, Code::Unknown] {
        let status = within(client.repeat(note(code as u32, "fail"))).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, "as was asked"));
    }

    let report = counted(&workers, "/test.Echo/Repeat", |report| report.golden.hits == 5).await;
    assert_eq!(report.golden.statuses(), [(400, 1), (404, 1), (500, 2), (503, 1)]);
    assert_eq!(report.golden.failed, 3);
    assert!(report.recent.iter().any(|exchange| exchange.reason == "INTERNAL"), "{report:?}");
}

#[tokio::test]
async fn a_method_that_is_turned_off_is_unavailable() {
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    turn_off(&workers, "POST", "/test.Echo/Repeat").await;

    let status = within(client.repeat(note(1, "x"))).await.unwrap_err();

    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("turned off"), "{status:?}");
    assert_eq!(status.metadata().get("x-sitio-rule").unwrap(), "r-1");
    let report = counted(&workers, "/test.Echo/Repeat", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.by_rule, report.golden.failed, report.golden.statuses()), (1, 0, &[(503, 1)][..]));
    assert_eq!(within(client.sum(tokio_stream::iter([note(2, "x")]))).await.unwrap().number, 2, "others are untouched");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable_and_found_again_when_it_is() {
    let (listener, target) = listener();
    drop(listener);
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;

    let status = within(client.repeat(note(1, "x"))).await.unwrap_err();

    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.metadata().get("x-sitio-error").unwrap(), "upstream-connect");
    let report = counted(&workers, "/test.Echo/Repeat", |report| report.golden.hits == 1).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (1, &[(502, 1)][..]));
}

#[tokio::test]
async fn a_stream_whose_service_dies_ends_as_unavailable() {
    let (listener, target) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        let response = hyper::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut body = respond.send_response(response, false).unwrap();
        // A message of two bytes whose first field is 1; the call never ends.
        body.send_data(Bytes::from_static(&[0, 0, 0, 0, 2, 0x08, 1]), false).unwrap();
        let _ = connection.accept().await;
        drop(body);
    });
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let (_say, said) = mpsc::channel(1);
    let mut received = client.chat(ReceiverStream::new(said)).await.unwrap();
    assert_eq!(within(received.message()).await.unwrap(), Some(note(1, "")));

    service.shutdown().await;

    let status = within(received.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.metadata().get("x-sitio-error").unwrap(), "upstream-reset");
    let report = counted(&workers, "/test.Echo/Chat", |report| report.golden.hits == 1 && report.in_flight == 0).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (1, &[(503, 1)][..]));
    assert_eq!((report.recent[0].outcome, report.recent[0].reason.as_str()), (Outcome::BrokenOff, "UNAVAILABLE"));
}

#[tokio::test]
async fn trailing_metadata_of_100_kb_passes_whole_and_more_than_the_limit_is_an_error_by_name() {
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;

    // Behind a message, and alone in the head of a response that has only trailers.
    for text in ["metadata", "metadata alone"] {
        for bytes in [100_000, 600_000] {
            let mut received = match within(client.count(note(bytes, text))).await {
                Ok(received) => received,
                Err(status) => {
                    metadata_passed_or_refused(&status, bytes);
                    continue;
                }
            };
            assert_eq!(within(received.message()).await.unwrap(), Some(note(bytes, "")));
            metadata_passed_or_refused(&within(received.message()).await.unwrap_err(), bytes);
        }
    }
    let report = counted(&workers, "/test.Echo/Count", |report| report.golden.hits == 4).await;
    assert_eq!((report.golden.failed, report.golden.statuses()), (2, &[(404, 2), (502, 2)][..]));
}

fn metadata_passed_or_refused(status: &tonic::Status, bytes: u32) {
    if bytes == 100_000 {
        assert_eq!((status.code(), status.message()), (Code::NotFound, "as was asked"));
        assert_eq!(status.metadata().get("details").unwrap().len(), 100_000);
    } else {
        assert_eq!(status.code(), Code::ResourceExhausted, "{}", status.message());
        assert!(status.message().contains("over 512 KiB"), "{}", status.message());
        assert_eq!(status.metadata().get("x-sitio-error").unwrap(), "upstream-protocol");
    }
}

#[tokio::test]
async fn a_call_that_says_nothing_is_not_taken_for_a_stalled_body() {
    let (target, _service) = serve();
    let timeouts = Timeouts { body: Some(Duration::from_millis(100)), ..Timeouts::default() };
    let (_workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let mut client = Client::connect(address).await;
    let (say, said) = mpsc::channel(1);
    let mut summing = Box::pin(client.sum(ReceiverStream::new(said)));
    let silent = Duration::from_millis(600);
    assert!(tokio::time::timeout(silent, &mut summing).await.is_err(), "it waits for the caller");
    say.send(note(5, "x")).await.unwrap();
    drop(say);
    assert_eq!(within(summing).await.unwrap().number, 5);
}

#[tokio::test]
async fn a_drain_lets_a_conversation_finish_and_takes_no_more() {
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let (say, said) = mpsc::channel(1);
    let mut received = client.chat(ReceiverStream::new(said)).await.unwrap();
    counted(&workers, "/test.Echo/Chat", |report| report.in_flight == 1).await;

    let talk = async {
        while std::net::TcpStream::connect(address).is_ok() {
            tokio::task::yield_now().await;
        }
        for number in 0..20 {
            say.send(note(number, "still")).await.unwrap();
            assert_eq!(within(received.message()).await.unwrap(), Some(note(number, "still")));
        }
        drop(say);
        assert_eq!(within(received.message()).await.unwrap(), None);
    };
    let began = std::time::Instant::now();
    tokio::join!(workers.drain(PATIENCE), talk);

    assert!(began.elapsed() < PATIENCE, "the connection was closed when its last call was over");
    let report = counted(&workers, "/test.Echo/Chat", |report| report.golden.hits == 1).await;
    assert_eq!(report.golden.statuses(), [(200, 1)]);
}

#[tokio::test]
async fn a_drain_breaks_off_what_does_not_finish() {
    let (target, _service) = serve();
    let (workers, address) = sidecar(target).await;
    let mut client = Client::connect(address).await;
    let (say, said) = mpsc::channel(1);
    let mut received = client.chat(ReceiverStream::new(said)).await.unwrap();
    say.send(note(1, "x")).await.unwrap();
    within(received.message()).await.unwrap();

    within(workers.drain(Duration::from_millis(10))).await;

    assert!(within(received.message()).await.is_err());
    let report = counted(&workers, "/test.Echo/Chat", |report| report.golden.hits == 1).await;
    assert_eq!((report.in_flight, report.golden.statuses(), report.golden.failed_by_sitio), (0, &[(503, 1)][..], 1));
}
