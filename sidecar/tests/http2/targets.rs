//! Tests that every visible byte but `#` reaches the service unchanged, whichever protocols client and service speak.

use std::net::SocketAddr;

use crate::client::Client;
use crate::http1_service::{Http1Service, Then};
use crate::service::{Script, Service};
use crate::support::{ask, sidecar};

/// Each visible byte but `#` in a path and in a query, and all of them at once. A `?` in a path begins the query.
fn targets() -> Vec<String> {
    let visible: Vec<char> = (0x21_u8..=0x7e).map(char::from).filter(|byte| *byte != '#').collect();
    let query: String = visible.iter().collect();
    let path = query.replace('?', "");
    let each = visible.iter().map(|byte| format!("/a{byte}b?c{byte}d"));
    each.chain([format!("/{path}?{query}")]).collect()
}

/// Sends each target over both protocols. `last` is the last target that the service has read.
async fn expect_unchanged(address: SocketAddr, last: impl Fn() -> String) {
    let mut client = Client::connect(address);
    for target in targets() {
        let answer = client.ask(&target);
        assert_eq!((answer.status(), last()), (200, target.clone()), "over HTTP/2: {answer:?}");
        let answer = ask(address, &format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        assert_eq!(last(), target, "over HTTP/1");
    }
}

#[tokio::test]
async fn every_visible_byte_but_the_hash_passes_unchanged_to_a_service_that_speaks_http_2() {
    let service = Service::start(Script::default());
    let (_workers, address) = sidecar(service.address).await;
    expect_unchanged(address, || service.log(|log| log.seen.last().unwrap().path().to_owned())).await;
}

#[tokio::test]
async fn every_visible_byte_but_the_hash_passes_unchanged_to_a_service_that_speaks_http_1() {
    let service = Http1Service::start(|_, _| (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), Then::Stay));
    let (_workers, address) = sidecar(service.address).await;
    expect_unchanged(address, || service.last().split(' ').nth(1).unwrap().to_owned()).await;
}
