//! Tests of the limits of heads: what is at a limit passes, and what is over it gets its status, over both protocols.

use std::net::SocketAddr;

use sidecar::exchange::options::ProxyOptions;
use sidecar::forwarding::Forwarding;
use sidecar::head::HeadLimits;
use sidecar::target::ServiceAddr;
use sidecar::worker::Workers;

use crate::client::Client;
use crate::http1_service::{Http1Service, Then};
use crate::service::{Script, Service};
use crate::support::{ask, sidecar_with};

/// The defaults, and the lowest and the highest limits that can be set.
const LIMITS: [HeadLimits; 3] = [
    HeadLimits { head_bytes: 98_304, target_bytes: 61_440, fields: 256 },
    HeadLimits { head_bytes: 4096, target_bytes: 1024, fields: 16 },
    HeadLimits { head_bytes: 196_608, target_bytes: 65_534, fields: 512 },
];

/// The head of a request, with a Host in both protocols.
struct Head {
    path: String,
    fields: Vec<(&'static str, String)>,
}

impl Head {
    fn new(path: &str) -> Self {
        Self { path: path.to_owned(), fields: vec![("host", "t.test".to_owned())] }
    }

    /// The target has this number of bytes.
    fn with_target(bytes: usize) -> Self {
        Self::new(&format!("/{}", "a".repeat(bytes - 1)))
    }

    /// There are so many fields, the Host among them.
    fn with_fields(mut self, count: usize) -> Self {
        self.fields.resize(count, ("a", "b".to_owned()));
        self
    }

    /// As HTTP/1 sends it, filled up to this number of bytes.
    fn http1_bytes(bytes: usize) -> Self {
        Self::filled(|head| bytes - head.http1().len())
    }

    /// The same for HTTP/2, whose fields count as many bytes as in HTTP/1.
    fn http2_bytes(bytes: usize) -> Self {
        let counted = |head: &Self| head.fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
        Self::filled(|head| bytes - head.path.len() - counted(head))
    }

    fn filled(missing: impl Fn(&Self) -> usize) -> Self {
        let mut head = Self::new("/").with_fields(2);
        let bytes = missing(&head);
        head.fields[1].1.push_str(&"b".repeat(bytes));
        head
    }

    fn http1(&self) -> String {
        let lines: Vec<String> = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {} HTTP/1.1\r\n{}\r\n", self.path, lines.concat())
    }

    async fn expect_in_http1(&self, address: SocketAddr, status: u16) {
        let answer = ask(address, &self.http1()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status} in HTTP/1: {answer:.200}");
    }

    fn expect_in_http2(&self, address: SocketAddr, status: u16) {
        let mut fields = crate::client::head("GET", &self.path).to_vec();
        fields.extend(self.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let mut client = Client::connect(address);
        let stream = client.request(&fields, true);
        let answer = client.answer(stream);
        assert_eq!(answer.status(), status, "in HTTP/2: {answer:?}");
    }

    async fn expect(&self, address: SocketAddr, status: u16) {
        self.expect_in_http1(address, status).await;
        self.expect_in_http2(address, status);
    }
}

/// A sidecar with these limits that adds fields to every request.
async fn limited(target: impl Into<ServiceAddr>, limits: HeadLimits) -> (Workers, SocketAddr) {
    let mut forwarding = Forwarding::default();
    assert!(Forwarding::NAMES.iter().all(|name| forwarding.choose(name)));
    sidecar_with(ProxyOptions { limits, forwarding, ..ProxyOptions::new(target) }).await
}

async fn expect_limits_of_requests(target: SocketAddr) {
    for limits in LIMITS {
        let (_workers, address) = limited(target, limits).await;
        for (over, long, large) in [(0, 200, 200), (1, 414, 431)] {
            Head::with_target(limits.target_bytes + over).expect(address, long).await;
            Head::new("/").with_fields(limits.fields + over).expect(address, large).await;
            Head::http1_bytes(limits.head_bytes + over).expect_in_http1(address, large).await;
            Head::http2_bytes(limits.head_bytes + over).expect_in_http2(address, large);
        }
    }
}

#[tokio::test]
async fn a_request_at_a_limit_reaches_a_service_that_speaks_http_1_and_one_over_it_is_answered_414_or_431() {
    let service = Http1Service::start(|_, _| (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), Then::Stay));
    expect_limits_of_requests(service.address).await;
}

#[tokio::test]
async fn a_request_at_a_limit_reaches_a_service_that_speaks_http_2_and_one_over_it_is_answered_414_or_431() {
    let service = Service::start(Script::default());
    expect_limits_of_requests(service.address).await;
}

#[tokio::test]
async fn a_response_at_a_limit_passes_and_one_over_it_is_answered_502() {
    let service = Http1Service::start(|path, _| (response(path).into_bytes(), Then::Stay));
    for limits in LIMITS {
        let (_workers, address) = limited(service.address, limits).await;
        for (over, status) in [(0, 200), (1, 502)] {
            Head::new(&format!("/fields/{}", limits.fields + over)).expect(address, status).await;
            Head::new(&format!("/bytes/{}", limits.head_bytes + over)).expect(address, status).await;
        }
    }
}

/// A response with so many fields, or bytes, in its head.
fn response(path: &str) -> String {
    let (what, count) = path[1..].split_once('/').unwrap();
    let count: usize = count.parse().unwrap();
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{fields}\r\n");
    match what {
        "fields" => head(&"A: b\r\n".repeat(count - 1)),
        _ => head(&format!("A: {}\r\n", "b".repeat(count - head("A: \r\n").len()))),
    }
}

#[tokio::test]
async fn a_change_of_protocol_is_granted_at_a_limit() {
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let service = Http1Service::start(|_, _| (agreed.as_bytes().to_vec(), Then::Close));
    for limits in LIMITS {
        let (_workers, address) = limited(service.address, limits).await;
        let mut head = Head::new("/live").with_fields(limits.fields);
        head.fields[1] = ("connection", "upgrade".to_owned());
        head.fields[2] = ("upgrade", "websocket".to_owned());
        head.expect_in_http1(address, 101).await;
    }
}
