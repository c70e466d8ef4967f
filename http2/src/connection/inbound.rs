//! Cuts received bytes into frames and pieces of DATA (RFC 9113, sections 3.4, 4 and 6.1).

use crate::connection::handler::Handler;
use crate::connection::{Connection, Progress, Reading};
use crate::error_code::{ConnectionError, StreamError};
use crate::frame::{DataLayout, EndStream, FrameHeader, FrameType, HEADER_BYTES, PREFACE, StreamId};
use crate::message::malformed::Malformed;
use crate::streams::{Absent, Receiving, Stream};

mod frames;

/// A connection that is reading, and the handler of its events.
pub(super) struct Inbound<'a, H> {
    pub(super) connection: &'a mut Connection,
    pub(super) handler: &'a mut H,
}

/// What becomes of a DATA frame.
enum DataFate {
    Deliver,
    Discard,
}

impl<H: Handler> Inbound<'_, H> {
    /// Reads frames until the input ends or the last one is incomplete.
    pub(super) fn receive(&mut self, input: &[u8]) -> Result<usize, ConnectionError> {
        let mut read = 0;
        loop {
            match self.read(&input[read..]) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) => {
                    self.connection.error = Some(error);
                    self.connection.go_away(error.code);
                    return Err(error);
                }
            }
        }
        if let Reading::Frame { is_partial } = &mut self.connection.reading {
            *is_partial = read < input.len();
        }
        Ok(read)
    }

    /// Reads a preface, a frame, or a piece of DATA; 0 if more bytes are needed.
    fn read(&mut self, input: &[u8]) -> Result<usize, ConnectionError> {
        match self.connection.reading {
            Reading::Preface => self.read_preface(input),
            Reading::Frame { .. } => self.read_frame(input),
            Reading::Data { stream, left, padding, end } => {
                let piece = &input[..left.min(input.len())];
                self.connection.reading = match left - piece.len() {
                    0 => skip(padding),
                    left => Reading::Data { stream, left, padding, end },
                };
                if !piece.is_empty() {
                    let end = if left == piece.len() { end } else { EndStream::No };
                    self.deliver_data(stream, piece, end);
                }
                Ok(piece.len())
            }
            Reading::Skip { left } => {
                let skipped = left.min(input.len());
                self.connection.reading = skip(left - skipped);
                Ok(skipped)
            }
        }
    }

    fn read_preface(&mut self, input: &[u8]) -> Result<usize, ConnectionError> {
        let present = input.len().min(PREFACE.len());
        if input[..present] != PREFACE[..present] {
            return Err(ConnectionError::protocol("the client preface is invalid"));
        }
        if present < PREFACE.len() {
            return Ok(0);
        }
        self.connection.reading = Reading::Frame { is_partial: false };
        Ok(PREFACE.len())
    }

    fn read_frame(&mut self, input: &[u8]) -> Result<usize, ConnectionError> {
        let Some(header) = FrameHeader::parse(input) else { return Ok(0) };
        self.check_order(&header)?;
        match header.frame_type {
            FrameType::Data => match header.data_layout(input)? {
                None => Ok(0),
                Some(layout) => {
                    self.begin_data(&header, layout)?;
                    Ok(layout.before)
                }
            },
            FrameType::Unknown(_) => {
                self.connection.overhead()?;
                self.connection.reading = skip(header.length);
                Ok(HEADER_BYTES)
            }
            _ => {
                let Some(bytes) = input.get(HEADER_BYTES..HEADER_BYTES + header.length) else { return Ok(0) };
                self.take_frame(&header, header.payload(bytes)?)?;
                Ok(HEADER_BYTES + header.length)
            }
        }
    }

    /// Whether this frame may come now.
    fn check_order(&self, header: &FrameHeader) -> Result<(), ConnectionError> {
        let is_continuation = header.frame_type == FrameType::Continuation;
        if header.length > self.connection.limits.frame_bytes {
            return Err(ConnectionError::frame_size("a frame exceeds SETTINGS_MAX_FRAME_SIZE"));
        }
        if self.connection.handshake.peer == Progress::Awaited && header.frame_type != FrameType::Settings {
            return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
        }
        match self.connection.block.stream() {
            Some(stream) if !is_continuation || header.stream != stream => {
                Err(ConnectionError::protocol("a frame within a field block is not its CONTINUATION"))
            }
            None if is_continuation => Err(ConnectionError::protocol("CONTINUATION without HEADERS")),
            _ => Ok(()),
        }
    }

    /// The header of a DATA frame. Its padding is given back at once, and its payload by the consumer.
    pub(super) fn begin_data(&mut self, header: &FrameHeader, layout: DataLayout) -> Result<(), ConnectionError> {
        let (stream, end) = (header.stream, header.end_stream());
        let window = &mut self.connection.receive_window;
        window.receive(header.length).map_err(|_| ConnectionError::flow_control("DATA exceeds the connection's window"))?;
        if layout.payload == 0 && end == EndStream::No {
            self.connection.overhead()?;
        }
        let fate = match self.connection.streams.get(stream) {
            Some(open) => accept_data(open, header.length, layout.payload, end),
            None => match self.connection.streams.absent(stream) {
                Absent::Idle => return Err(ConnectionError::protocol("DATA on an idle stream")),
                Absent::Reset => Ok(DataFate::Discard),
                Absent::Closed => Err(StreamError::CLOSED),
            },
        };
        self.connection.release(stream, header.length - layout.payload);
        match fate {
            Ok(DataFate::Deliver) if layout.payload > 0 => {
                self.connection.conduct.useful();
                self.connection.reading = Reading::Data { stream, left: layout.payload, padding: layout.padding, end };
                return Ok(());
            }
            Ok(DataFate::Deliver) if end == EndStream::Yes => self.deliver_data(stream, &[], end),
            Ok(DataFate::Deliver) => {}
            Ok(DataFate::Discard) => {
                self.connection.release(stream, layout.payload);
                if end == EndStream::Yes {
                    self.connection.streams.end_receiving(stream);
                }
            }
            Err(error) => {
                self.connection.release(stream, layout.payload);
                self.fail_stream(stream, error)?;
            }
        }
        self.connection.reading = skip(layout.payload + layout.padding);
        Ok(())
    }

    /// A piece of content. The stream may have been reset since the frame began.
    pub(super) fn deliver_data(&mut self, stream: StreamId, piece: &[u8], end: EndStream) {
        match self.connection.streams.get(stream) {
            Some(open) if open.receiving == Receiving::Content => {
                if end == EndStream::Yes {
                    self.connection.streams.end_receiving(stream);
                }
                self.handler.data(self.connection, stream, piece, end);
            }
            _ => self.connection.release(stream, piece.len()),
        }
    }
}

/// Whether a stream may receive this DATA frame.
fn accept_data(open: &mut Stream, frame: usize, payload: usize, end: EndStream) -> Result<DataFate, StreamError> {
    match open.receiving {
        Receiving::Ended => return Err(StreamError::CLOSED),
        Receiving::Head => return Err(Malformed::DataBeforeHead.into()),
        Receiving::Content | Receiving::Discarded => {}
    }
    open.receive_window.receive(frame).map_err(|_| StreamError::WINDOW_EXCEEDED)?;
    if open.receiving == Receiving::Discarded {
        return Ok(DataFate::Discard);
    }
    open.content.receive(payload)?;
    if end == EndStream::Yes {
        open.content.finish()?;
    }
    Ok(DataFate::Deliver)
}

/// Skips bytes, if there are any, before the next frame.
fn skip(left: usize) -> Reading {
    match left {
        0 => Reading::Frame { is_partial: false },
        left => Reading::Skip { left },
    }
}
