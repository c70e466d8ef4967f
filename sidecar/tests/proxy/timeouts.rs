//! Tests of stalled and slow request bodies, and of how long idle connections are kept.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;

use crate::support::{PATIENCE, counted_all, read_head, service, sidecar_with};

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_stops_is_answered_408_and_gives_the_service_its_connection_back() {
    let (target, service) = service(1, |stream| {
        read_head(stream);
        let mut rest = Vec::new();
        // To the end: the sidecar closes it.
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    let timeouts = Timeouts { body: Some(Duration::from_millis(300)), ..Timeouts::default() };
    let (workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let talk = move || {
        let mut stream = connect(address);
        stream.write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome").unwrap();
        read_to_end(stream)
    };
    let answer = tokio::task::spawn_blocking(talk).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("X-Sitio-Error: bad-request\r\n") && answer.contains("Connection: close\r\n"), "{answer}");
    assert!(answer.contains("SITIO_BODY_TIMEOUT"), "{answer}");
    assert_eq!(service.join().unwrap(), [b"some"]);
    let reported = counted_all(&workers, |all| all.iter().any(|report| report.golden.hits == 1)).await;
    let golden = &reported.iter().find(|report| report.golden.hits == 1).unwrap().golden;
    assert_eq!((golden.statuses(), golden.failures(), golden.bytes_in), (&[(408, 1)][..], 0, 4));
}

#[tokio::test]
async fn a_body_that_becomes_malformed_after_the_response_has_begun_counts_as_a_bad_request() {
    let (target, service) = service(1, |stream| {
        let head = read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome").unwrap();
        // To the end: the sidecar closes it.
        let _ = stream.read_to_end(&mut Vec::new());
        head
    });
    let (workers, address) = sidecar_with(ProxyOptions::new(target)).await;
    let talk = move || {
        let mut stream = connect(address);
        stream.write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let head = read_head(&mut stream);
        stream.write_all(b"no size\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        head
    };
    let head = tokio::task::spawn_blocking(talk).await.unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
    service.join().unwrap();
    let reports = counted_all(&workers, |all| all.iter().any(|report| report.golden.hits == 1)).await;
    let report = reports.iter().find(|report| report.golden.hits == 1).unwrap();
    assert_eq!((report.golden.statuses(), report.golden.failures()), (&[(400, 1)][..], 0));
}

#[tokio::test]
async fn a_body_that_is_slow_but_alive_passes() {
    let (target, service) = service(1, |stream| {
        read_head(stream);
        let mut body = [0; 8];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        body.to_vec()
    });
    let timeouts = Timeouts { body: Some(Duration::from_secs(4)), ..Timeouts::default() };
    let (_workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let talk = move || {
        let mut stream = connect(address);
        stream.write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nConnection: close\r\n\r\n").unwrap();
        let began = Instant::now();
        for byte in b"slowly.." {
            // Together they take longer than the timeout; each wait alone is a fraction of it.
            std::thread::park_timeout(Duration::from_millis(600));
            stream.write_all(&[*byte]).unwrap();
        }
        assert!(began.elapsed() > Duration::from_secs(4), "all of it took longer than the timeout");
        read_to_end(stream)
    };
    let answer = tokio::task::spawn_blocking(talk).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert_eq!(service.join().unwrap(), [b"slowly.."]);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_not_taken_for_a_stalled_one() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        // Longer than the timeout: the service is slow, and the client has nothing to send.
        std::thread::park_timeout(Duration::from_secs(1));
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        Vec::new()
    });
    let timeouts = Timeouts { body: Some(Duration::from_millis(300)), ..Timeouts::default() };
    let (_workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let talk = move || {
        let mut stream = connect(address);
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
        stream.write_all(head).unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"hi").unwrap();
        read_to_end(stream)
    };
    let answer = tokio::task::spawn_blocking(talk).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

/// How long a connection is kept idle after a response with these fields.
async fn idle_for(said: &'static str) -> Duration {
    let (target, _service) = service(1, move |stream| {
        read_head(stream);
        stream.write_all(format!("HTTP/1.1 204 No Content\r\n{said}\r\n").as_bytes()).unwrap();
        let _ = stream.read(&mut [0]);
        Vec::new()
    });
    let timeouts = Timeouts { idle: Duration::from_millis(250), ..Timeouts::default() };
    let (_workers, address) = sidecar_with(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await;
    let talk = move || {
        let mut stream = connect(address);
        // Before the response: the sidecar begins to wait no earlier.
        let began = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_to_end(stream);
        began.elapsed()
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn an_idle_connection_is_kept_as_long_as_its_service_announces() {
    assert!(idle_for("Keep-Alive: timeout=3, max=100\r\n").await >= Duration::from_secs(3));
    assert_eq!(Timeouts::default().idle, Duration::from_secs(75));
}
