//! Forwards the request from the downstream to the service, as fast as the service accepts it.

use std::task::{Context, Poll};

use crate::tunnel::peer::Filled;
use crate::tunnel::relay::{Moved, Relay, Relayed, Request};
use crate::worker::state::Scratch;

impl Relay<'_> {
    pub(super) fn move_request(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, Relayed> {
        match self.request {
            Request::Unsent => {
                self.request = Request::Sending;
                if self.upstream.peer.send(cx, &self.exchange.wire, &[]).is_err() {
                    self.request = Request::Unwanted;
                    return Ok(Moved::Yes);
                }
                return Ok(Moved::Yes);
            }
            Request::Sending => match self.upstream.peer.poll_flush(cx) {
                Poll::Pending => return Ok(Moved::No),
                Poll::Ready(Err(_)) => {
                    self.request = Request::Unwanted;
                    return Ok(Moved::Yes);
                }
                Poll::Ready(Ok(())) if !self.exchange.body.is_done() => {}
                Poll::Ready(Ok(())) => return self.look_ahead(cx, scratch),
            },
            Request::Unwanted => return self.look_ahead(cx, scratch),
        }
        let filled = match self.downstream.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => {
                self.wait_for_body();
                return Ok(Moved::No);
            }
            Poll::Ready(Err(_) | Ok(Filled { length: 0, ended: true })) => return Err(Relayed::Gone),
            Poll::Ready(Ok(filled)) => filled,
        };
        self.deadlines.body_moved();
        let input = &scratch.input[..filled.length];
        scratch.output.clear();
        let carried =
            self.exchange.body.carry(input, &mut scratch.output).map_err(|malformed| Relayed::Malformed(malformed.0))?;
        self.downstream.keep_next(&input[carried.consumed..]);
        if self.upstream.peer.send(cx, &scratch.output, carried.plain).is_err() {
            self.request = Request::Unwanted;
        }
        self.downstream.pace_by(&self.upstream.peer, filled);
        Ok(Moved::Yes)
    }

    /// The request is complete: detects a disconnect, and reads a little of the next request.
    fn look_ahead(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Moved, Relayed> {
        match self.downstream.poll_ahead(cx, &mut scratch.input) {
            Poll::Pending => Ok(Moved::No),
            Poll::Ready(Ok(())) => Ok(Moved::Yes),
            Poll::Ready(Err(_)) => Err(Relayed::Gone),
        }
    }
}
