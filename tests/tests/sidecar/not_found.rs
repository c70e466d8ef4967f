//! Tests the not-found decorator: a service's 404 is replaced by a custom page.

use std::fs;

use scenario::origin::Origin;
use scenario::sidecar::Sidecar;

#[test]
fn a_404_is_passed_on_unless_asked_otherwise() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());

    let answer = sidecar.get("/missing");

    assert_eq!((answer.status(), answer.text().as_str()), (404, "the service's own 404"));
}

#[test]
fn a_404_page_is_replaced() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).not_found_page("built-in").start();
    let mut client = sidecar.connect();

    let page = client.get("/missing");
    assert_eq!(page.status(), 404);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{:?}", page.head);
    assert_eq!(page.header("content-length"), Some(page.body.len().to_string().as_str()));
    assert!(page.text().to_lowercase().contains("<html"), "{}", page.text());
    assert!(!page.text().contains("the service's own 404"));

    client.send("HEAD /missing HTTP/1.1\r\nHost: shop\r\n\r\n");
    let head = client.response("HEAD");
    assert_eq!(head.status(), 404);
    assert_eq!(head.header("content-length"), page.header("content-length"));

    assert_eq!(client.get("/found").text(), "GET /found", "the connection lives on");
    assert_eq!(client.get("/status/500").text(), "status 500", "other failures are the service's own");
}

#[test]
fn a_404_page_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lost.html");
    fs::write(&file, "<!doctype html><title>Lost</title><h1>Nothing here, friend \u{1f4a5}</h1>").unwrap();
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).not_found_page(&file).start();
    let mut client = sidecar.connect();

    for _ in 0..3 {
        let page = client.get("/missing");
        assert_eq!((page.status(), page.body), (404, fs::read(&file).unwrap()));
    }
    client.send("POST /missing HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.response("POST").body, fs::read(&file).unwrap());
    assert_eq!(client.get("/found").text(), "GET /found");
}
