//! Tests of clients that leave while the service is silent: the service learns of it, and the exchange is counted as 499.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mesh::exchange::Outcome;
use sidecar::exchange::options::ProxyOptions;
use sidecar::timeouts::Timeouts;
use sidecar::worker::Workers;

use crate::support::{PATIENCE, counted, listener, read_head, sidecar_as_configured};

/// A grace that is over soon.
const SHORT: Option<Duration> = Some(Duration::from_millis(200));

/// A grace that no test lives to see.
const LONG: Option<Duration> = Some(Duration::from_secs(3600));

/// A service that reads a request and then waits for what the test wants.
struct SilentService {
    accepted: mpsc::Receiver<TcpStream>,
}

impl SilentService {
    fn start() -> (Self, SocketAddr) {
        let (listener, address): (TcpListener, SocketAddr) = listener();
        let (send, accepted) = mpsc::channel();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                if !read_head(&mut stream).is_empty() && send.send(stream).is_err() {
                    break;
                }
            }
        });
        (Self { accepted }, address)
    }

    /// The connection of the next request.
    fn request(&self) -> TcpStream {
        self.accepted.recv_timeout(PATIENCE).expect("the request arrives")
    }
}

async fn sidecar(target: SocketAddr, abandon: Option<Duration>) -> (Workers, SocketAddr) {
    let timeouts = Timeouts { abandon, ..Timeouts::default() };
    sidecar_as_configured(ProxyOptions { timeouts, ..ProxyOptions::new(target) }).await
}

fn request(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client
}

/// Whether the sidecar has ended the connection to the service, once it does.
fn wait_for_end(mut service: TcpStream) {
    assert!(matches!(service.read(&mut [0; 16]), Ok(0) | Err(_)), "the service reads nothing more");
}

async fn assert_client_gone(workers: &Workers) {
    let report = counted(workers, "/slow", |report| report.golden.hits == 1 && report.in_flight == 0).await;
    assert_eq!((report.golden.statuses(), report.golden.failed), (&[(499, 1)][..], 0));
    assert_eq!(report.recent[0].outcome, Outcome::ClientGone);
}

#[tokio::test]
async fn a_client_that_closes_while_it_waits_is_gone_after_the_grace() {
    let (service, target) = SilentService::start();
    let (workers, address) = sidecar(target, SHORT).await;
    let client = request(address);
    let at_service = service.request();
    drop(client);
    tokio::task::spawn_blocking(move || wait_for_end(at_service)).await.unwrap();
    assert_client_gone(&workers).await;
}

#[tokio::test]
async fn a_reset_ends_the_exchange_at_once_whatever_the_grace() {
    let (service, target) = SilentService::start();
    let (workers, address) = sidecar(target, LONG).await;
    for half_closes_first in [false, true] {
        let client = request(address);
        let at_service = service.request();
        if half_closes_first {
            client.shutdown(Shutdown::Write).unwrap();
        }
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        tokio::task::spawn_blocking(move || wait_for_end(at_service)).await.unwrap();
        assert_client_gone(&workers).await;
    }
}

#[tokio::test]
async fn a_half_close_gets_an_answer_that_comes_within_the_grace() {
    for abandon in [LONG, None] {
        let (service, target) = SilentService::start();
        let (workers, address) = sidecar(target, abandon).await;
        let mut client = request(address);
        let mut at_service = service.request();
        client.shutdown(Shutdown::Write).unwrap();
        at_service.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        let read = move || {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer
        };
        let answer = tokio::task::spawn_blocking(read).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhi"), "{answer}");
        counted(&workers, "/slow", |report| report.golden.statuses() == [(200, 1)]).await;
    }
}

#[tokio::test]
async fn a_half_close_without_a_grace_waits_longer_than_the_default() {
    let (service, target) = SilentService::start();
    let (workers, address) = sidecar(target, None).await;
    let client = request(address);
    let at_service = service.request();
    client.shutdown(Shutdown::Write).unwrap();
    let within = Duration::from_millis(1500);
    at_service.set_read_timeout(Some(within)).unwrap();
    let began = Instant::now();
    let read = move || ((&at_service).read(&mut [0; 16]).is_err(), at_service);
    let (is_open, at_service) = tokio::task::spawn_blocking(read).await.unwrap();
    assert!(is_open && began.elapsed() >= within, "the service still has its connection");
    drop((client, at_service, workers));
}

#[tokio::test]
async fn a_response_that_stops_is_abandoned_too_and_one_that_goes_on_is_not() {
    let (service, target) = SilentService::start();
    let grace = Duration::from_secs(1);
    let (workers, address) = sidecar(target, Some(grace)).await;
    let mut client = request(address);
    let mut at_service = service.request();
    at_service.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let talk = move || {
        // One piece after the other, for longer than the grace.
        let began = Instant::now();
        let mut piece = [0; 4096];
        while began.elapsed() < grace * 2 {
            at_service.write_all(b"1\r\nx\r\n").unwrap();
            assert!(client.read(&mut piece).unwrap() > 0, "the response goes on");
        }
        wait_for_end(at_service);
    };
    tokio::task::spawn_blocking(talk).await.unwrap();
    assert_client_gone(&workers).await;
}
