//! Tables of frames: what is read, what is an error, and what is written.

use crate::error_code::{ConnectionError, ErrorCode};
use crate::frame::write::{self, PingKind};
use crate::frame::{DataLayout, EndStream, FrameHeader, FrameType, HEADER_BYTES, PAYLOAD_BYTES_MIN, Payload, StreamId};

fn frame(frame_type: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([frame_type, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn read(bytes: &[u8]) -> Result<Payload<'_>, ConnectionError> {
    FrameHeader::parse(bytes).unwrap().payload(&bytes[HEADER_BYTES..])
}

#[test]
fn payloads_are_read() {
    let cases: [(Vec<u8>, Payload<'_>); 13] = [
        (frame(1, 0x4, 1, b"block"), Payload::Headers { fragment: b"block" }),
        (frame(1, 0xc, 1, b"\x02block--"), Payload::Headers { fragment: b"block" }),
        (frame(1, 0x24, 1, b"\x80\0\0\x03\x10block"), Payload::Headers { fragment: b"block" }),
        (frame(1, 0x2c, 1, b"\x01\0\0\0\x03\x10block-"), Payload::Headers { fragment: b"block" }),
        (frame(2, 0, 1, b"\0\0\0\x03\x10"), Payload::Priority),
        (frame(3, 0, 1, b"\0\0\0\x08"), Payload::RstStream(ErrorCode::CANCEL)),
        (frame(4, 0, 0, b"\0\x03\0\0\0\x64"), Payload::Settings(b"\0\x03\0\0\0\x64")),
        (frame(4, 1, 0, b""), Payload::SettingsAck),
        (frame(6, 0, 0, b"12345678"), Payload::Ping(*b"12345678")),
        (frame(6, 1, 0, b"12345678"), Payload::Pong(*b"12345678")),
        (frame(7, 0, 0, b"\x80\0\0\x05\0\0\0\0why"), Payload::GoAway { last: StreamId(5), code: ErrorCode::NO_ERROR }),
        (frame(8, 0, 0, b"\x80\0\0\x05"), Payload::WindowUpdate(5)),
        (frame(9, 4, 1 | 1 << 31, b"rest"), Payload::Continuation { fragment: b"rest" }),
    ];
    for (bytes, payload) in cases {
        assert_eq!(read(&bytes), Ok(payload), "{bytes:x?}");
    }
}

#[test]
fn invalid_frames_are_errors() {
    let (size, protocol) = (ErrorCode::FRAME_SIZE_ERROR, ErrorCode::PROTOCOL_ERROR);
    let cases = [
        (frame(1, 0x4, 0, b"block"), protocol),
        (frame(1, 0xc, 1, b""), size),
        (frame(1, 0xc, 1, b"\x05blok"), protocol),
        (frame(1, 0x24, 1, b"\0\0\0\x03"), size),
        (frame(1, 0x24, 3, b"\0\0\0\x03\x10"), protocol),
        (frame(2, 0, 1, b"\0\0\0\x03"), size),
        (frame(2, 0, 3, b"\0\0\0\x03\x10"), protocol),
        (frame(2, 0, 0, b"\0\0\0\x03\x10"), protocol),
        (frame(3, 0, 1, b"\0\0\0"), size),
        (frame(3, 0, 0, b"\0\0\0\x08"), protocol),
        (frame(4, 0, 0, b"\0\x03\0\0\0"), size),
        (frame(4, 0, 1, b""), protocol),
        (frame(4, 1, 0, b"\0\x03\0\0\0\x64"), size),
        (frame(6, 0, 0, b"1234567"), size),
        (frame(6, 0, 1, b"12345678"), protocol),
        (frame(7, 0, 0, b"1234567"), size),
        (frame(7, 0, 1, b"12345678"), protocol),
        (frame(8, 0, 0, b"\0\0\0"), size),
        (frame(9, 0, 0, b""), protocol),
    ];
    for (bytes, code) in cases {
        assert_eq!(read(&bytes).map_err(|error| error.code), Err(code), "{bytes:x?}");
    }
}

#[test]
fn data_is_laid_out() {
    let layout = |bytes: &[u8]| FrameHeader::parse(bytes).unwrap().data_layout(bytes).map_err(|error| error.code);
    let plain = DataLayout { before: 9, payload: 5, padding: 0 };
    assert_eq!(layout(&frame(0, 1, 1, b"bytes")), Ok(Some(plain)));
    let padded = DataLayout { before: 10, payload: 5, padding: 2 };
    assert_eq!(layout(&frame(0, 9, 1, b"\x02bytes--")), Ok(Some(padded)));
    assert_eq!(layout(&frame(0, 9, 1, b"\x02bytes--")[..9]), Ok(None));
    assert_eq!(layout(&frame(0, 9, 1, b"\x03--")), Err(ErrorCode::PROTOCOL_ERROR));
    assert_eq!(layout(&frame(0, 9, 1, b"")), Err(ErrorCode::FRAME_SIZE_ERROR));
    assert_eq!(layout(&frame(0, 0, 0, b"bytes")), Err(ErrorCode::PROTOCOL_ERROR));
}

#[test]
fn written_frames_are_read_again() {
    let mut bytes = Vec::new();
    write::rst_stream(&mut bytes, StreamId(7), ErrorCode::CANCEL);
    assert_eq!(read(&bytes), Ok(Payload::RstStream(ErrorCode::CANCEL)));
    bytes.clear();
    write::settings(&mut bytes, &[(3, 100), (4, 7)]);
    assert_eq!(read(&bytes), Ok(Payload::Settings(&[0, 3, 0, 0, 0, 100, 0, 4, 0, 0, 0, 7])));
    bytes.clear();
    write::settings_ack(&mut bytes);
    assert_eq!(read(&bytes), Ok(Payload::SettingsAck));
    bytes.clear();
    write::ping(&mut bytes, PingKind::Ack, *b"12345678");
    assert_eq!(read(&bytes), Ok(Payload::Pong(*b"12345678")));
    bytes.clear();
    write::go_away(&mut bytes, StreamId(9), ErrorCode::PROTOCOL_ERROR, "why");
    assert_eq!(read(&bytes), Ok(Payload::GoAway { last: StreamId(9), code: ErrorCode::PROTOCOL_ERROR }));
    bytes.clear();
    write::window_update(&mut bytes, StreamId(3), 70_000);
    assert_eq!(read(&bytes), Ok(Payload::WindowUpdate(70_000)));
    bytes.clear();
    write::data(&mut bytes, StreamId(3), b"bytes", EndStream::Yes);
    assert_eq!(bytes, frame(0, 1, 3, b"bytes"));
}

#[test]
fn a_long_field_block_is_divided() {
    let block: Vec<u8> = (0..=2 * PAYLOAD_BYTES_MIN).map(|byte| byte as u8).collect();
    let mut bytes = b"before".to_vec();
    let start = write::begin_headers(&mut bytes);
    bytes.extend(&block);
    write::finish_headers(&mut bytes, start, StreamId(5), EndStream::Yes);
    let (mut rest, mut joined, mut seen) = (&bytes[b"before".len()..], Vec::<u8>::new(), Vec::new());
    while !rest.is_empty() {
        let header = FrameHeader::parse(rest).unwrap();
        seen.push((header.frame_type, header.flags, header.length));
        joined.extend_from_slice(&rest[HEADER_BYTES..][..header.length]);
        rest = &rest[HEADER_BYTES + header.length..];
    }
    let full = PAYLOAD_BYTES_MIN;
    let expected = [(FrameType::Headers, 1, full), (FrameType::Continuation, 0, full), (FrameType::Continuation, 4, 1)];
    assert_eq!(seen, expected);
    assert_eq!(joined, block);
}
