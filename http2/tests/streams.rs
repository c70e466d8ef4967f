//! The life of streams: limits, resets, GOAWAY, and what is safe to send again.

use http2::connection::operations::OpenError;
use http2::error_code::ErrorCode;
use http2::frame::EndStream::{No, Yes};
use http2::frame::StreamId;
use http2::limits::Limits;

use crate::recorder::{
    Event, Sent, client, data, frame, get, headers, ok, output, post, receive, receive_error, rst_stream, server,
};

/// GOAWAY.
fn go_away(last: u32, code: ErrorCode) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), code.0.to_be_bytes()].concat())
}

#[test]
fn one_stream_too_many_is_refused() {
    let mut connection = server(Limits { streams: 2, ..Limits::default() });
    let input = [headers(1, get(), Yes), headers(3, get(), Yes), headers(5, post(), No), data(5, b"late", Yes)].concat();
    assert_eq!(receive(&mut connection, &input).len(), 2);
    assert_eq!(output(&mut connection), [Sent::Reset(5, ErrorCode::REFUSED_STREAM)]);
    assert_eq!((connection.streams(), connection.refused()), (2, 1));
    connection.respond(StreamId(1), ok(), Yes).unwrap();
    assert_eq!(receive(&mut connection, &headers(7, get(), Yes)).len(), 1);
}

#[test]
fn a_client_opens_as_many_streams_as_the_server_allows() {
    let mut connection = client(Limits::default());
    receive(&mut connection, &frame(4, 0, 0, &[0, 3, 0, 0, 0, 2]));
    assert_eq!(connection.open(get(), Yes), Ok(StreamId(1)));
    assert_eq!(connection.open(get(), Yes), Ok(StreamId(3)));
    assert_eq!(connection.open(get(), Yes), Err(OpenError::TooManyStreams));
    receive(&mut connection, &headers(1, ok(), Yes));
    assert_eq!(connection.open(get(), Yes), Ok(StreamId(5)));
    assert_eq!(server(Limits::default()).open(get(), Yes), Err(OpenError::NotAClient));
}

#[test]
fn unprocessed_requests_are_reported() {
    let mut connection = client(Limits::default());
    for _ in 0..4 {
        connection.open(get(), Yes).unwrap();
    }
    let input = [rst_stream(1, ErrorCode::REFUSED_STREAM), rst_stream(3, ErrorCode::CANCEL), go_away(5, ErrorCode::NO_ERROR)];
    let expected =
        [Event::Unprocessed(1), Event::Reset(3, ErrorCode::CANCEL), Event::Unprocessed(7), Event::GoAway(5, ErrorCode::NO_ERROR)];
    assert_eq!(receive(&mut connection, &input.concat()), expected);
    assert_eq!(connection.open(get(), Yes), Err(OpenError::GoingAway));
    // The remaining stream is finished, although GOAWAY is repeated.
    let input = [go_away(5, ErrorCode::NO_ERROR), headers(5, ok(), Yes)].concat();
    assert_eq!(receive(&mut connection, &input).len(), 2);
    assert_eq!(connection.streams(), 0);
}

#[test]
fn a_server_drains() {
    let mut connection = server(Limits::default());
    connection.drain();
    assert_eq!(receive(&mut connection, &headers(1, get(), Yes)).len(), 1);
    connection.go_away(ErrorCode::NO_ERROR);
    // Requests that crossed with GOAWAY are ignored, and keep the compression table in step.
    let late = [headers(3, post(), No), data(3, b"late", Yes), frame(1, 5, 5, &[0x82, 0x86, 0x84, 0x40, 1, b'x', 1, b'y'])];
    assert_eq!(receive(&mut connection, &late.concat()), []);
    connection.go_away(ErrorCode::NO_ERROR);
    let sent = output(&mut connection);
    let last: Vec<u32> = sent.iter().map(|sent| if let Sent::GoAway(last, _) = sent { *last } else { 0 }).collect();
    assert_eq!(last, [(1 << 31) - 1, 1, 1], "{sent:?}");
    connection.respond(StreamId(1), ok(), Yes).unwrap();
    assert_eq!(connection.streams(), 0);
}

#[test]
fn resets_are_counted() {
    let mut connection = server(Limits::default());
    for stream in (1..200).step_by(2) {
        let input = [headers(stream, get(), Yes), rst_stream(stream, ErrorCode::CANCEL)].concat();
        let events = receive(&mut connection, &input);
        assert_eq!(events[1], Event::Reset(stream, ErrorCode::CANCEL));
    }
    assert_eq!((connection.resets(), connection.streams()), (100, 0));
    assert!(connection.respond(StreamId(1), ok(), Yes).is_err());
}

#[test]
fn frames_for_streams_that_were_reset_long_ago_are_ignored() {
    let mut connection = server(Limits { resets_remembered: 2, ..Limits::default() });
    for stream in [1, 3, 5, 7] {
        receive(&mut connection, &headers(stream, post(), No));
        connection.reset(StreamId(stream), ErrorCode::NO_ERROR);
    }
    for stream in [1, 3, 5, 7] {
        assert_eq!(receive(&mut connection, &headers(stream, [], Yes)), []);
    }
    // A stream that its client has reset itself is no such case.
    receive(&mut connection, &[headers(9, get(), Yes), rst_stream(9, ErrorCode::CANCEL)].concat());
    assert_eq!(receive_error(&mut connection, &headers(9, [], Yes)), ErrorCode::STREAM_CLOSED);
}

#[test]
fn an_early_response_does_not_end_the_upload() {
    let mut connection = client(Limits::default());
    connection.open(post(), No).unwrap();
    receive(&mut connection, &headers(1, ok(), Yes));
    assert_eq!(connection.send_data(StreamId(1), b"x", No), Ok(1));
    assert_eq!(receive(&mut connection, &rst_stream(1, ErrorCode::NO_ERROR)), [Event::Reset(1, ErrorCode::NO_ERROR)]);
    assert!(connection.send_data(StreamId(1), b"x", No).is_err());
}
