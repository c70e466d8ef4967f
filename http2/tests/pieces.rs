//! Properties: any cut of the input gives the same events, and any bytes are survived.

use http2::connection::Connection;
use http2::error_code::{ConnectionError, ErrorCode};
use http2::frame::EndStream::{No, Yes};
use http2::hpack::Field;
use http2::limits::Limits;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::recorder::{
    Consumer, Event, Recorder, client, client_preface, data, frame, get, headers, ok, post, rst_stream, server, window_update,
};

/// Receives the input in pieces, as an owner with a buffer does. The content is kept: when a window is given back
/// depends on the pieces.
fn receive(connection: &mut Connection, pieces: &[&[u8]]) -> (Vec<Event>, Result<(), ConnectionError>) {
    let mut recorder = Recorder { consumer: Consumer::Keeps, ..Recorder::default() };
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        match connection.receive(&buffer, &mut recorder) {
            Ok(read) => drop(buffer.drain(..read)),
            Err(error) => return (recorder.events, Err(error)),
        }
    }
    (recorder.events, Ok(()))
}

/// Cuts at the given positions, modulo the length.
fn cut<'a>(input: &'a [u8], positions: &[usize]) -> Vec<&'a [u8]> {
    let mut positions: Vec<usize> = positions.iter().map(|position| position % (input.len() + 1)).collect();
    positions.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    for position in positions {
        pieces.push(&input[start..position]);
        start = position;
    }
    pieces.push(&input[start..]);
    pieces
}

/// A frame that may or may not be allowed.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let stream = || (0_u32..6).prop_map(|number| 2 * number + 1);
    let end = || prop::bool::ANY.prop_map(|is_end| if is_end { Yes } else { No });
    prop_oneof![
        5 => (stream(), end()).prop_map(|(stream, end)| headers(stream, post(), end)),
        2 => (stream(), end()).prop_map(|(stream, end)| headers(stream, ok(), end)),
        1 => stream().prop_map(|stream| headers(stream, [Field::new("x", "y")], Yes)),
        1 => stream().prop_map(|stream| headers(stream, [Field::new("X", "y")], Yes)),
        5 => (stream(), vec(any::<u8>(), 0..40), end()).prop_map(|(stream, bytes, end)| data(stream, &bytes, end)),
        2 => (stream(), vec(any::<u8>(), 0..40), 0_u8..60).prop_map(|(stream, bytes, padding)| {
            frame(0, 8, stream, &[&[padding][..], &bytes, &vec![0; usize::from(padding)]].concat())
        }),
        1 => stream().prop_map(|stream| rst_stream(stream, ErrorCode::CANCEL)),
        1 => (0_u32..6, 1_u32..100).prop_map(|(stream, increment)| window_update(stream, increment)),
        1 => Just(frame(4, 0, 0, &[0, 4, 0, 0, 0, 50])),
        1 => Just(frame(6, 0, 0, b"12345678")),
        1 => (any::<u8>(), any::<u8>(), 0_u32..6, vec(any::<u8>(), 0..20))
            .prop_map(|(kind, flags, stream, bytes)| frame(kind, flags, stream, &bytes)),
    ]
}

/// A client with some requests under way, or a new server.
fn connection(is_client: bool) -> Connection {
    let limits = Limits { stream_window_bytes: 100, field_section_bytes: 150, streams: 4, ..Limits::default() };
    if !is_client {
        return server(limits);
    }
    let mut connection = client(limits);
    for _ in 0..3 {
        connection.open(get(), Yes).unwrap();
        connection.open(post(), No).unwrap();
    }
    connection
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(
        is_client: bool,
        frames in vec(any_frame(), 1..30),
        positions in vec(any::<usize>(), 0..40),
    ) {
        let input = frames.concat();
        let (mut whole, mut pieces) = (connection(is_client), connection(is_client));
        let expected = receive(&mut whole, &[&input]);
        prop_assert_eq!(receive(&mut pieces, &cut(&input, &positions)), expected);
        prop_assert_eq!(pieces.output(), whole.output());
    }

    #[test]
    fn a_handshake_may_be_cut_anywhere(positions in vec(any::<usize>(), 0..40)) {
        let input = [client_preface(), headers(1, post(), No), data(1, b"content", Yes)].concat();
        let (events, result) = receive(&mut Connection::server(Limits::default()), &cut(&input, &positions));
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(events.len(), 2);
    }

    #[test]
    fn any_bytes_are_survived(is_client: bool, inputs in vec(vec(any::<u8>(), 0..100), 0..10)) {
        let mut connection = connection(is_client);
        let pieces: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let _ = receive(&mut connection, &pieces);
        prop_assert!(connection.output().len() < 1000);
    }
}
