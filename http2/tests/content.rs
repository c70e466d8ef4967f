//! Content and flow control (RFC 9113, sections 5.2 and 6.9).

use http2::connection::handler::Writable;
use http2::error_code::ErrorCode;
use http2::frame::EndStream::{No, Yes};
use http2::frame::StreamId;
use http2::limits::Limits;

use crate::recorder::{
    Consumer, Event, Recorder, Sent, data, frame, get, headers, ok, output, post, receive, server, window_update,
};

/// SETTINGS with an initial window.
fn initial_window(bytes: u32) -> Vec<u8> {
    frame(4, 0, 0, &[&[0, 4][..], &bytes.to_be_bytes()].concat())
}

#[test]
fn content_waits_for_the_stream() {
    let mut connection = server(Limits::default());
    receive(&mut connection, &[initial_window(10), headers(1, get(), Yes)].concat());
    connection.respond(StreamId(1), ok(), No).unwrap();
    assert_eq!(connection.send_data(StreamId(1), b"hello, world", Yes), Ok(10));
    assert_eq!(connection.send_data(StreamId(1), b"ld", Yes), Ok(0));
    let writable = Event::Writable(Writable::Stream(StreamId(1)));
    assert_eq!(receive(&mut connection, &window_update(1, 1)), [writable]);
    assert_eq!(connection.send_data(StreamId(1), b"ld", Yes), Ok(1));
    // A larger initial window counts for open streams too.
    assert_eq!(receive(&mut connection, &initial_window(20)), [Event::Writable(Writable::Connection)]);
    assert_eq!(connection.send_data(StreamId(1), b"d", Yes), Ok(1));
    assert_eq!(connection.streams(), 0);
}

#[test]
fn content_waits_for_the_connection() {
    let mut connection = server(Limits { output_bytes: 1 << 20, ..Limits::default() });
    receive(&mut connection, &[initial_window(1 << 20), headers(1, get(), Yes), headers(3, get(), Yes)].concat());
    for stream in [StreamId(1), StreamId(3)] {
        connection.respond(stream, ok(), No).unwrap();
    }
    assert_eq!(connection.send_data(StreamId(1), &vec![0; 70_000], Yes), Ok(65_535));
    assert_eq!(connection.send_data(StreamId(3), b"x", Yes), Ok(0));
    assert_eq!(receive(&mut connection, &window_update(0, 100)), [Event::Writable(Writable::Connection)]);
    assert_eq!(connection.send_data(StreamId(3), b"x", Yes), Ok(1));
    output(&mut connection);
    // Empty content needs no window.
    let sent = connection.send_data(StreamId(1), b"", Yes);
    assert_eq!((sent, output(&mut connection)), (Ok(0), vec![Sent::Data(1, 0, Yes)]));
}

#[test]
fn content_is_divided_into_frames_and_waits_for_the_output() {
    let mut connection = server(Limits { output_bytes: 20_000, ..Limits::default() });
    receive(&mut connection, &headers(1, get(), Yes));
    connection.respond(StreamId(1), ok(), No).unwrap();
    let room = connection.output_room();
    assert_eq!(connection.send_data(StreamId(1), &vec![0; 30_000], Yes), Ok(room));
    assert_eq!(output(&mut connection)[1..], [Sent::Data(1, 16_384, No), Sent::Data(1, room - 16_384, No)]);
}

#[test]
fn a_reduced_window_can_be_negative() {
    let mut connection = server(Limits::default());
    receive(&mut connection, &[initial_window(10), headers(1, get(), Yes)].concat());
    connection.respond(StreamId(1), ok(), No).unwrap();
    assert_eq!(connection.send_data(StreamId(1), &[0; 20], No), Ok(10));
    receive(&mut connection, &initial_window(5));
    assert_eq!(receive(&mut connection, &window_update(1, 5)), []);
    assert_eq!(connection.send_data(StreamId(1), b"x", No), Ok(0));
    assert_eq!(receive(&mut connection, &window_update(1, 1)).len(), 1);
}

#[test]
fn received_content_is_given_back_by_the_consumer() {
    let limits = Limits { stream_window_bytes: 1000, connection_window_bytes: 65_535, ..Limits::default() };
    let mut connection = server(limits);
    let mut keeper = Recorder { consumer: Consumer::Keeps, ..Recorder::default() };
    let input = [headers(1, post(), No), data(1, &[0; 1000], No)].concat();
    assert_eq!(connection.receive(&input, &mut keeper), Ok(input.len()));
    assert_eq!(keeper.take().len(), 2);
    assert_eq!(output(&mut connection), []);
    connection.release(StreamId(1), 499);
    assert_eq!(output(&mut connection), []);
    connection.release(StreamId(1), 1);
    assert_eq!(output(&mut connection), [Sent::WindowUpdate(1, 500)]);
    // After the end of the stream the connection still gets its bytes back.
    for stream in (3..100).step_by(2) {
        let input = [headers(stream, post(), No), data(stream, &[0; 900], Yes)].concat();
        assert_eq!(connection.receive(&input, &mut keeper), Ok(input.len()));
        connection.release(StreamId(stream), 900);
    }
    let sent = output(&mut connection);
    assert!(matches!(sent[..], [Sent::WindowUpdate(0, 32_767..)]), "{sent:?}");
}

#[test]
fn padding_and_ignored_content_are_given_back_at_once() {
    let limits = Limits { stream_window_bytes: 65_535, connection_window_bytes: 65_535, ..Limits::default() };
    let mut connection = server(limits);
    receive(&mut connection, &headers(1, post(), No));
    let padded = frame(0, 8, 1, &[&[200][..], b"x", &[0; 200]].concat());
    let events = receive(&mut connection, &padded.repeat(200));
    assert_eq!(events, [Event::Data(1, vec![b'x'; 200], No)]);
    connection.reset(StreamId(1), ErrorCode::CANCEL);
    receive(&mut connection, &data(1, &[0; 10_000], No).repeat(20));
    let updates = output(&mut connection).iter().filter(|sent| matches!(sent, Sent::WindowUpdate(0, _))).count();
    assert!(updates >= 6, "{updates}");
}

#[test]
fn content_over_the_connections_window_ends_the_connection() {
    let limits = Limits { stream_window_bytes: 1 << 20, connection_window_bytes: 65_535, ..Limits::default() };
    let mut connection = server(limits);
    receive(&mut connection, &headers(1, post(), No));
    let whole = data(1, &[0; 16_384], No).repeat(4);
    let mut keeper = Recorder { consumer: Consumer::Keeps, ..Recorder::default() };
    let error = connection.receive(&whole, &mut keeper).unwrap_err();
    assert_eq!(error.code, ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn the_connection_goes_on_while_a_stream_is_not_consumed() {
    let limits = Limits { stream_window_bytes: 65_535, connection_window_bytes: 65_535, ..Limits::default() };
    let mut connection = server(limits);
    let mut keeper = Recorder { consumer: Consumer::Keeps, ..Recorder::default() };
    for stream in [1, 3, 5] {
        let input = [headers(stream, post(), No), data(stream, &[0; 16_384], No).repeat(3)].concat();
        assert_eq!(connection.receive(&input, &mut keeper), Ok(input.len()));
        connection.release_connection(3 * 16_384);
        assert_eq!(connection.held_bytes(), 0);
        assert_eq!(output(&mut connection), [Sent::WindowUpdate(0, 3 * 16_384)]);
    }
    connection.release_stream(StreamId(3), 3 * 16_384);
    connection.widen(StreamId(5), 1_000);
    assert_eq!(output(&mut connection), [Sent::WindowUpdate(3, 3 * 16_384), Sent::WindowUpdate(5, 1_000)]);
}
