//! The tunnel through its own door: scripted services behind it, raw bytes in front of it.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mesh::report::EndpointReport;
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::forwarding::Forwarding;
use sidecar::timeouts::Timeouts;
use sidecar::worker::Workers;
use sidecar::worker::options::TunnelOptions;

/// Nothing here takes long; this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service that answers each connection with a script, and returns what it was sent.
fn service(
    connections: usize,
    script: impl Fn(&mut TcpStream) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let connection = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            script(&mut stream)
        };
        (0..connections).map(connection).collect()
    };
    (address, std::thread::spawn(serve))
}

/// Reads a head, and returns it.
fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    head
}

async fn sidecar(target: SocketAddr) -> (Workers, SocketAddr) {
    sidecar_with(TunnelOptions { decorators: vec![Arc::new(NotFoundPage::built_in())], ..TunnelOptions::new(target) }).await
}

async fn sidecar_with(options: TunnelOptions) -> (Workers, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let workers = Workers::start(2, listener, options).unwrap();
    workers.open().await;
    (workers, address)
}

/// Sends bytes in pieces, closes the sending half, and returns everything that comes back.
async fn send(address: SocketAddr, pieces: Vec<Vec<u8>>) -> String {
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(&piece).unwrap();
            std::thread::yield_now();
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

async fn ask(address: SocketAddr, request: &str) -> String {
    send(address, vec![request.as_bytes().to_vec()]).await
}

/// Collects until `enough`, or panics: exchanges are counted just after their last byte.
async fn counted(workers: &Workers, enough: impl Fn(&[EndpointReport]) -> bool) -> Vec<EndpointReport> {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut all: Vec<EndpointReport> = Vec::new();
    while !enough(&all) {
        assert!(std::time::Instant::now() < deadline, "only {all:?} was counted");
        all.extend(workers.collect().await);
        tokio::task::yield_now().await;
    }
    all
}

#[tokio::test]
async fn a_request_and_its_answer_pass_without_what_concerns_one_connection() {
    let (target, service) = service(1, |stream| {
        let head = read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: x\r\nConnection: X-Own, close\r\nX-Own: 1\r\nDate: then\r\n\r\nhi").unwrap();
        head
    });
    let (workers, address) = sidecar(target).await;

    let answer = ask(
        address,
        "GET /users/7?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nTE: gzip\r\n\r\n",
    )
    .await;

    assert_eq!(answer, "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    let heads = service.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&heads[0]), "GET /users/7?x=1 HTTP/1.1\r\nHost: a\r\nX-End: 2\r\n\r\n");
    let told = counted(&workers, |all| !all.is_empty()).await;
    assert_eq!((told[0].endpoint.to_string().as_str(), told[0].golden.hits, told[0].golden.bytes_out), ("GET /users/{id}", 1, 2));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_over_one_connection_to_the_service() {
    let (target, service) = service(1, |stream| {
        let mut seen = Vec::new();
        for n in 0..3 {
            seen.extend(read_head(stream));
            write!(stream, "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 1\r\n\r\n{n}").unwrap();
        }
        seen
    });
    let (_workers, address) = sidecar(target).await;

    let answer = ask(address, &"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3)).await;

    let one = |n| format!("HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 1\r\n\r\n{n}");
    assert_eq!(answer, one(0) + &one(1) + &one(2));
    assert_eq!(service.join().unwrap().len(), 1);
}

#[tokio::test]
async fn a_conversation_is_the_same_wherever_it_is_cut() {
    let conversation = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\nPUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwxyzGET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let cuts: Vec<usize> = (1..conversation.len()).step_by(3).collect();
    let (target, service) = service(cuts.len(), |stream| {
        let mut seen = Vec::new();
        let bodies: [usize; 3] = ["3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n".len(), 4, 0];
        for bytes in bodies {
            seen.extend(read_head(stream));
            let mut body = vec![0; bytes];
            stream.read_exact(&mut body).unwrap();
            seen.extend(body);
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").unwrap();
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
        seen
    });
    let (_workers, address) = sidecar(target).await;

    for cut in cuts {
        let (first, second) = conversation.as_bytes().split_at(cut);
        let answer = send(address, vec![first.to_vec(), second.to_vec()]).await;
        assert_eq!(answer.matches("\r\n2\r\nok\r\n0\r\n\r\n").count(), 3, "cut at {cut}: {answer}");
    }

    let expected = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\nPUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwxyzGET /c HTTP/1.1\r\nHost: a\r\n\r\n";
    let cut_within_a_chunk = |seen: &str| seen.replace("1\r\na\r\n2\r\nbc", "3\r\nabc").replace("2\r\nab\r\n1\r\nc", "3\r\nabc");
    for seen in service.join().unwrap() {
        assert_eq!(cut_within_a_chunk(&String::from_utf8_lossy(&seen)), expected);
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_service_closed_costs_no_request() {
    let (target, service) = service(2, |stream| {
        let head = read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        head // and the connection is closed without a word
    });
    let (_workers, address) = sidecar(target).await;
    for _ in 0..2 {
        assert!(ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.ends_with("hi"));
    }
    assert_eq!(service.join().unwrap().len(), 2);
}

#[tokio::test]
async fn a_404_is_replaced_and_the_connection_goes_on() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 404 File not found\r\nContent-Length: 4\r\n\r\ndull").unwrap();
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        Vec::new()
    });
    let (_workers, address) = sidecar(target).await;
    let answer = ask(address, &"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2)).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.contains("Look somewhere else"), "{answer}");
    assert!(answer.ends_with("hi") && !answer.contains("dull"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_never_passed_on() {
    for (bad, word) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "upstream-protocol"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", "upstream-protocol"),
        ("HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "upstream-protocol"),
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
async fn a_service_that_is_not_there_is_told_by_name() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (workers, address) = sidecar(nobody).await;
    let answer = ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n") && answer.contains("X-Sitio-Error: upstream-connect\r\n"),
        "{answer}"
    );
    assert_eq!(counted(&workers, |all| !all.is_empty()).await[0].golden.failed, 1);
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_counts_what_it_must_break_off() {
    let (target, _service) = service(2, |stream| {
        let head = read_head(stream);
        if head.starts_with(b"GET /never") {
            let _ = stream.read(&mut [0]); // until the sidecar gives up
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        }
        head
    });
    let (workers, address) = sidecar(target).await;
    assert!(ask(address, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.ends_with("hi"));
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    counted(&workers, |all| all.iter().any(|report| report.in_flight == 1)).await;

    workers.drain(Duration::from_millis(10)).await;

    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
    let last = workers.collect().await;
    let broken = last.iter().find(|report| report.endpoint.route() == "/never").unwrap();
    assert_eq!((broken.in_flight, broken.golden.statuses(), broken.golden.failed_by_sitio), (0, &[(503, 1)][..], 1));
}

#[tokio::test]
async fn connections_that_wait_when_the_door_is_shut_are_served() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let workers = Workers::start(2, listener, TunnelOptions::new(nobody)).unwrap();
    let mut clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    for client in &mut clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }

    // Both orders are there before the first worker looks, so the door is shut before anybody has come through it.
    workers.open().await;
    workers.drain(PATIENCE).await;

    for client in &mut clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("X-Sitio-Error: upstream-connect\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_not_waited_for() {
    let (target, _service) = service(1, |stream| {
        read_head(stream);
        let _ = stream.read(&mut [0]); // until the sidecar gives up
        Vec::new()
    });
    let timeouts = Timeouts { answer: Some(Duration::from_millis(50)), ..Timeouts::default() };
    let (_workers, address) = sidecar_with(TunnelOptions { timeouts, ..TunnelOptions::new(target) }).await;
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
    let (workers, address) = sidecar_with(TunnelOptions { timeouts, ..TunnelOptions::new(target) }).await;
    let read = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        (String::from_utf8_lossy(&answer).into_owned(), end.is_err())
    });
    let (answer, was_reset) = read.await.unwrap();
    assert!(answer.ends_with("hi") && was_reset, "{answer}");
    let told = counted(&workers, |all| all.iter().any(|report| report.golden.hits == 1)).await;
    assert_eq!(told.iter().map(|report| report.golden.hits).sum::<u64>(), 1);
}

#[tokio::test]
async fn the_service_is_told_of_the_downstream_if_that_is_wanted() {
    let (target, service) = service(1, |stream| {
        let head = read_head(stream);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        head
    });
    let mut forwarding = Forwarding::default();
    assert!(Forwarding::NAMES.iter().all(|name| forwarding.choose(name)));
    let (_workers, address) = sidecar_with(TunnelOptions { forwarding, ..TunnelOptions::new(target) }).await;
    ask(address, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\ntraceparent: 00-1-2-01\r\n\r\n").await;
    let head = String::from_utf8_lossy(&service.join().unwrap()[0]).into_owned();
    assert!(head.contains("X-Forwarded-For: 192.0.2.1\r\ntraceparent: 00-1-2-01\r\nX-Forwarded-For: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains("Forwarded: for=127.0.0.1;proto=http\r\n") && head.contains("Via: 1.1 sitio\r\n"), "{head}");
}
