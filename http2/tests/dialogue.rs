//! Property: a client and a server that do anything in any order never break a rule, and lose no byte.

use std::collections::HashMap;

use http2::connection::Connection;
use http2::error_code::ErrorCode;
use http2::frame::EndStream::{self, No, Yes};
use http2::frame::StreamId;
use http2::hpack::Field;
use http2::limits::Limits;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::recorder::{Consumer, Event, Recorder, get, ok, post};

/// What one side does next. Numbers choose among its streams, or are sizes.
#[derive(Debug, Clone, Copy)]
enum Action {
    Open(EndStream),
    Inform(usize),
    Respond(usize, EndStream),
    Data(usize, usize, EndStream),
    Trailers(usize),
    Reset(usize),
    Release(usize),
    /// Moves this many bytes to the other side.
    Send(usize),
    Drain,
    GoAway,
    Shrink,
}

struct Side {
    connection: Connection,
    recorder: Recorder,
    /// Received bytes that the connection has not read.
    buffer: Vec<u8>,
    streams: Vec<StreamId>,
    sent: HashMap<u32, usize>,
    received: HashMap<u32, usize>,
    unreleased: Vec<(u32, usize)>,
}

/// A window below or above that of the connection.
fn limits(stream_window_bytes: u32) -> Limits {
    Limits {
        streams: 5,
        stream_window_bytes,
        connection_window_bytes: 65_535,
        output_bytes: 5 * stream_window_bytes as usize,
        resets_remembered: 3,
        header_table_bytes: 200,
        ..Limits::default()
    }
}

fn byte(position: usize) -> u8 {
    (position % 251) as u8
}

impl Side {
    fn new(connection: Connection) -> Self {
        let recorder = Recorder { consumer: Consumer::Keeps, ..Recorder::default() };
        let (sent, received) = (HashMap::new(), HashMap::new());
        Self { connection, recorder, buffer: Vec::new(), streams: Vec::new(), sent, received, unreleased: Vec::new() }
    }

    /// Does something, which may be impossible now.
    fn act(&mut self, action: Action) {
        let choose = |number: usize| self.streams.iter().rev().nth(number % 6).copied().unwrap_or(StreamId(1));
        let connection = &mut self.connection;
        match action {
            Action::Open(end) => {
                let fields = if end == Yes { get() } else { post() };
                self.streams.extend(connection.open(fields, end));
            }
            Action::Inform(stream) => drop(connection.inform(choose(stream), [Field::new(":status", "103")])),
            Action::Respond(stream, end) => drop(connection.respond(choose(stream), ok(), end)),
            Action::Data(stream, length, end) => {
                let stream = choose(stream);
                let sent = self.sent.entry(stream.0).or_default();
                let bytes: Vec<u8> = (*sent..*sent + length).map(byte).collect();
                *sent += connection.send_data(stream, &bytes, end).unwrap_or_default();
            }
            Action::Trailers(stream) => drop(connection.send_trailers(choose(stream), [Field::new("x-sum", "1")])),
            Action::Reset(stream) => connection.reset(choose(stream), ErrorCode::CANCEL),
            Action::Release(count) => {
                for (stream, bytes) in self.unreleased.drain(..count.min(self.unreleased.len())) {
                    connection.release(StreamId(stream), bytes);
                }
            }
            Action::Drain => connection.drain(),
            Action::Shrink => connection.shrink(),
            Action::GoAway => connection.go_away(ErrorCode::NO_ERROR),
            Action::Send(_) => unreachable!("it needs both sides"),
        }
    }

    /// Receives bytes of the other side, and checks each event.
    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        let read = self.connection.receive(&self.buffer, &mut self.recorder).unwrap();
        self.buffer.drain(..read);
        for event in self.recorder.take() {
            match event {
                Event::Head(stream, ..) if !self.streams.contains(&StreamId(stream)) => self.streams.push(StreamId(stream)),
                Event::Data(stream, bytes, _) => {
                    let received = self.received.entry(stream).or_default();
                    assert!(bytes.iter().enumerate().all(|(at, found)| *found == byte(*received + at)), "{stream}");
                    *received += bytes.len();
                    self.unreleased.push((stream, bytes.len()));
                }
                Event::Failed(..) | Event::TooLarge(..) => panic!("{event:?}"),
                _ => {}
            }
        }
    }
}

fn send(from: &mut Side, to: &mut Side, bytes: usize) {
    let bytes = bytes.min(from.connection.output().len());
    to.receive(&from.connection.output()[..bytes]);
    from.connection.advance_output(bytes);
}

fn any_action() -> impl Strategy<Value = Action> {
    let end = || prop_oneof![Just(No), Just(Yes)];
    prop_oneof![
        4 => end().prop_map(Action::Open),
        1 => any::<usize>().prop_map(Action::Inform),
        4 => (any::<usize>(), end()).prop_map(|(stream, end)| Action::Respond(stream, end)),
        6 => (any::<usize>(), 0_usize..10_000, end()).prop_map(|(stream, length, end)| Action::Data(stream, length, end)),
        1 => any::<usize>().prop_map(Action::Trailers),
        1 => Just(Action::Shrink),
        2 => any::<usize>().prop_map(Action::Reset),
        3 => (0_usize..10).prop_map(Action::Release),
        8 => (0_usize..5_000).prop_map(Action::Send),
    ]
}

/// Exchanges everything that waits.
fn settle(client: &mut Side, server: &mut Side) {
    for _ in 0..10 {
        for side in [&mut *client, &mut *server] {
            side.act(Action::Release(usize::MAX));
        }
        send(client, server, usize::MAX);
        send(server, client, usize::MAX);
    }
    assert!(client.buffer.is_empty() && server.buffer.is_empty());
}

proptest! {
    #[test]
    fn two_sides_never_break_a_rule(
        window in prop_oneof![Just(1_000), Just(70_000)],
        actions in vec((any::<bool>(), any_action()), 0..300),
        last in prop::option::of(prop_oneof![Just(Action::Drain), Just(Action::GoAway)]),
        afterwards in vec((any::<bool>(), any_action()), 0..50),
    ) {
        let mut client = Side::new(Connection::client(limits(window)));
        let mut server = Side::new(Connection::server(limits(window)));
        let last = last.map(|action| (false, action));
        let is_going = last.is_some();
        for (is_client, action) in actions.into_iter().chain(last).chain(afterwards) {
            let (side, other) = if is_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
            match action {
                Action::Send(bytes) => send(side, other, bytes),
                action => side.act(action),
            }
        }
        settle(&mut client, &mut server);
        for stream in client.streams.clone() {
            client.connection.reset(stream, ErrorCode::CANCEL);
        }
        settle(&mut client, &mut server);
        prop_assert_eq!((client.connection.streams(), server.connection.streams()), (0, 0));
        // No byte was lost, whatever became of its stream.
        prop_assert_eq!((client.connection.held_bytes(), server.connection.held_bytes()), (0, 0));
        prop_assert_eq!(is_going, client.connection.can_open().is_err());
    }
}
