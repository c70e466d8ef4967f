//! Counts the streams that the HTTP/2 library resets because their heads are malformed.
//!
//! The library has no API that reports them, so the bytes it writes to a downstream are parsed.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http2::reset_limiter::ResetLimiter;
use crate::socket::buffered_conn::BufferedConn;

/// Bytes of a frame's header (RFC 9113, section 4.1).
const FRAME_HEAD_BYTES: usize = 9;

/// The type of frames that reset a stream (RFC 9113, section 6.4), and the bytes of their payload, an error code.
const RST_STREAM: u8 = 3;
const RST_STREAM_BYTES: usize = 4;

/// The error code for a malformed message (RFC 9113, section 8.1.1).
const PROTOCOL_ERROR: u32 = 1;

/// A downstream connection whose written frames are inspected.
pub(super) struct ResetObserver<'a> {
    peer: &'a mut BufferedConn,
    frames: FrameParser,
    reset_limiter: Rc<ResetLimiter>,
}

/// Parser state of the written frames.
#[derive(Debug, Default)]
struct FrameParser {
    /// The frame's header, and the payload too if it is a RST_STREAM.
    seen: [u8; FRAME_HEAD_BYTES + RST_STREAM_BYTES],
    length: usize,
    /// Remaining bytes of a payload to skip.
    left: usize,
}

impl<'a> ResetObserver<'a> {
    /// Wraps `peer`, and counts malformed heads in `reset_limiter`.
    pub(super) fn new(peer: &'a mut BufferedConn, reset_limiter: Rc<ResetLimiter>) -> Self {
        Self { peer, frames: FrameParser::default(), reset_limiter }
    }

    fn note(&mut self, written: &[u8]) {
        for _ in 0..self.frames.malformed(written) {
            self.reset_limiter.count_malformed();
        }
    }
}

impl FrameParser {
    /// Returns how many streams these bytes reset as malformed.
    fn malformed(&mut self, mut written: &[u8]) -> usize {
        let mut malformed = 0;
        while !written.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(written.len());
                self.left -= passed;
                written = &written[passed..];
                continue;
            }
            let is_reset = self.length >= FRAME_HEAD_BYTES;
            let wanted = if is_reset { self.seen.len() } else { FRAME_HEAD_BYTES };
            let taken = (wanted - self.length).min(written.len());
            self.seen[self.length..self.length + taken].copy_from_slice(&written[..taken]);
            self.length += taken;
            written = &written[taken..];
            if self.length < wanted {
                return malformed;
            }
            let [a, b, c, kind, _, _, _, _, _, code @ ..] = self.seen;
            if is_reset {
                malformed += usize::from(u32::from_be_bytes(code) == PROTOCOL_ERROR);
                self.length = 0;
            } else if kind != RST_STREAM {
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
                self.length = 0;
            }
        }
        malformed
    }
}

impl AsyncRead for ResetObserver<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().peer).poll_read(cx, room)
    }
}

impl AsyncWrite for ResetObserver<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut *this.peer).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            this.note(&bytes[..written]);
        }
        polled
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut *this.peer).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(written)) = polled {
            let mut left = written;
            for part in parts {
                let of_part = left.min(part.len());
                this.note(&part[..of_part]);
                left -= of_part;
            }
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().peer).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().peer).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_of_malformed_streams_are_counted_however_the_bytes_are_cut() {
        let data = [&[0, 0, 5, 0, 1, 0, 0, 0, 1][..], &[3; 5]].concat();
        let reset = |code: u8| [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, code];
        let written = [&data[..], &reset(1), &[0, 0, 0, 4, 1, 0, 0, 0, 0], &reset(8), &data, &reset(1)].concat();
        for piece in 1..=written.len() {
            let mut frames = FrameParser::default();
            assert_eq!(written.chunks(piece).map(|bytes| frames.malformed(bytes)).sum::<usize>(), 2, "{piece} bytes at once");
        }
    }
}
