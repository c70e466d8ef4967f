//! One end of an HTTP/2 connection that sends any frames, valid or not, and reads what arrives.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use bytes::{Buf as _, Bytes, BytesMut};
use http2::error_code::ErrorCode;
use http2::frame::write::{self, PingKind};
use http2::frame::{END_HEADERS, EndStream, FrameHeader, FrameType, HEADER_BYTES, PAYLOAD_BYTES_MIN, Payload, StreamId};
use http2::hpack::Field;
use http2::hpack::decoder::Decoder;
use http2::hpack::encoder::Encoder;

use crate::support::PATIENCE;

/// SETTINGS_MAX_CONCURRENT_STREAMS.
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 0x3;

/// SETTINGS_INITIAL_WINDOW_SIZE.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// Header fields in order.
pub(crate) type Fields = Vec<(String, String)>;

/// What has arrived. Acknowledgements are sent, and windows are kept, without the owner.
#[derive(Debug)]
pub(crate) enum Received {
    Head { stream: u32, fields: Fields, end: bool },
    Data { stream: u32, bytes: Bytes, end: bool },
    Reset { stream: u32, code: u32 },
    GoAway { last: u32, code: u32 },
    Settings,
    Other,
}

/// One end of a connection.
pub(crate) struct Wire {
    stream: TcpStream,
    input: BytesMut,
    scratch: Vec<u8>,
    encoder: Encoder,
    decoder: Decoder,
    block: BytesMut,
    /// The HEADERS frame of the block has END_STREAM. CONTINUATION has no such flag.
    block_ends: bool,
    /// What the peer allows on the connection, on a new stream, and on each stream.
    connection_window: i64,
    initial_window: i64,
    windows: HashMap<u32, i64>,
    bodies: VecDeque<Body>,
    /// Bytes of bodies that were sent.
    pub(crate) sent_bytes: u64,
    /// SETTINGS are acknowledged.
    pub(crate) acknowledges: bool,
}

/// A body whose rest waits for the peer's windows.
struct Body {
    stream: u32,
    rest: Bytes,
    end: EndStream,
}

/// The value of a field.
pub(crate) fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// END_STREAM if it is the last frame.
fn end_of(end: bool) -> EndStream {
    if end { EndStream::Yes } else { EndStream::No }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            input: BytesMut::new(),
            scratch: vec![0; READ_BYTES],
            encoder: Encoder::default(),
            decoder: Decoder::default(),
            block: BytesMut::new(),
            block_ends: false,
            connection_window: 65_535,
            initial_window: 65_535,
            windows: HashMap::new(),
            bodies: VecDeque::new(),
            sent_bytes: 0,
            acknowledges: true,
        }
    }

    /// Writes bytes as they are; returns whether the peer still accepts them.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    pub(crate) fn settings(&mut self, settings: &[(u16, u32)]) {
        self.write(|output| write::settings(output, settings));
    }

    /// HEADERS with these fields, whatever they are.
    pub(crate) fn head(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        let block = self.block_of(fields);
        self.write(|output| {
            let start = write::begin_headers(output);
            output.extend_from_slice(&block);
            write::finish_headers(output, start, StreamId(stream), end_of(end));
        });
    }

    /// The field block of these fields. It must be sent, so that the tables of both ends agree.
    pub(crate) fn block_of(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        for (name, value) in fields {
            self.encoder.field(Field::new(name, value), &mut block);
        }
        block
    }

    /// One DATA frame at once, whatever the windows are.
    pub(crate) fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        self.write(|output| write::data(output, StreamId(stream), bytes, end_of(end)));
    }

    /// Sends a body as the windows allow. What is left is sent while frames are read.
    pub(crate) fn body(&mut self, stream: u32, bytes: impl Into<Bytes>, end: bool) {
        self.bodies.push_back(Body { stream, rest: bytes.into(), end: end_of(end) });
        self.send_bodies();
    }

    pub(crate) fn reset(&mut self, stream: u32, code: ErrorCode) {
        self.forget(stream);
        self.write(|output| write::rst_stream(output, StreamId(stream), code));
    }

    pub(crate) fn go_away(&mut self, last: u32, code: ErrorCode) {
        self.write(|output| write::go_away(output, StreamId(last), code, ""));
    }

    /// WINDOW_UPDATE of a stream, or of the connection with 0.
    pub(crate) fn widen(&mut self, stream: u32, bytes: u32) {
        self.write(|output| write::window_update(output, StreamId(stream), bytes));
    }

    /// Lets the peer send as many bytes again as it has sent.
    pub(crate) fn give_back(&mut self, stream: u32, bytes: usize, end: bool) {
        if bytes > 0 {
            self.widen(0, bytes as u32);
        }
        if bytes > 0 && !end {
            self.widen(stream, bytes as u32);
        }
    }

    /// Drops what waits to be sent on a stream.
    pub(crate) fn forget(&mut self, stream: u32) {
        self.bodies.retain(|body| body.stream != stream);
    }

    /// Reads what comes next; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> io::Result<Option<Received>> {
        loop {
            if let Some(received) = self.take_frame() {
                return Ok(Some(received));
            }
            match self.stream.read(&mut self.scratch) {
                Ok(0) => return Ok(None),
                Ok(read) => self.input.extend_from_slice(&self.scratch[..read]),
                Err(error) if is_end(&error) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Skips bytes that are no frames.
    pub(crate) fn skip(&mut self, bytes: usize) -> bool {
        while self.input.len() < bytes {
            match self.stream.read(&mut self.scratch) {
                Ok(0) | Err(_) => return false,
                Ok(read) => self.input.extend_from_slice(&self.scratch[..read]),
            }
        }
        self.input.advance(bytes);
        true
    }

    fn write(&mut self, frames: impl FnOnce(&mut Vec<u8>)) {
        let mut output = Vec::new();
        frames(&mut output);
        // The end of a connection is seen by its reader.
        let _ = self.send(&output);
    }

    fn take_frame(&mut self) -> Option<Received> {
        let header = FrameHeader::parse(&self.input)?;
        if self.input.len() < HEADER_BYTES + header.length {
            return None;
        }
        self.input.advance(HEADER_BYTES);
        let payload = self.input.split_to(header.length).freeze();
        Some(self.take_payload(&header, &payload))
    }

    fn take_payload(&mut self, header: &FrameHeader, payload: &Bytes) -> Received {
        let StreamId(stream) = header.stream;
        let end = header.end_stream() == EndStream::Yes;
        if header.frame_type == FrameType::Data {
            return Received::Data { stream, bytes: payload.clone(), end };
        }
        match header.payload(payload).unwrap() {
            Payload::Headers { fragment } | Payload::Continuation { fragment } => {
                self.block.extend_from_slice(fragment);
                self.block_ends |= end;
                if header.flags & END_HEADERS == 0 {
                    return Received::Other;
                }
                let end = std::mem::take(&mut self.block_ends);
                return Received::Head { stream, fields: self.take_block(), end };
            }
            Payload::RstStream(code) => return Received::Reset { stream, code: code.0 },
            Payload::GoAway { last, code } => return Received::GoAway { last: last.0, code: code.0 },
            Payload::Settings(bytes) => {
                self.take_settings(bytes);
                if self.acknowledges {
                    self.write(write::settings_ack);
                }
                return Received::Settings;
            }
            Payload::Ping(opaque) => self.write(|output| write::ping(output, PingKind::Ack, opaque)),
            Payload::WindowUpdate(increment) => self.take_window_update(stream, increment),
            _ => {}
        }
        Received::Other
    }

    fn take_block(&mut self) -> Fields {
        let block = self.block.split();
        let mut fields = Fields::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.decoder.decode(&block, |field| fields.push((text(field.name), text(field.value)))).unwrap();
        fields
    }

    fn take_settings(&mut self, bytes: &[u8]) {
        for setting in bytes.chunks_exact(6) {
            let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
            if u16::from_be_bytes([setting[0], setting[1]]) == INITIAL_WINDOW_SIZE {
                let change = i64::from(value) - self.initial_window;
                self.windows.values_mut().for_each(|window| *window += change);
                self.initial_window = value.into();
            }
        }
        self.send_bodies();
    }

    fn take_window_update(&mut self, stream: u32, increment: u32) {
        if stream == 0 {
            self.connection_window += i64::from(increment);
        } else {
            *self.windows.entry(stream).or_insert(self.initial_window) += i64::from(increment);
        }
        self.send_bodies();
    }

    /// Sends of every waiting body what the windows allow, in turns.
    fn send_bodies(&mut self) {
        let mut blocked = VecDeque::new();
        while let Some(mut body) = self.bodies.pop_front() {
            let window = self.windows.entry(body.stream).or_insert(self.initial_window);
            let room = (*window).min(self.connection_window).clamp(0, PAYLOAD_BYTES_MIN as i64);
            let length = body.rest.len().min(room as usize);
            if length == 0 && !body.rest.is_empty() {
                blocked.push_back(body);
                continue;
            }
            *window -= length as i64;
            self.connection_window -= length as i64;
            self.sent_bytes += length as u64;
            let piece = body.rest.split_to(length);
            let is_last = body.rest.is_empty();
            self.data(body.stream, &piece, is_last && body.end == EndStream::Yes);
            if !is_last {
                self.bodies.push_back(body);
            }
        }
        self.bodies = blocked;
    }
}

/// A peer may close while our bytes are on their way to it, which breaks the connection.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe)
}
