//! A client or server that sends a body on each stream, and checks those that it receives.

use std::collections::HashMap;

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::EndStream::{self, No, Yes};
use http2::frame::StreamId;
use http2::hpack::Field;
use http2::message::field_section::FieldSection;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The content of a body at a position.
pub(crate) fn byte(position: usize) -> u8 {
    (position % 251) as u8
}

/// One side of an exchange: a body to send, and the received one.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) sent: usize,
    pub(crate) received: usize,
    pub(crate) trailers: Option<String>,
    pub(crate) is_complete: bool,
}

/// Sends a body and trailers on each stream, and checks what it receives.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) exchanges: HashMap<StreamId, Exchange>,
    pub(crate) finished: HashMap<StreamId, Exchange>,
    pub(crate) heads: Vec<(StreamId, String)>,
    pub(crate) resets: Vec<(StreamId, ErrorCode)>,
    pub(crate) unprocessed: Vec<StreamId>,
    pub(crate) is_server: bool,
}

impl Peer {
    /// Sends as much as possible of every body, and ends those that are complete.
    fn pump(&mut self, connection: &mut Connection, body: &[u8]) {
        let streams: Vec<StreamId> = self.exchanges.keys().copied().collect();
        for stream in streams {
            let exchange = self.exchanges.get_mut(&stream).unwrap();
            if exchange.sent < body.len() {
                exchange.sent += connection.send_data(stream, &body[exchange.sent..], No).unwrap_or_default();
                if exchange.sent == body.len() {
                    connection.send_trailers(stream, [Field::new("x-end", "yes")]).unwrap();
                }
            }
            if exchange.sent == body.len() && exchange.is_complete {
                let exchange = self.exchanges.remove(&stream).unwrap();
                self.finished.insert(stream, exchange);
            }
        }
    }
}

impl Handler for Peer {
    fn head(&mut self, connection: &mut Connection, stream: StreamId, head: &FieldSection, end: EndStream) {
        let word = head.path().map(<[u8]>::to_vec).or(head.status().map(|status| status.to_string().into()));
        self.heads.push((stream, String::from_utf8(word.unwrap()).unwrap()));
        if self.is_server {
            connection.inform(stream, [Field::new(":status", "103"), Field::new("link", "x")]).unwrap();
            connection.respond(stream, [Field::new(":status", "200"), Field::new("server", "sitio")], No).unwrap();
            self.exchanges.insert(stream, Exchange::default());
        }
        self.exchanges.get_mut(&stream).unwrap().is_complete = end == Yes;
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream) {
        connection.release(stream, bytes.len());
        let exchange = self.exchanges.get_mut(&stream).unwrap();
        assert!(bytes.iter().enumerate().all(|(at, found)| *found == byte(exchange.received + at)));
        exchange.received += bytes.len();
        exchange.is_complete = end == Yes;
    }

    fn trailers(&mut self, _: &mut Connection, stream: StreamId, trailers: &FieldSection) {
        let exchange = self.exchanges.get_mut(&stream).unwrap();
        let value = trailers.regular().next().unwrap().value;
        exchange.trailers = Some(String::from_utf8(value.to_vec()).unwrap());
        exchange.is_complete = true;
    }

    fn too_large(&mut self, _: &mut Connection, stream: StreamId, part: SectionPart) {
        panic!("{part:?} of {stream} is too large");
    }

    fn failed(&mut self, _: &mut Connection, stream: StreamId, error: StreamError) {
        panic!("{stream}: {error}");
    }

    fn reset(&mut self, _: &mut Connection, stream: StreamId, code: ErrorCode) {
        self.exchanges.remove(&stream);
        self.resets.push((stream, code));
    }

    fn unprocessed(&mut self, _: &mut Connection, stream: StreamId) {
        self.exchanges.remove(&stream);
        self.unprocessed.push(stream);
    }

    fn writable(&mut self, _: &mut Connection, _: Writable) {}
}

/// Moves bytes until `is_done`, or the other side closes.
pub(crate) async fn drive(
    connection: &mut Connection,
    peer: &mut Peer,
    socket: &mut DuplexStream,
    body: &[u8],
    is_done: impl Fn(&Peer) -> bool,
) {
    let (mut buffer, mut piece) = (Vec::new(), vec![0; 7_000]);
    loop {
        peer.pump(connection, body);
        while !connection.output().is_empty() {
            let Ok(written) = socket.write(connection.output()).await else { return };
            connection.advance_output(written);
            peer.pump(connection, body);
        }
        if is_done(peer) {
            return;
        }
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => buffer.extend_from_slice(&piece[..read]),
        }
        let read = connection.receive(&buffer, peer).unwrap();
        buffer.drain(..read);
    }
}
