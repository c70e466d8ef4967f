//! Tests of what is forwarded: requests and responses, pipelines, cuts at every byte, and forwarding fields.

use std::io::{Read, Write};
use std::net::TcpStream;

use mesh::refusal::RefusalReason;
use mesh::report::EndpointReport;
use sidecar::exchange::options::ProxyOptions;
use sidecar::forwarding::Forwarding;

use crate::support::{ask, counted_all, read_head, send, service, sidecar, sidecar_with};

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
    let reported = counted_all(&workers, |all| !all.is_empty()).await;
    assert_eq!(
        (reported[0].endpoint.to_string().as_str(), reported[0].golden.hits, reported[0].golden.bytes_out),
        ("GET /users/{id}", 1, 2)
    );
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
async fn every_counted_request_has_a_caller_whichever_worker_served_it() {
    let (target, _service) = service(20, |stream| {
        read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").unwrap();
        Vec::new()
    });
    let (workers, address) = sidecar(target).await;
    let talk = tokio::task::spawn_blocking(move || {
        // All are connected before the first request, so that each worker has its share of them.
        let mut clients: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        for client in &mut clients {
            client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("hi"), "{answer}");
        }
    });
    talk.await.unwrap();
    let hits = |all: &[EndpointReport]| all.iter().map(|report| report.golden.hits).sum::<u64>();
    let all = counted_all(&workers, |all| hits(all) == 20).await;
    assert_eq!(all.iter().map(|report| report.callers.sum().hits).sum::<u64>(), 20, "{all:?}");
}

#[tokio::test]
async fn refusals_are_counted_by_their_reason() {
    let (target, _service) = service(0, |_| Vec::new());
    let (workers, address) = sidecar(target).await;
    for (head, reason) in [
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", RefusalReason::Target),
        ("GET / HTTP/1.1\r\n\r\n", RefusalReason::Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", RefusalReason::Field),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", RefusalReason::Framing),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", RefusalReason::Version),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", RefusalReason::Method),
        ("GET / HTTP/1.1\r\nHost:", RefusalReason::Incomplete),
        (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(70_000)), RefusalReason::TargetTooLong),
        (&format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(300)), RefusalReason::TooLarge),
    ] {
        let before = workers.counters().refusals();
        let answer = ask(address, head).await;
        assert!(answer.contains("X-Sitio-Error: bad-request\r\n"), "{reason}: {answer}");
        let after = workers.counters().refusals();
        assert_eq!((after[reason], after.total()), (before[reason] + 1, before.total() + 1), "{reason}: {after:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_service_closed_costs_no_request() {
    let (target, service) = service(2, |stream| {
        let head = read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        head // and closes the connection without a response
    });
    let (_workers, address) = sidecar(target).await;
    for _ in 0..2 {
        assert!(ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.ends_with("hi"));
    }
    assert_eq!(service.join().unwrap().len(), 2);
}

#[tokio::test]
async fn forwarding_fields_are_added_if_configured() {
    let (target, service) = service(1, |stream| {
        let head = read_head(stream);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        head
    });
    let mut forwarding = Forwarding::default();
    assert!(Forwarding::NAMES.iter().all(|name| forwarding.choose(name)));
    let (_workers, address) = sidecar_with(ProxyOptions { forwarding, ..ProxyOptions::new(target) }).await;
    ask(
        address,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\ntraceparent: 00-1-2-01\r\n\r\n",
    )
    .await;
    let head = String::from_utf8_lossy(&service.join().unwrap()[0]).into_owned();
    assert!(head.contains("X-Forwarded-For: 192.0.2.1\r\ntraceparent: 00-1-2-01\r\nX-Forwarded-For: 127.0.0.1\r\n"), "{head}");
    assert_eq!(head.matches("X-Forwarded-Proto: ").count(), 1, "readers take the first: {head}");
    assert!(head.contains("X-Forwarded-Proto: http\r\n"), "{head}");
    assert!(head.contains("Forwarded: for=127.0.0.1;proto=http\r\n") && head.contains("Via: 1.1 sitio\r\n"), "{head}");
}
