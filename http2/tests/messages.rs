//! Messages as a whole: requests, responses, interim responses, trailers, CONNECT, and malformed ones.

use http2::connection::Connection;
use http2::connection::handler::SectionPart;
use http2::error_code::ErrorCode;
use http2::frame::EndStream::{self, No, Yes};
use http2::frame::StreamId;
use http2::hpack::Field;
use http2::limits::{ExtendedConnect, Limits};

use crate::recorder::{Event, Sent, client, data, frame, get, headers, ok, output, post, receive, server};

#[test]
fn a_request_is_answered() {
    let mut connection = server(Limits::default());
    let input = [headers(1, post(), No), data(1, b"he", No), data(1, b"llo", No), headers(1, [Field::new("x", "y")], Yes)];
    let head = Event::Head(1, ":method=POST :path=/".into(), No);
    let expected = [head, Event::Data(1, b"hello".to_vec(), No), Event::Trailers(1, "x=y".into())];
    assert_eq!(receive(&mut connection, &input.concat()), expected);

    connection.inform(StreamId(1), [Field::new(":status", "103")]).unwrap();
    connection.respond(StreamId(1), ok(), No).unwrap();
    assert_eq!(connection.send_data(StreamId(1), b"bye", No), Ok(3));
    connection.send_trailers(StreamId(1), [Field::new("z", "0")]).unwrap();
    let fields = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let expected = [
        Sent::Headers(1, fields(":status", "103"), No),
        Sent::Headers(1, fields(":status", "200"), No),
        Sent::Data(1, 3, No),
        Sent::Headers(1, fields("z", "0"), Yes),
    ];
    assert_eq!(output(&mut connection), expected);
    assert_eq!(connection.streams(), 0);
    assert!(connection.respond(StreamId(1), ok(), No).is_err());
    assert!(connection.send_data(StreamId(1), b"x", No).is_err());
}

/// A client that has sent one request.
fn asked(method: &str, end: EndStream) -> Connection {
    let mut connection = client(Limits::default());
    let rest = [Field::new(":scheme", "http"), Field::new(":authority", "a"), Field::new(":path", "/")];
    let target = if method == "CONNECT" { &rest[1..2] } else { &rest[..] };
    let fields = std::iter::once(Field::new(":method", method)).chain(target.iter().copied());
    assert_eq!(connection.open(fields, end), Ok(StreamId(1)));
    output(&mut connection);
    connection
}

#[test]
fn interim_responses_precede_the_final_one() {
    let mut connection = asked("GET", Yes);
    let interim = |status| headers(1, [Field::new(":status", status)], No);
    let input = [interim("100"), interim("103"), headers(1, ok(), No), data(1, b"x", Yes)].concat();
    let head = |status: &str| Event::Head(1, format!(":status={status}"), No);
    let expected = [head("100"), head("103"), head("200"), Event::Data(1, b"x".to_vec(), Yes)];
    assert_eq!(receive(&mut connection, &input), expected);
    assert_eq!(connection.streams(), 0);
}

#[test]
fn a_malformed_response_harms_only_its_stream() {
    let status = |value| Field::new(":status", value);
    let length = Field::new("content-length", "3");
    let cases = [
        ("GET", vec![headers(1, [status("200"), Field::new("X", "y")], Yes)]),
        ("GET", vec![headers(1, [status("200"), Field::new("", "y")], Yes)]),
        ("GET", vec![headers(1, [status("200"), Field::new("x", "a\r\nb")], Yes)]),
        ("GET", vec![headers(1, [status("2oo")], Yes)]),
        ("GET", vec![headers(1, [status("100")], Yes)]),
        ("GET", vec![data(1, b"x", Yes)]),
        ("GET", vec![headers(1, [status("204")], No), data(1, b"x", Yes)]),
        ("GET", vec![headers(1, [status("304")], No), data(1, b"x", Yes)]),
        ("HEAD", vec![headers(1, [status("200"), length], No), data(1, b"abc", Yes)]),
        ("GET", vec![headers(1, [status("200"), length], No), data(1, b"ab", Yes)]),
        ("GET", vec![headers(1, [status("200"), length], No), data(1, b"abcd", Yes)]),
        ("GET", vec![headers(1, [status("200"), length], No), data(1, b"ab", No), headers(1, [], Yes)]),
        ("GET", vec![headers(1, ok(), No), headers(1, [status("200")], Yes)]),
        ("CONNECT", vec![headers(1, ok(), No), headers(1, [], Yes)]),
    ];
    for (method, input) in cases {
        let mut connection = asked(method, No);
        connection.open(get(), Yes).unwrap();
        output(&mut connection);
        let events = receive(&mut connection, &[input.concat(), headers(3, ok(), Yes)].concat());
        let failed = events.iter().any(|event| matches!(event, Event::Failed(1, _)));
        assert!(failed, "{input:x?} {events:?}");
        assert_eq!(events.last(), Some(&Event::Head(3, ":status=200".into(), Yes)), "{input:x?}");
        assert_eq!(output(&mut connection), [Sent::Reset(1, ErrorCode::PROTOCOL_ERROR)], "{input:x?}");
        assert_eq!(connection.streams(), 0);
    }
}

#[test]
fn a_response_without_content_may_state_a_length() {
    for (method, status, end) in [("HEAD", "200", Yes), ("GET", "304", Yes), ("HEAD", "200", No)] {
        let mut connection = asked(method, Yes);
        let mut input = headers(1, [Field::new(":status", status), Field::new("content-length", "5")], end);
        if end == No {
            input.extend(data(1, b"", Yes));
        }
        assert!(!receive(&mut connection, &input).iter().any(|event| matches!(event, Event::Failed(..))));
        assert_eq!(connection.streams(), 0);
    }
}

#[test]
fn a_malformed_request_is_never_reported_as_a_head() {
    let mut connection = server(Limits::default());
    let input = [headers(1, [Field::new(":method", "GET")], No), data(1, b"body", Yes), headers(3, get(), Yes)].concat();
    let events = receive(&mut connection, &input);
    let missing = "a required pseudo-header field is missing";
    assert_eq!(events, [Event::Failed(1, missing), Event::Head(3, ":method=GET :path=/".into(), Yes)]);
    assert_eq!(output(&mut connection), [Sent::Reset(1, ErrorCode::PROTOCOL_ERROR)]);
}

#[test]
fn connect_becomes_a_tunnel() {
    let mut connection = server(Limits { extended_connect: ExtendedConnect::Announced, ..Limits::default() });
    let mut fields = vec![Field::new(":method", "CONNECT"), Field::new(":protocol", "websocket")];
    fields.extend(&get()[1..]);
    let input = [headers(1, fields, No), data(1, b"frames", No)].concat();
    assert_eq!(receive(&mut connection, &input).len(), 2);
    connection.respond(StreamId(1), ok(), No).unwrap();
    assert_eq!(connection.send_data(StreamId(1), b"more", Yes), Ok(4));
    assert_eq!(receive(&mut connection, &data(1, b"", Yes)), [Event::Data(1, vec![], Yes)]);
    assert_eq!(connection.streams(), 0);
}

#[test]
fn a_section_over_the_limit_keeps_the_table_in_step() {
    let mut connection = server(Limits { field_section_bytes: 300, ..Limits::default() });
    // The long field and the one after it enter the table, although the section is refused.
    let value = [b'v'; 250];
    let mut request = vec![0x82, 0x86, 0x84, 0x40, 1, b'x', 127, 123];
    request.extend(value);
    request.extend([0x40, 1, b'y', 1, b'z']);
    let input = [frame(1, 4, 1, &request), data(1, b"ignored", No), headers(1, [], Yes)].concat();
    assert_eq!(receive(&mut connection, &input), [Event::TooLarge(1, SectionPart::Head)]);
    connection.respond(StreamId(1), [Field::new(":status", "431")], Yes).unwrap();
    assert_eq!(connection.streams(), 0);

    let expected = Event::Head(3, ":method=GET :path=/ y=z".into(), Yes);
    assert_eq!(receive(&mut connection, &frame(1, 5, 3, &[0x82, 0x86, 0x84, 0xbe])), [expected]);

    let trailers = [headers(5, post(), No), frame(1, 5, 5, &[0xbf, 0xbf])].concat();
    assert_eq!(receive(&mut connection, &trailers)[1..], [Event::TooLarge(5, SectionPart::Trailers)]);
}

#[test]
fn fragments_are_joined() {
    let mut connection = server(Limits::default());
    let block = crate::recorder::block(get());
    let mut input = frame(1, 1, 1, &block[..1]);
    input.extend(frame(9, 0, 1, &block[1..10]));
    input.extend(frame(9, 4, 1, &block[10..]));
    assert_eq!(receive(&mut connection, &input), [Event::Head(1, ":method=GET :path=/".into(), Yes)]);
}
