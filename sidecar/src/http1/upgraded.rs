//! Forwards bytes both ways between two peers after an upgrade, or for a protocol that is not HTTP.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::exchange::Exchange;
use crate::exchange::context::{Scratch, WorkerContext};
use crate::protocol::{ServerFirstBytes, greeting};
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::Deadline;

/// An upgraded connection, such as a WebSocket, or one that never used HTTP.
pub(super) struct Upgraded<'a> {
    worker: &'a WorkerContext,
    exchange: &'a mut Exchange,
    downstream: &'a mut BufferedConn,
    upstream: BufferedConn,
    timer: &'a Deadline,
    response_check: ResponseCheck,
    up: DirectionFlow,
    down: DirectionFlow,
}

/// How the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpgradeEnd {
    /// Both sides have finished.
    Through,
    /// The downstream has broken the connection.
    ByDownstream,
    /// The service has broken the connection.
    ByService,
    /// The worker's drain timeout has passed.
    ByWorker,
    /// The idle timeout has passed.
    BySilence,
    /// The service has answered unparsed bytes in HTTP. Nothing of its answer was forwarded.
    IsHttp,
}

/// The state of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DirectionFlow {
    Open,
    /// The sender has finished, but the receiver's half is not shut down yet.
    Ending,
    Ended,
}

/// Which side has broken the connection, as seen by one direction.
enum Broken {
    Sender,
    Receiver,
}

impl<'a> Upgraded<'a> {
    /// The two connections, with bytes left over from the exchange before.
    pub(super) fn new(
        worker: &'a WorkerContext,
        exchange: &'a mut Exchange,
        downstream: &'a mut BufferedConn,
        upstream: BufferedConn,
        timer: &'a Deadline,
    ) -> Self {
        // A terminal may be held, and a database client may read its rows slowly.
        downstream.allow_pauses();
        Self {
            worker,
            exchange,
            downstream,
            upstream,
            timer,
            response_check: ResponseCheck::Off,
            up: DirectionFlow::Open,
            down: DirectionFlow::Open,
        }
    }

    /// Makes the connection end if the service turns out to speak HTTP.
    #[must_use]
    pub(super) fn with_response_check(self) -> Self {
        Self { response_check: ResponseCheck::On, ..self }
    }

    /// Forwards bytes until both sides have finished, or one has broken the connection.
    pub(super) async fn run(&mut self) -> UpgradeEnd {
        let worker = self.worker;
        if self.exchange.status != 0 {
            self.exchange.record_first_byte();
            worker.settle(self.exchange);
        }
        self.note_progress();
        let ended = poll_fn(|cx| {
            let scratch = &mut *worker.scratch.borrow_mut();
            let before = self.progress();
            match self.poll(cx, scratch) {
                _ if worker.is_ending() => Poll::Ready(UpgradeEnd::ByWorker),
                Err(ended) => Poll::Ready(ended),
                Ok(()) if self.up == DirectionFlow::Ended && self.down == DirectionFlow::Ended => {
                    Poll::Ready(UpgradeEnd::Through)
                }
                Ok(()) if before != self.progress() => {
                    self.note_progress();
                    Poll::Pending
                }
                Ok(()) if self.timer.has_expired() => Poll::Ready(UpgradeEnd::BySilence),
                Ok(()) => Poll::Pending,
            }
        })
        .await;
        self.timer.disarm();
        if !matches!(ended, UpgradeEnd::Through | UpgradeEnd::IsHttp) {
            self.upstream.reset_on_close();
        }
        ended
    }

    /// A value that changes whenever any byte or state moves.
    fn progress(&self) -> (u64, u64, usize, usize, DirectionFlow, DirectionFlow) {
        let unsent = (self.upstream.unsent_bytes(), self.downstream.unsent_bytes());
        (self.exchange.body.bytes, self.exchange.bytes_out, unsent.0, unsent.1, self.up, self.down)
    }

    /// Restarts the idle timeout after progress.
    fn note_progress(&self) {
        let timeouts = self.worker.timeouts();
        let is_half_closed = self.up != DirectionFlow::Open || self.down != DirectionFlow::Open;
        let half_closed = is_half_closed.then_some(timeouts.half_closed);
        if let Some(limit) = half_closed.into_iter().chain(timeouts.tunnel).min() {
            self.timer.arm(Instant::now() + limit);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), UpgradeEnd> {
        let up = pass(cx, scratch, self.downstream, &mut self.upstream, &mut self.up);
        self.exchange.body.bytes += up.map_err(|broken| match broken {
            Broken::Sender => UpgradeEnd::ByDownstream,
            Broken::Receiver => UpgradeEnd::ByService,
        })?;
        if self.response_check == ResponseCheck::On {
            self.look(cx, scratch)?;
        }
        if self.response_check == ResponseCheck::Off {
            let down = pass(cx, scratch, &mut self.upstream, self.downstream, &mut self.down);
            self.exchange.bytes_out += down.map_err(|broken| match broken {
                Broken::Sender => UpgradeEnd::ByService,
                Broken::Receiver => UpgradeEnd::ByDownstream,
            })?;
        }
        Ok(())
    }

    /// Checks the service's first bytes, and forwards them if they are not HTTP.
    fn look(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<(), UpgradeEnd> {
        while let Poll::Ready(filled) = self.upstream.poll_fill(cx, &mut scratch.input) {
            let filled = filled.map_err(|_| UpgradeEnd::ByService)?;
            let first = &scratch.input[..filled.length];
            match greeting(first) {
                ServerFirstBytes::Http => return Err(UpgradeEnd::IsHttp),
                ServerFirstBytes::Undecided if !filled.ended => self.upstream.unread_partial(first),
                ServerFirstBytes::Undecided | ServerFirstBytes::Foreign => {
                    self.upstream.unread(first);
                    self.response_check = ResponseCheck::Off;
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Forwards all bytes that are available, and returns how many.
fn pass(
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
    from: &mut BufferedConn,
    to: &mut BufferedConn,
    flow: &mut DirectionFlow,
) -> Result<u64, Broken> {
    let mut bytes = 0;
    loop {
        match to.poll_flush(cx) {
            Poll::Pending => return Ok(bytes),
            Poll::Ready(Err(_)) => return Err(Broken::Receiver),
            Poll::Ready(Ok(())) => {}
        }
        match *flow {
            DirectionFlow::Ended => return Ok(bytes),
            DirectionFlow::Ending => match to.poll_shutdown(cx) {
                Poll::Pending => return Ok(bytes),
                Poll::Ready(Err(_)) => return Err(Broken::Receiver),
                Poll::Ready(Ok(())) => *flow = DirectionFlow::Ended,
            },
            DirectionFlow::Open => match from.poll_fill(cx, &mut scratch.input) {
                Poll::Pending => return Ok(bytes),
                Poll::Ready(Err(_)) => return Err(Broken::Sender),
                Poll::Ready(Ok(filled)) => {
                    to.send(cx, &scratch.input[..filled.length], &[]).map_err(|_| Broken::Receiver)?;
                    from.adapt_read_size(to, filled);
                    bytes += filled.length as u64;
                    if filled.ended {
                        *flow = DirectionFlow::Ending;
                    }
                }
            },
        }
    }
}

/// Whether the service's first bytes are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseCheck {
    /// No: the protocol is known not to be HTTP.
    Off,
    /// Yes: this is only assumed. A service that answers in HTTP treats these bytes as a request, which
    /// bypassed the rules.
    On,
}
