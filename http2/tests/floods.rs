//! Floods: each ends with ENHANCE_YOUR_CALM, and none makes the output or a buffer grow.

use http2::connection::Connection;
use http2::error_code::ErrorCode;
use http2::frame::EndStream::{No, Yes};
use http2::frame::StreamId;
use http2::limits::Limits;

use crate::recorder::{Recorder, data, frame, get, headers, ok, post, receive, rst_stream, server, window_update};

/// The most output that a flood may cause: the replies, and a few frames.
const OUTPUT_BYTES_MAX: usize = 1000 * 17 + 1000;

/// Repeats frames until the connection ends, and returns the code.
#[track_caller]
fn flood(connection: &mut Connection, mut frames: impl FnMut(u32) -> Vec<u8>) -> ErrorCode {
    for round in 0..100_000 {
        if let Err(error) = connection.receive(&frames(round), &mut Recorder::default()) {
            assert!(connection.output().len() < OUTPUT_BYTES_MAX, "{} bytes", connection.output().len());
            return error.code;
        }
    }
    panic!("the flood did not end the connection");
}

#[test]
fn floods_of_frames_end_the_connection() {
    let cases = [
        ("PING", frame(6, 0, 0, &[0; 8])),
        ("SETTINGS", frame(4, 0, 0, &[])),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 3, 0])),
        ("WINDOW_UPDATE", window_update(1, 1)),
        ("WINDOW_UPDATE of the connection", window_update(0, 1)),
        ("empty DATA", data(1, b"", No)),
        ("padding", frame(0, 8, 1, &[1, 0])),
        ("unknown frames", frame(0xbe, 0, 0, &[])),
    ];
    for (name, frames) in cases {
        let mut connection = server(Limits::default());
        receive(&mut connection, &headers(1, post(), No));
        // Window updates for padding are ours, and are read.
        let code = flood(&mut connection, |_| frames.clone());
        assert_eq!(code, ErrorCode::ENHANCE_YOUR_CALM, "{name}");
    }
}

#[test]
fn floods_of_streams_that_are_refused_or_fail_end_the_connection() {
    let mut connection = server(Limits { streams: 1, ..Limits::default() });
    let refused = flood(&mut connection, |round| headers(2 * round + 1, get(), Yes));
    assert_eq!(refused, ErrorCode::ENHANCE_YOUR_CALM);
    let mut connection = server(Limits::default());
    let failed = flood(&mut connection, |round| headers(2 * round + 1, [], Yes));
    assert_eq!(failed, ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn a_field_block_is_bounded() {
    let begin = |connection: &mut Connection| receive(connection, &frame(1, 1, 1, &[]));
    let mut connection = server(Limits::default());
    begin(&mut connection);
    assert_eq!(flood(&mut connection, |_| frame(9, 0, 1, &[])), ErrorCode::ENHANCE_YOUR_CALM);
    let mut connection = server(Limits::default());
    begin(&mut connection);
    assert_eq!(flood(&mut connection, |_| frame(9, 0, 1, &[0; 16_384])), ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn pings_whose_replies_are_read_may_go_on() {
    let mut connection = server(Limits::default());
    for _ in 0..20_000 {
        receive(&mut connection, &frame(6, 0, 0, &[0; 8]).repeat(2));
        // The peer reads slowly: there is always something left.
        connection.advance_output(if connection.output().len() > 1000 { 500 } else { 17 });
    }
}

#[test]
fn requests_pay_for_window_updates() {
    let mut connection = server(Limits::default());
    for stream in (1..20_000).step_by(2) {
        let input = [headers(stream, get(), Yes), window_update(0, 1).repeat(8), window_update(stream, 1).repeat(8)].concat();
        receive(&mut connection, &input);
        connection.respond(StreamId(stream), ok(), Yes).unwrap();
        connection.advance_output(usize::MAX);
    }
}

#[test]
fn rapid_resets_hold_nothing() {
    let mut connection = server(Limits::default());
    for stream in (1..100_000).step_by(2) {
        receive(&mut connection, &[headers(stream, get(), Yes), rst_stream(stream, ErrorCode::CANCEL)].concat());
    }
    assert_eq!((connection.streams(), connection.resets(), connection.output().len()), (0, 50_000, 0));
}
