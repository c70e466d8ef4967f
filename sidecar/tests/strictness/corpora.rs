//! Replays the corpora of all fuzz targets on every test run.

use std::path::Path;

use crate::{decoders, fuzzed_http2, proxy};

/// Checks every input of a fuzz target.
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    for file in files {
        println!("{}", file.display());
        check(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn heads_of_requests() {
    replay("request_head", decoders::request_head);
}

#[test]
fn heads_of_answers() {
    replay("response_head", decoders::response_head);
}

#[test]
fn chunked_bodies() {
    replay("chunked_body", decoders::chunked_body);
}

#[test]
fn frames_of_the_stream() {
    replay("frames", decoders::frames);
}

#[test]
fn whole_connections() {
    // One after the other: they share a tunnel, and check what the service has seen.
    replay("connection", proxy::connection);
    replay("answers", proxy::answer);
}

#[test]
fn connections_of_http_2() {
    // One after the other: they share a sidecar.
    replay("http2", fuzzed_http2::http2);
    replay("http2_service", fuzzed_http2::http2_service);
}
