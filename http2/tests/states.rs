//! The rules about the order of frames (RFC 9113, sections 3.4, 5.1 and 6).

use http2::error_code::ErrorCode;
use http2::frame::EndStream::{No, Yes};
use http2::frame::PREFACE;
use http2::limits::Limits;

use crate::recorder::{
    Event, Sent, client, client_preface, data, frame, get, headers, ok, output, post, receive, receive_error, rst_stream, server,
    window_update,
};

#[test]
fn what_ends_a_connection_with_a_client() {
    let (protocol, closed) = (ErrorCode::PROTOCOL_ERROR, ErrorCode::STREAM_CLOSED);
    let (size, flow) = (ErrorCode::FRAME_SIZE_ERROR, ErrorCode::FLOW_CONTROL_ERROR);
    let get = |stream| headers(stream, get(), Yes);
    let half = frame(1, 1, 1, &[0x82]);
    let cases = [
        ("DATA on an idle stream", data(1, b"x", No), protocol),
        ("RST_STREAM on an idle stream", rst_stream(1, ErrorCode::CANCEL), protocol),
        ("WINDOW_UPDATE on an idle stream", window_update(1, 5), protocol),
        ("an even stream", get(2), protocol),
        ("a lower stream that was skipped", [get(5), get(3)].concat(), protocol),
        ("HEADERS after RST_STREAM", [get(1), rst_stream(1, ErrorCode::CANCEL), get(1)].concat(), closed),
        ("CONTINUATION without HEADERS", frame(9, 4, 1, &[]), protocol),
        ("another frame in a field block", [half.clone(), frame(6, 0, 0, &[0; 8])].concat(), protocol),
        ("an unknown frame in a field block", [half.clone(), frame(0xbe, 0, 1, &[])].concat(), protocol),
        ("CONTINUATION of another stream", [half.clone(), frame(9, 4, 3, &[])].concat(), protocol),
        ("a broken field block", frame(1, 5, 1, &[0x80]), ErrorCode::COMPRESSION_ERROR),
        ("PUSH_PROMISE", frame(5, 4, 1, &[0, 0, 0, 2]), protocol),
        ("a frame that is too large", frame(0xbe, 0, 0, &vec![0; 16_385]), size),
        ("ENABLE_PUSH of 2", frame(4, 0, 0, &[0, 2, 0, 0, 0, 2]), protocol),
        ("INITIAL_WINDOW_SIZE over 2^31 - 1", frame(4, 0, 0, &[0, 4, 128, 0, 0, 0]), flow),
        ("MAX_FRAME_SIZE below 16384", frame(4, 0, 0, &[0, 5, 0, 0, 0x3f, 0xff]), protocol),
        ("MAX_FRAME_SIZE above 2^24 - 1", frame(4, 0, 0, &[0, 5, 1, 0, 0, 0]), protocol),
        ("ENABLE_CONNECT_PROTOCOL of 2", frame(4, 0, 0, &[0, 8, 0, 0, 0, 2]), protocol),
        ("WINDOW_UPDATE of zero", window_update(0, 0), protocol),
        ("WINDOW_UPDATE over 2^31 - 1", window_update(0, (1 << 31) - 1), flow),
    ];
    for (name, input, code) in cases {
        assert_eq!(receive_error(&mut server(Limits::default()), &input), code, "{name}");
    }
}

#[test]
fn what_resets_a_stream_of_a_client() {
    let (protocol, closed) = (ErrorCode::PROTOCOL_ERROR, ErrorCode::STREAM_CLOSED);
    let flow = ErrorCode::FLOW_CONTROL_ERROR;
    let cases = [
        ("DATA after END_STREAM", vec![headers(1, get(), Yes), data(1, b"x", No)], closed),
        ("HEADERS after END_STREAM", vec![headers(1, get(), Yes), headers(1, get(), Yes)], closed),
        ("trailers without END_STREAM", vec![headers(1, post(), No), headers(1, [], No)], protocol),
        ("WINDOW_UPDATE of zero", vec![headers(1, get(), No), window_update(1, 0)], protocol),
        ("WINDOW_UPDATE over 2^31 - 1", vec![headers(1, get(), No), window_update(1, (1 << 31) - 1)], flow),
        ("DATA over the window", vec![headers(1, post(), No), data(1, &[0; 101], No)], flow),
    ];
    for (name, input, code) in cases {
        let mut connection = server(Limits { stream_window_bytes: 100, ..Limits::default() });
        let events = receive(&mut connection, &[input.concat(), headers(3, get(), Yes)].concat());
        assert!(matches!(events[..], [Event::Head(1, ..), Event::Failed(1, _), Event::Head(3, ..)]), "{name}: {events:?}");
        assert!(output(&mut connection).contains(&Sent::Reset(1, code)), "{name}");
        assert_eq!(connection.failures(), 1, "{name}");
        // Frames that were under way when the stream was reset are ignored.
        let late = [headers(1, [], Yes), data(1, b"late", Yes), window_update(1, 1), rst_stream(1, ErrorCode::CANCEL)];
        assert_eq!(receive(&mut connection, &late.concat()), [], "{name}");
    }
}

#[test]
fn what_ends_a_connection_with_a_server() {
    let protocol = ErrorCode::PROTOCOL_ERROR;
    let done = [headers(1, ok(), Yes), headers(1, ok(), Yes)].concat();
    let cases = [
        ("HEADERS on an idle stream", headers(3, ok(), Yes), protocol),
        ("HEADERS on an even stream", headers(2, ok(), Yes), protocol),
        ("PUSH_PROMISE", frame(5, 4, 1, &[0, 0, 0, 2]), protocol),
        ("ENABLE_PUSH of 1", frame(4, 0, 0, &[0, 2, 0, 0, 0, 1]), protocol),
        ("HEADERS after the end", done, ErrorCode::STREAM_CLOSED),
    ];
    for (name, input, code) in cases {
        let mut connection = client(Limits::default());
        connection.open(get(), Yes).unwrap();
        assert_eq!(receive_error(&mut connection, &input), code, "{name}");
    }
}

#[test]
fn the_preface_and_settings_come_first() {
    let mut connection = http2::connection::Connection::server(Limits::default());
    assert!(connection.has_unfinished_head());
    assert_eq!(connection.receive(&PREFACE[..10], &mut crate::recorder::Recorder::default()), Ok(0));
    assert_eq!(receive_error(&mut connection, b"PRI * HTTP/2.1"), ErrorCode::PROTOCOL_ERROR);

    let mut connection = http2::connection::Connection::server(Limits::default());
    let input = [&PREFACE[..], &frame(6, 0, 0, &[0; 8])].concat();
    assert_eq!(receive_error(&mut connection, &input), ErrorCode::PROTOCOL_ERROR);

    let mut connection = http2::connection::Connection::server(Limits::default());
    let input = [&PREFACE[..], &frame(4, 1, 0, &[])].concat();
    assert_eq!(receive_error(&mut connection, &input), ErrorCode::PROTOCOL_ERROR);

    let mut connection = http2::connection::Connection::server(Limits::default());
    receive(&mut connection, &client_preface());
    assert!(!connection.has_unfinished_head());
}

#[test]
fn an_unfinished_head_is_visible() {
    let mut connection = server(Limits::default());
    let whole = headers(1, get(), Yes);
    assert_eq!(connection.receive(&whole[..20], &mut crate::recorder::Recorder::default()), Ok(0));
    assert!(connection.has_unfinished_head());
    receive(&mut connection, &whole);
    assert!(!connection.has_unfinished_head());
    receive(&mut connection, &frame(1, 1, 3, &[0x82]));
    assert!(connection.has_unfinished_head());
    receive(&mut connection, &frame(9, 4, 3, &[]));
    assert!(!connection.has_unfinished_head());
}

#[test]
fn settings_and_pings_are_acknowledged() {
    let mut connection = server(Limits::default());
    assert_eq!(receive(&mut connection, &[frame(4, 0, 0, &[]), frame(6, 0, 0, b"12345678")].concat()), []);
    let expected = [frame(4, 1, 0, &[]), frame(6, 1, 0, b"12345678")].concat();
    assert_eq!(connection.output(), expected);
    assert_eq!(receive(&mut connection, &frame(6, 1, 0, b"abcdefgh")), [Event::Pong(*b"abcdefgh")]);
}

#[test]
fn unknown_frames_and_settings_are_ignored() {
    let mut connection = server(Limits::default());
    let input = [frame(0xbe, 0xff, 77, &[1; 1000]), frame(4, 0, 0, &[0xaa, 0, 0, 0, 0, 1]), frame(0xbe, 0, 0, &[])].concat();
    assert_eq!(receive(&mut connection, &[input, headers(1, get(), Yes)].concat()).len(), 1);
}
