//! Tests that responses which HTTP/1 lets a proxy repair reach a client of HTTP/2 with their one meaning.

use crate::client::Client;
use crate::http1_service::{Http1Service, Then};
use crate::support::{counted, sidecar};

/// What the service sends, and what the client gets: the status, and the value of `a`. `%` is replaced by 140 fields.
const RESPONSES: [(&str, &str, u16, &str); 7] = [
    ("status 600", "HTTP/1.1 600 x\r\nA: b\r\nContent-Length: 2\r\n\r\nhi", 600, "b"),
    ("status 999", "HTTP/1.1 999 x\r\nA: b\r\nContent-Length: 2\r\n\r\nhi", 999, "b"),
    ("bare LFs", "HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi", 200, "b"),
    ("control characters", "HTTP/1.1 200 OK\r\nA: b\u{1}c\u{7f}d\r\nContent-Length: 2\r\n\r\nhi", 200, "b\u{1}c\u{7f}d"),
    ("140 fields", "HTTP/1.1 200 OK\r\n%A: b\r\nContent-Length: 2\r\n\r\nhi", 200, "b"),
    ("identity and a length", "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", 200, "b"),
    ("a blank before a colon", "HTTP/1.1 200 OK\r\nA : b\r\nContent-Length\t: 2\r\n\r\nhi", 200, "b"),
];

#[tokio::test]
async fn a_response_with_one_meaning_reaches_a_client_of_http_2_repaired() {
    let service = Http1Service::start(|path, _| {
        let (_, response, ..) = RESPONSES[path.rsplit('/').next().unwrap().parse::<usize>().unwrap()];
        (response.replace('%', &"Many: 1\r\n".repeat(140)).into_bytes(), Then::Stay)
    });
    let (workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address);
    for (number, (name, response, status, value)) in RESPONSES.into_iter().enumerate() {
        let answer = client.ask(&format!("/repaired/{number}"));

        assert_eq!((answer.status(), answer.text(), answer.is_whole), (status, "hi".to_owned(), true), "{name}: {answer:?}");
        assert_eq!((answer.field("a"), answer.field("content-length")), (value, "2"), "{name}: {answer:?}");
        let fields = answer.head.unwrap();
        assert!(!fields.iter().any(|(field, _)| field == "transfer-encoding" || field == "x-sitio-error"), "{name}: {fields:?}");
        let many = if response.contains('%') { 140 } else { 0 };
        assert_eq!(fields.iter().filter(|(field, _)| field == "many").count(), many, "{name}: {fields:?}");
    }
    let report = counted(&workers, "/repaired/{id}", |report| report.golden.hits == RESPONSES.len() as u64).await;
    assert_eq!(report.golden.failures(), 2, "a status over 599 counts as a failure: {report:?}");
}
