//! Forwards the request from the downstream to the service, as fast as the service accepts it.

use std::task::{Context, Poll};

use crate::exchange::context::Scratch;
use crate::http1::relay::{Moved, Relay, RelayOutcome, RequestProgress};
use crate::socket::buffered_conn::Filled;

impl Relay<'_> {
    pub(super) fn move_request(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, RelayOutcome> {
        match self.request {
            RequestProgress::Unsent => {
                self.request = RequestProgress::Sending;
                if self.upstream.peer.send(cx, &self.exchange.wire, &[]).is_err() {
                    self.request = RequestProgress::Unwanted;
                    return Ok(Moved::Yes);
                }
                return Ok(Moved::Yes);
            }
            RequestProgress::Sending => match self.upstream.peer.poll_flush(cx) {
                Poll::Pending => return Ok(Moved::No),
                Poll::Ready(Err(_)) => {
                    self.request = RequestProgress::Unwanted;
                    return Ok(Moved::Yes);
                }
                Poll::Ready(Ok(())) if !self.exchange.body.is_done() => {}
                Poll::Ready(Ok(())) => return self.look_ahead(cx, scratch),
            },
            RequestProgress::Unwanted => return self.look_ahead(cx, scratch),
        }
        let filled = match self.downstream.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => {
                self.wait_for_body();
                return Ok(Moved::No);
            }
            Poll::Ready(Err(_) | Ok(Filled { length: 0, ended: true })) => return Err(RelayOutcome::Gone),
            Poll::Ready(Ok(filled)) => filled,
        };
        self.deadlines.body_moved();
        let input = &scratch.input[..filled.length];
        scratch.output.clear();
        let carried =
            self.exchange.body.carry(input, &mut scratch.output).map_err(|malformed| RelayOutcome::Malformed(malformed.0))?;
        self.downstream.keep_next(&input[carried.consumed..]);
        if self.upstream.peer.send(cx, &scratch.output, carried.plain).is_err() {
            self.request = RequestProgress::Unwanted;
        }
        self.downstream.pace_by(&self.upstream.peer, filled);
        Ok(Moved::Yes)
    }

    /// The request is complete: detects a disconnect, and reads a little of the next request.
    fn look_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, RelayOutcome> {
        match self.downstream.poll_ahead(cx, &mut scratch.input) {
            Poll::Pending => Ok(Moved::No),
            Poll::Ready(Ok(())) => Ok(Moved::Yes),
            Poll::Ready(Err(_)) => Err(RelayOutcome::Gone),
        }
    }
}
