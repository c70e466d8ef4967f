//! Records the events of a connection, and writes what its peer sends.

use http2::connection::Connection;
use http2::connection::handler::{Handler, SectionPart, Writable};
use http2::error_code::{ErrorCode, StreamError};
use http2::frame::{ACK, EndStream, FrameHeader, FrameType, HEADER_BYTES, PREFACE, Payload, StreamId, write};
use http2::hpack::Field;
use http2::hpack::decoder::Decoder;
use http2::limits::Limits;
use http2::message::field_section::FieldSection;

/// An event, with text instead of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// `:status=200 x=y`
    Head(u32, String, EndStream),
    /// All pieces that came without another event between them.
    Data(u32, Vec<u8>, EndStream),
    Trailers(u32, String),
    TooLarge(u32, SectionPart),
    Failed(u32, &'static str),
    Reset(u32, ErrorCode),
    Unprocessed(u32),
    Writable(Writable),
    GoAway(u32, ErrorCode),
    Pong([u8; 8]),
}

/// A handler that remembers.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) events: Vec<Event>,
    pub(crate) consumer: Consumer,
}

/// What happens to content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Consumer {
    /// It is given back at once.
    #[default]
    Releases,
    /// The test gives it back.
    Keeps,
}

impl Recorder {
    /// Returns the events, and forgets them.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

fn lines(section: &FieldSection) -> String {
    let pseudos = [(":method", section.method()), (":path", section.path())];
    let pseudos = pseudos.iter().filter_map(|(name, value)| Some(format!("{name}={}", text((*value)?))));
    let status = section.status().map(|status| format!(":status={status}"));
    let regular = section.regular().map(|field| format!("{}={}", text(field.name), text(field.value)));
    pseudos.chain(status).chain(regular).collect::<Vec<_>>().join(" ")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Handler for Recorder {
    fn head(&mut self, _: &mut Connection, stream: StreamId, head: &FieldSection, end: EndStream) {
        self.events.push(Event::Head(stream.0, lines(head), end));
    }

    fn data(&mut self, connection: &mut Connection, stream: StreamId, bytes: &[u8], end: EndStream) {
        if self.consumer == Consumer::Releases {
            connection.release(stream, bytes.len());
        }
        match self.events.last_mut() {
            Some(Event::Data(last, before, before_end @ EndStream::No)) if *last == stream.0 => {
                before.extend(bytes);
                *before_end = end;
            }
            _ => self.events.push(Event::Data(stream.0, bytes.to_vec(), end)),
        }
    }

    fn trailers(&mut self, _: &mut Connection, stream: StreamId, trailers: &FieldSection) {
        self.events.push(Event::Trailers(stream.0, lines(trailers)));
    }

    fn too_large(&mut self, _: &mut Connection, stream: StreamId, part: SectionPart) {
        self.events.push(Event::TooLarge(stream.0, part));
    }

    fn failed(&mut self, _: &mut Connection, stream: StreamId, error: StreamError) {
        self.events.push(Event::Failed(stream.0, error.reason));
    }

    fn reset(&mut self, _: &mut Connection, stream: StreamId, code: ErrorCode) {
        self.events.push(Event::Reset(stream.0, code));
    }

    fn unprocessed(&mut self, _: &mut Connection, stream: StreamId) {
        self.events.push(Event::Unprocessed(stream.0));
    }

    fn writable(&mut self, _: &mut Connection, writable: Writable) {
        self.events.push(Event::Writable(writable));
    }

    fn go_away(&mut self, _: &mut Connection, last: StreamId, code: ErrorCode) {
        self.events.push(Event::GoAway(last.0, code));
    }

    fn pong(&mut self, _: &mut Connection, opaque: [u8; 8]) {
        self.events.push(Event::Pong(opaque));
    }
}

/// The fields of a plain request.
pub(crate) fn get() -> [Field<'static>; 4] {
    [Field::new(":method", "GET"), Field::new(":scheme", "http"), Field::new(":authority", "a"), Field::new(":path", "/")]
}

/// The fields of a plain upload.
pub(crate) fn post() -> [Field<'static>; 4] {
    [Field::new(":method", "POST"), Field::new(":scheme", "http"), Field::new(":authority", "a"), Field::new(":path", "/")]
}

/// A plain response.
pub(crate) fn ok() -> [Field<'static>; 1] {
    [Field::new(":status", "200")]
}

/// Any frame.
pub(crate) fn frame(frame_type: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([frame_type, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field block of literals, which depends on no table.
pub(crate) fn block<'a>(fields: impl IntoIterator<Item = Field<'a>>) -> Vec<u8> {
    let mut block = Vec::new();
    for field in fields {
        block.extend([0, field.name.len() as u8]);
        block.extend(field.name);
        // A length of 127 or more needs a second byte.
        match field.value.len().checked_sub(127) {
            None => block.push(field.value.len() as u8),
            Some(rest) => block.extend([127, 0x80 | (rest & 0x7f) as u8, (rest >> 7) as u8]),
        }
        block.extend(field.value);
    }
    block
}

/// HEADERS with END_HEADERS.
pub(crate) fn headers<'a>(stream: u32, fields: impl IntoIterator<Item = Field<'a>>, end: EndStream) -> Vec<u8> {
    frame(1, if end == EndStream::Yes { 5 } else { 4 }, stream, &block(fields))
}

/// DATA.
pub(crate) fn data(stream: u32, payload: &[u8], end: EndStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    write::data(&mut bytes, StreamId(stream), payload, end);
    bytes
}

/// WINDOW_UPDATE.
pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(8, 0, stream, &increment.to_be_bytes())
}

/// RST_STREAM.
pub(crate) fn rst_stream(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(3, 0, stream, &code.0.to_be_bytes())
}

/// What a client sends first.
pub(crate) fn client_preface() -> Vec<u8> {
    [&PREFACE[..], &frame(4, 0, 0, &[])].concat()
}

/// A server whose client has sent the preface, its settings, and the acknowledgement of the server's.
pub(crate) fn server(limits: Limits) -> Connection {
    let mut connection = Connection::server(limits);
    let input = [client_preface(), frame(4, ACK, 0, &[])].concat();
    assert_eq!(connection.receive(&input, &mut Recorder::default()), Ok(input.len()));
    connection.advance_output(usize::MAX);
    connection
}

/// A client whose server has sent its settings, and the acknowledgement of the client's.
pub(crate) fn client(limits: Limits) -> Connection {
    let mut connection = Connection::client(limits);
    let input = [frame(4, 0, 0, &[]), frame(4, ACK, 0, &[])].concat();
    assert_eq!(connection.receive(&input, &mut Recorder::default()), Ok(input.len()));
    connection.advance_output(usize::MAX);
    connection
}

/// Receives whole frames, and returns the events.
#[track_caller]
pub(crate) fn receive(connection: &mut Connection, input: &[u8]) -> Vec<Event> {
    let mut recorder = Recorder::default();
    assert_eq!(connection.receive(input, &mut recorder), Ok(input.len()));
    recorder.events
}

/// Receives frames that end the connection, and returns the code, which must also be in GOAWAY.
#[track_caller]
pub(crate) fn receive_error(connection: &mut Connection, input: &[u8]) -> ErrorCode {
    let error = connection.receive(input, &mut Recorder::default()).unwrap_err();
    assert_eq!(connection.receive(&[], &mut Recorder::default()), Err(error));
    let frames = output(connection);
    assert!(matches!(frames.last(), Some(Sent::GoAway(_, code)) if *code == error.code), "{frames:?}");
    error.code
}

/// A frame in the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    Headers(u32, Vec<(String, String)>, EndStream),
    Data(u32, usize, EndStream),
    Reset(u32, ErrorCode),
    WindowUpdate(u32, u32),
    GoAway(u32, ErrorCode),
    Other(FrameType, u8),
}

/// Takes the output and reads its frames. Header blocks must not refer to earlier ones.
pub(crate) fn output(connection: &mut Connection) -> Vec<Sent> {
    let bytes = connection.output().to_vec();
    connection.advance_output(bytes.len());
    let (mut rest, mut sent) = (&bytes[..], Vec::new());
    while let Some(header) = FrameHeader::parse(rest) {
        let payload = &rest[HEADER_BYTES..][..header.length];
        rest = &rest[HEADER_BYTES + header.length..];
        let stream = header.stream.0;
        sent.push(match header.frame_type {
            FrameType::Data => Sent::Data(stream, payload.len(), header.end_stream()),
            other => match header.payload(payload).unwrap() {
                Payload::Headers { fragment } => Sent::Headers(stream, fields(fragment), header.end_stream()),
                Payload::RstStream(code) => Sent::Reset(stream, code),
                Payload::WindowUpdate(increment) => Sent::WindowUpdate(stream, increment),
                Payload::GoAway { last, code } => Sent::GoAway(last.0, code),
                _ => Sent::Other(other, header.flags),
            },
        });
    }
    sent
}

fn fields(block: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    Decoder::default().decode(block, |field| fields.push((text(field.name), text(field.value)))).unwrap();
    fields
}
