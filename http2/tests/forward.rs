//! A proxy without sockets: forwards requests without a body, and responses with one DATA frame.

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::EndStream::{self, Yes};
use http2::frame::{ACK, END_HEADERS, END_STREAM, PREFACE, StreamId, write};
use http2::hpack::{Field, encoder::Encoder};
use http2::limits::Limits;
use http2::message::field_section::FieldSection;

/// A request of `h2load`.
const REQUEST: [(&str, &str); 5] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "127.0.0.1:8080"),
    (":path", "/hundred-bytes"),
    ("user-agent", "h2load nghttp2/1.59.0"),
];

/// A response like those of `nghttpd`.
const RESPONSE: [(&str, &str); 6] = [
    (":status", "200"),
    ("server", "nghttpd nghttp2/1.59.0"),
    ("cache-control", "max-age=3600"),
    ("content-type", "application/octet-stream"),
    ("date", "Sat, 28 Nov 2026 13:00:00 GMT"),
    ("last-modified", "Sat, 28 Nov 2026 12:00:00 GMT"),
];

/// Forwards what one connection receives to the other one. Both use the same stream identifiers.
struct Forward<'a>(&'a mut Connection);

impl Handler for Forward<'_> {
    fn head(&mut self, _: &mut Connection, stream: StreamId, head: &FieldSection, end: EndStream) {
        let pseudos = [(":method", head.method()), (":scheme", head.scheme()), (":authority", head.authority())];
        let pseudos = pseudos.into_iter().chain([(":path", head.path())]);
        let pseudos = pseudos.filter_map(|(name, value)| value.map(|value| Field::new(name, value)));
        match head.status() {
            None => drop(self.0.open(pseudos.chain(head.regular()), end)),
            Some(_) => drop(self.0.respond(stream, [Field::new(":status", "200")].into_iter().chain(head.regular()), end)),
        }
    }
    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream) {
        assert_eq!(self.0.send_data(stream, bytes, end), Ok(bytes.len()));
        connection.release(stream, bytes.len());
    }
    fn trailers(&mut self, _: &mut Connection, _: StreamId, _: &FieldSection) {}
    fn too_large(&mut self, _: &mut Connection, _: StreamId, _: SectionPart) {}
    fn failed(&mut self, _: &mut Connection, _: StreamId, _: StreamError) {}
    fn reset(&mut self, _: &mut Connection, _: StreamId, _: ErrorCode) {}
    fn unprocessed(&mut self, _: &mut Connection, _: StreamId) {}
    fn writable(&mut self, _: &mut Connection, _: Writable) {}
}

/// HEADERS of stream 0; the caller sets the stream.
fn headers(encoder: &mut Encoder, fields: &[(&str, &str)], flags: u8) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        encoder.field(Field::new(name, value), &mut block);
    }
    [&[0, 0, block.len() as u8, 1, flags | END_HEADERS, 0, 0, 0, 0][..], &block].concat()
}

fn set_stream(frame: &mut [u8], stream: u32) {
    frame[5..9].copy_from_slice(&stream.to_be_bytes());
}

/// Rounds after which the tables of all coders hold all fields.
const WARM_UP_ROUNDS: usize = 5;

/// The two connections of a proxy, and what the peers at both ends send.
pub(crate) struct Proxy {
    down: Connection,
    up: Connection,
    request: Vec<u8>,
    response: Vec<u8>,
    /// The position of DATA in the response.
    data: usize,
    stream: u32,
}

impl Proxy {
    pub(crate) fn new(body_bytes: usize) -> Self {
        let (mut down, mut up) = (Connection::server(Limits::default()), Connection::client(Limits::default()));
        let mut greeting = PREFACE.to_vec();
        write::settings(&mut greeting, &[]);
        // This peer never gives its window back.
        write::window_update(&mut greeting, StreamId(0), (1 << 31) - 1 - 65_535);
        greeting.extend([0, 0, 0, 4, ACK, 0, 0, 0, 0]);
        assert_eq!(down.receive(&greeting, &mut Forward(&mut up)), Ok(greeting.len()));
        let greeting = &greeting[PREFACE.len()..];
        assert_eq!(up.receive(greeting, &mut Forward(&mut down)), Ok(greeting.len()));
        let mut proxy = Self { down, up, request: Vec::new(), response: Vec::new(), data: 0, stream: 1 };
        let (mut client, mut server) = (Encoder::default(), Encoder::default());
        for _ in 0..WARM_UP_ROUNDS {
            proxy.request = headers(&mut client, &REQUEST, END_STREAM);
            proxy.response = headers(&mut server, &RESPONSE, 0);
            proxy.data = proxy.response.len();
            write::data(&mut proxy.response, StreamId(0), &vec![b'x'; body_bytes], Yes);
            proxy.exchange();
        }
        proxy
    }

    /// Forwards one request and its response.
    pub(crate) fn exchange(&mut self) {
        set_stream(&mut self.request, self.stream);
        set_stream(&mut self.response, self.stream);
        set_stream(&mut self.response[self.data..], self.stream);
        assert_eq!(self.down.receive(&self.request, &mut Forward(&mut self.up)), Ok(self.request.len()));
        assert_eq!(self.up.receive(&self.response, &mut Forward(&mut self.down)), Ok(self.response.len()));
        assert_eq!((self.down.streams(), self.up.streams()), (0, 0));
        self.down.advance_output(usize::MAX);
        self.up.advance_output(usize::MAX);
        self.stream += 2;
    }
}
