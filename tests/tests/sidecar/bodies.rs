//! Tests that bodies of every framing pass a sidecar unchanged, in both directions.

use std::io::Write;

use scenario::body::{self, Check};
use scenario::client::Client;
use scenario::http::{Head, write_chunked, write_plain};
use scenario::origin::Origin;
use scenario::proc::peak_kib;
use scenario::python_file_server::PythonFileServer;
use scenario::sidecar::Sidecar;

/// Sizes around the ends of buffers, chunks and packets.
const SIZES: [u64; 10] = [0, 1, 2, 1023, 4096, 16_385, 65_536, 262_143, 262_145, 1_500_000];

const BIG: u64 = 100_000_000;

/// The memory growth allowed for 100 MB: a few buffers, and what the allocator keeps.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

fn world() -> (Origin, Sidecar) {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    (origin, sidecar)
}

#[test]
fn every_framing_of_a_response_arrives_as_it_was_sent() {
    let (_origin, sidecar) = world();
    let mut kept_alive = sidecar.connect();

    for size in SIZES {
        for framing in ["bytes", "chunked", "close"] {
            let mut fresh = sidecar.connect();
            let client = if framing == "close" { &mut fresh } else { &mut kept_alive };
            client.send(format!("GET /{framing}/{size} HTTP/1.1\r\nHost: shop\r\n\r\n"));
            let (head, check, trailers) = client.checked_response("GET");

            assert_eq!((head.status(), check), (200, Check { bytes: size, differs_at: None }), "{framing} {size}");
            if framing == "chunked" {
                assert_eq!(trailers, ["X-Sent: all"], "{size}");
            }
        }
    }
}

#[test]
fn every_framing_of_a_request_arrives_as_it_was_sent() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    for size in SIZES {
        client.send(format!("POST /sink HTTP/1.1\r\nHost: shop\r\nContent-Length: {size}\r\n\r\n"));
        write_plain(client.writer(), size).unwrap();
        assert_eq!(client.response("POST").text(), format!("Length({size}) bytes={size} differs_at=None trailers=[]"));

        client.send("POST /sink HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n");
        write_chunked(client.writer(), size).unwrap();
        assert_eq!(client.response("POST").text(), format!("Chunked bytes={size} differs_at=None trailers=[\"X-Sent: all\"]"));
    }
}

#[test]
fn a_body_that_trickles_in_byte_by_byte_is_the_same_body() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    let mut request = b"POST /sink HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    write_chunked(&mut request, 40).unwrap();
    for byte in request {
        client.send([byte]);
    }

    assert_eq!(client.response("POST").text(), "Chunked bytes=40 differs_at=None trailers=[\"X-Sent: all\"]");
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    for target in ["/bytes/70000", "/chunked/70000", "/status/204", "/status/304", "/bytes/0"] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: shop\r\n\r\n"));
        let head = client.response("HEAD");
        assert!(head.body.is_empty(), "HEAD {target}");
        if target == "/bytes/70000" {
            assert_eq!(head.header("content-length"), Some("70000"));
        }
    }
    let no_content = client.get("/status/204");
    let not_modified = client.get("/status/304");

    assert_eq!((no_content.status(), no_content.header("x-kept")), (204, Some("yes")));
    assert_eq!((not_modified.status(), not_modified.header("content-length")), (304, Some("1234")));
    assert_eq!(client.get("/after").text(), "GET /after", "the next answer is the next request's");
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    let hinted = client.get("/early");
    assert_eq!(hinted.interim.iter().map(Head::status).collect::<Vec<_>>(), [103]);
    assert_eq!(hinted.interim[0].header("link"), Some("</style.css>; rel=preload"));
    assert_eq!((hinted.status(), hinted.text().as_str()), (200, "after the hints"));

    client.send("POST /sink HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let go_ahead = client.head();
    client.send(body::whole(5));
    let answer = client.response("POST");

    assert_eq!(go_ahead.status(), 100, "the go-ahead comes before the body is sent");
    assert!(answer.interim.is_empty() && answer.text().contains("bytes=5 differs_at=None"), "{answer:?}");
}

#[test]
fn an_old_client_gets_a_body_that_it_can_read() {
    let (_origin, sidecar) = world();

    for target in ["/bytes/5000", "/close/5000", "/chunked/5000"] {
        let mut client = sidecar.connect();
        client.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
        let (head, check, _) = client.checked_response("GET");

        assert_eq!((head.status(), check), (200, Check { bytes: 5000, differs_at: None }), "{target}");
        assert_eq!(client.rest(), b"", "the connection ends: HTTP/1.0 did not ask to keep it");
    }
    let mut client = sidecar.connect();
    client.send("POST /echo HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc");
    assert_eq!(client.response("POST").text(), "abc");
}

#[test]
fn a_refused_upload_still_gets_its_answer() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();

    client.send("POST /refuse HTTP/1.1\r\nHost: shop\r\nContent-Length: 50000000\r\n\r\n");
    let mut sent = 0;
    while sent < 50_000_000 && client.try_send(body::piece(sent, 8192)).is_ok() {
        sent += 8192;
        if sent > 1_000_000 {
            break; // The service has answered by now, and the client must receive the response.
        }
    }

    let refused = client.response("POST");
    assert_eq!((refused.status(), refused.text().as_str()), (413, "too big"));
}

#[test]
fn a_hundred_megabytes_pass_in_constant_memory() {
    let (_origin, sidecar) = world();
    let mut client = sidecar.connect();
    client.get("/bytes/1000000");
    let before_kib = peak_kib(sidecar.process.id());

    for framing in ["bytes", "chunked"] {
        client.send(format!("GET /{framing}/{BIG} HTTP/1.1\r\nHost: shop\r\n\r\n"));
        let (_, check, _) = client.checked_response("GET");
        assert_eq!(check, Check { bytes: BIG, differs_at: None }, "down, {framing}");
    }
    client.send(format!("POST /sink HTTP/1.1\r\nHost: shop\r\nContent-Length: {BIG}\r\n\r\n"));
    write_plain(client.writer(), BIG).unwrap();
    assert_eq!(client.response("POST").text(), format!("Length({BIG}) bytes={BIG} differs_at=None trailers=[]"));
    client.send("POST /sink HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, client.writer());
    write_chunked(&mut buffered, BIG).unwrap();
    buffered.flush().unwrap();
    drop(buffered);
    let chunked_up = client.response("POST").text();
    assert_eq!(chunked_up, format!("Chunked bytes={BIG} differs_at=None trailers=[\"X-Sent: all\"]"));

    let grown_kib = peak_kib(sidecar.process.id()) - before_kib;
    assert!(grown_kib <= GROWTH_KIB_MAX, "the sidecar grew by {grown_kib} KiB");
}

#[test]
fn a_slow_reader_does_not_fill_the_sidecars_memory() {
    let (_origin, sidecar) = world();
    sidecar.get("/bytes/1000000");
    let before_kib = peak_kib(sidecar.process.id());

    // Twenty clients request 50 MB each, and read only the head.
    let mut waiting: Vec<Client> = (0..20).map(|_| sidecar.connect()).collect();
    for client in &mut waiting {
        client.send("GET /bytes/50000000 HTTP/1.1\r\nHost: shop\r\n\r\n");
        assert_eq!(client.exactly(12), b"HTTP/1.1 200");
    }

    let grown_kib = peak_kib(sidecar.process.id()) - before_kib;
    assert!(grown_kib <= GROWTH_KIB_MAX, "the sidecar grew by {grown_kib} KiB");
}

#[test]
fn pythons_file_server_is_served_unchanged() {
    let python = PythonFileServer::start();
    let file = body::whole(3_000_000);
    python.put("picture.png", &file);
    let sidecar = Sidecar::in_front_of(python.port());

    let direct = scenario::client::get(python.port(), "/picture.png");
    let tunnelled = sidecar.get("/picture.png");

    assert_eq!(tunnelled.status(), 200);
    assert!(tunnelled.body == file, "the file is not the same");
    for header in ["content-type", "content-length", "server", "last-modified"] {
        assert_eq!(tunnelled.header(header), direct.header(header), "{header}");
    }
    assert!(sidecar.get("/").text().contains("picture.png"), "the listing of the folder");
}
