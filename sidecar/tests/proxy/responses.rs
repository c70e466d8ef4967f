//! Tests of responses: what the service sends, and responses that are late, broken off, not HTTP or missing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use sidecar::decorator::Decorator;
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;

use crate::support::{PATIENCE, ask, counted_all, read_head, service, sidecar, sidecar_with};

#[tokio::test]
async fn a_404_is_replaced_and_the_connection_goes_on() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 404 File not found\r\nContent-Length: 4\r\n\r\ndull").unwrap();
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        Vec::new()
    });
    let decorators: Vec<Arc<dyn Decorator>> = vec![Arc::new(NotFoundPage::built_in())];
    let (_workers, address) = sidecar_with(ProxyOptions { decorators, ..ProxyOptions::new(target) }).await;
    let answer = ask(address, &"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2)).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.contains("Look somewhere else"), "{answer}");
    assert!(answer.ends_with("hi") && !answer.contains("dull"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_never_passed_on() {
    for (bad, word) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "upstream-protocol"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", "upstream-protocol"),
        ("HTTP/1.1 99 OK\r\n\r\n", "upstream-protocol"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "upstream-protocol"),
        ("SSH-2.0-OpenSSH\r\n", "upstream-protocol"),
        ("", "upstream-reset"),
        ("HTTP/1.1 200 OK\r\nConte", "upstream-reset"),
    ] {
        let (target, _service) = service(1, move |stream| {
            read_head(stream);
            stream.write_all(bad.as_bytes()).unwrap();
            Vec::new()
        });
        let (_workers, address) = sidecar(target).await;
        let answer = ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 502") && answer.contains(&format!("X-Sitio-Error: {word}\r\n")),
            "{bad:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").unwrap();
        Vec::new()
    });
    let (_workers, address) = sidecar(target).await;
    let read = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        (String::from_utf8_lossy(&answer).into_owned(), end.is_err())
    });
    let (answer, was_reset) = read.await.unwrap();
    assert!(!answer.contains("0\r\n\r\n") && was_reset, "{answer}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named_in_the_error() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (workers, address) = sidecar(closed).await;
    let answer = ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n") && answer.contains("X-Sitio-Error: upstream-connect\r\n"),
        "{answer}"
    );
    assert_eq!(counted_all(&workers, |all| !all.is_empty()).await[0].golden.failed, 1);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_not_waited_for() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        let _ = stream.read(&mut [0]); // until the sidecar gives up
        Vec::new()
    });
    let timeouts = Timeouts { answer: Some(Duration::from_millis(50)), ..Timeouts::default() };
    let (_workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let answer = ask(address, "POST / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("X-Sitio-Error: upstream-timeout\r\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_has_begun_is_bound_by_the_time_for_the_whole() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi").unwrap();
        let _ = stream.read(&mut [0]); // until the sidecar gives up
        Vec::new()
    });
    let timeouts =
        Timeouts { answer: Some(Duration::from_secs(60)), exchange: Some(Duration::from_secs(3)), ..Timeouts::default() };
    let (workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let read = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        (String::from_utf8_lossy(&answer).into_owned(), end.is_err())
    });
    let (answer, was_reset) = read.await.unwrap();
    assert!(answer.ends_with("hi") && was_reset, "{answer}");
    let reported = counted_all(&workers, |all| all.iter().any(|report| report.golden.hits == 1)).await;
    assert_eq!(reported.iter().map(|report| report.golden.hits).sum::<u64>(), 1);
}
