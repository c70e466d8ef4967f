//! Appends frames to an output buffer (RFC 9113, section 6).

use crate::error_code::ErrorCode;
use crate::frame::{ACK, END_HEADERS, END_STREAM, EndStream, HEADER_BYTES, PAYLOAD_BYTES_MIN, StreamId};

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

/// Whether a PING is a question or the reply to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingKind {
    /// A question.
    Ping,
    /// The reply.
    Ack,
}

fn header(length: usize, frame_type: u8, flags: u8, stream: StreamId) -> [u8; HEADER_BYTES] {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.0.to_be_bytes();
    [a, b, c, frame_type, flags, s0, s1, s2, s3]
}

fn end_flag(end: EndStream) -> u8 {
    match end {
        EndStream::No => 0,
        EndStream::Yes => END_STREAM,
    }
}

/// DATA. The payload must not exceed `PAYLOAD_BYTES_MIN`.
pub fn data(output: &mut Vec<u8>, stream: StreamId, payload: &[u8], end: EndStream) {
    output.extend_from_slice(&header(payload.len(), DATA, end_flag(end), stream));
    output.extend_from_slice(payload);
}

/// Begins HEADERS, and returns its position. The field block follows, then `finish_headers`.
pub fn begin_headers(output: &mut Vec<u8>) -> usize {
    let start = output.len();
    output.extend_from_slice(&[0; HEADER_BYTES]);
    start
}

/// Completes the HEADERS at `start`. A block that exceeds one frame is divided with CONTINUATION (section 6.10).
pub fn finish_headers(output: &mut Vec<u8>, start: usize, stream: StreamId, end: EndStream) {
    let length = output.len() - start - HEADER_BYTES;
    let flags = end_flag(end) | if length <= PAYLOAD_BYTES_MIN { END_HEADERS } else { 0 };
    let first = length.min(PAYLOAD_BYTES_MIN);
    output[start..start + HEADER_BYTES].copy_from_slice(&header(first, HEADERS, flags, stream));
    let rest = output.split_off(start + HEADER_BYTES + first);
    let mut fragments = rest.chunks(PAYLOAD_BYTES_MIN).peekable();
    while let Some(fragment) = fragments.next() {
        let flags = if fragments.peek().is_none() { END_HEADERS } else { 0 };
        output.extend_from_slice(&header(fragment.len(), CONTINUATION, flags, stream));
        output.extend_from_slice(fragment);
    }
}

/// RST_STREAM.
pub fn rst_stream(output: &mut Vec<u8>, stream: StreamId, code: ErrorCode) {
    output.extend_from_slice(&header(4, RST_STREAM, 0, stream));
    output.extend_from_slice(&code.0.to_be_bytes());
}

/// SETTINGS with identifiers and values.
pub fn settings(output: &mut Vec<u8>, settings: &[(u16, u32)]) {
    output.extend_from_slice(&header(6 * settings.len(), SETTINGS, 0, StreamId(0)));
    for (identifier, value) in settings {
        output.extend_from_slice(&identifier.to_be_bytes());
        output.extend_from_slice(&value.to_be_bytes());
    }
}

/// The acknowledgement of SETTINGS.
pub fn settings_ack(output: &mut Vec<u8>) {
    output.extend_from_slice(&header(0, SETTINGS, ACK, StreamId(0)));
}

/// PING, or the reply to one.
pub fn ping(output: &mut Vec<u8>, kind: PingKind, opaque: [u8; 8]) {
    let flags = if kind == PingKind::Ack { ACK } else { 0 };
    output.extend_from_slice(&header(opaque.len(), PING, flags, StreamId(0)));
    output.extend_from_slice(&opaque);
}

/// GOAWAY. The reason is for the peer's logs.
pub fn go_away(output: &mut Vec<u8>, last: StreamId, code: ErrorCode, reason: &str) {
    output.extend_from_slice(&header(8 + reason.len(), GOAWAY, 0, StreamId(0)));
    output.extend_from_slice(&last.0.to_be_bytes());
    output.extend_from_slice(&code.0.to_be_bytes());
    output.extend_from_slice(reason.as_bytes());
}

/// WINDOW_UPDATE of a stream, or of the connection with stream 0.
pub fn window_update(output: &mut Vec<u8>, stream: StreamId, increment: u32) {
    output.extend_from_slice(&header(4, WINDOW_UPDATE, 0, stream));
    output.extend_from_slice(&increment.to_be_bytes());
}
