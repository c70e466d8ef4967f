//! Serves one downstream connection: detects its protocol and runs its exchanges one after another.

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use mesh::exchange::Outcome;
use mesh::refusal::RefusalReason;
use tokio::net::TcpStream;

use crate::exchange::context::WorkerContext;
use crate::exchange::error_response::Audience;
use crate::exchange::{Breaker, Exchange, Keeps, Repeatable, error_response};
use crate::head::HeadFault;
use crate::head::answer::Answer;
use crate::head::response::ResponseTo;
use crate::head::write::Persistence;
use crate::http1::detect::Opening;
use crate::http1::relay::{Relay, RelayOutcome};
use crate::http1::upgraded::{Guard, UpgradeEnd, Upgraded};
use crate::http2;
use crate::http2::DownstreamPeer;
use crate::protocol::Detected;
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::Deadline;
use crate::socket::stream::{Stream, has_no_input};
use crate::upstream::{ReuseCheck, Upstream};

mod answer;
mod begin;
pub mod detect;
pub mod relay;
mod tcp_passthrough;
pub mod upgraded;

/// A downstream connection.
struct Tunnel {
    worker: Rc<WorkerContext>,
    downstream: BufferedConn,
    /// The header lines that describe this connection to the service, added to each request.
    forwarded: Box<str>,
    caller: IpAddr,
    watch: Rc<Deadline>,
    exchange: Option<Box<Exchange>>,
    opening: Opening,
}

/// The action for a request's head.
enum RequestAction {
    /// Forward the request to the service.
    Forward,
    /// Answer the request with this response.
    Answer(Answer, Persistence),
    /// Answer an invalid request with an error response and close.
    Refuse(HeadFault, ResponseTo),
    /// The connection begins with a protocol other than HTTP/1.
    Other(Detected),
    /// The client is silent.
    Silence,
    /// The connection ended without a request.
    Close,
}

/// What to do after an exchange.
enum AfterExchange {
    Request,
    /// Close after the downstream has read the response.
    Linger,
    Close,
    /// Close with a reset, so that the downstream detects the failure.
    Reset,
}

/// Serves a downstream connection until it is closed.
pub async fn serve(worker: Rc<WorkerContext>, socket: TcpStream, caller: IpAddr) {
    let watch = worker.watches.add();
    poll_fn(|cx| {
        watch.register(cx.waker());
        Poll::Ready(())
    })
    .await;
    let (opening, silence) = Opening::of(&worker);
    watch.arm(Instant::now() + silence);
    let forwarding = worker.forwarding();
    let forwarded = forwarding.lines(caller);
    let mut tunnel = Tunnel {
        worker,
        downstream: BufferedConn::new(Stream::accepted(socket)),
        forwarded,
        caller,
        watch,
        exchange: None,
        opening,
    };
    let mut next = tunnel.open().await;
    loop {
        match next {
            AfterExchange::Request => next = tunnel.exchange().await,
            AfterExchange::Linger => return tunnel.linger().await,
            AfterExchange::Close => return,
            AfterExchange::Reset => return tunnel.downstream.reset_on_close(),
        }
    }
}

impl Tunnel {
    /// Handles one request and its response.
    async fn exchange(&mut self) -> AfterExchange {
        match poll_fn(|cx| self.poll_begin(cx)).await {
            RequestAction::Forward => self.forward().await,
            RequestAction::Answer(answer, persistence) => self.answer(&answer, persistence).await,
            RequestAction::Refuse(fault, asked) => {
                let mut answer = error_response::of_request(fault, self.reader());
                if asked == ResponseTo::HeadOnly {
                    answer.body = Bytes::new();
                }
                self.answer(&answer, Persistence::Close).await
            }
            // These futures are rare and large. They are boxed, because each connection would reserve memory for them.
            RequestAction::Other(Detected::Http2) => {
                let caller = DownstreamPeer { address: self.caller, forwarded: &self.forwarded };
                Box::pin(http2::serve(&self.worker, &mut self.downstream, &self.watch, caller)).await;
                AfterExchange::Linger
            }
            RequestAction::Other(_) => Box::pin(self.pass(None, Guard::On)).await,
            RequestAction::Silence => Box::pin(self.listen()).await,
            RequestAction::Close => AfterExchange::Close,
        }
    }

    /// Forwards the request to the service, and the response back.
    async fn forward(&mut self) -> AfterExchange {
        let worker = Rc::clone(&self.worker);
        let repeatable = self.exchange.as_ref().is_some_and(|exchange| exchange.repeatable == Repeatable::Yes);
        let mut pooled = worker.upstreams.take(if repeatable { ReuseCheck::Usual } else { ReuseCheck::Utmost });
        loop {
            let mut upstream = match pooled.take() {
                Some(upstream) => upstream,
                None => match worker.upstreams.connect(worker.timeouts().connect).await {
                    Ok(upstream) => upstream,
                    Err(error) => {
                        if let Some(exchange) = &mut self.exchange {
                            exchange.author = error_response::author(&error);
                        }
                        return self.fail(&error_response::of_connect(&error, self.reader())).await;
                    }
                },
            };
            let Self { exchange: Some(exchange), downstream, watch, .. } = self else { return AfterExchange::Close };
            let mut relay = Relay::new(&worker, exchange, downstream, &mut upstream, watch);
            let relayed = relay.run().await;
            let (persistence, reusable) = (relay.persistence(), relay.is_upstream_reusable());
            if relayed == RelayOutcome::Whole {
                worker.note_http();
            }
            match relayed {
                RelayOutcome::Stale => {}
                RelayOutcome::Whole if reusable => {
                    let now = Instant::now();
                    worker.upstreams.give_back(upstream.peer, now);
                    return self.finish_answered(persistence, now);
                }
                _ => return self.conclude(relayed, persistence, upstream).await,
            }
        }
    }

    /// Handles every end of an exchange except the usual one.
    async fn conclude(&mut self, relayed: RelayOutcome, persistence: Persistence, upstream: Upstream) -> AfterExchange {
        match relayed {
            RelayOutcome::Whole => self.finish_answered(persistence, Instant::now()),
            RelayOutcome::Upgraded => {
                self.watch.disarm(); // The upgraded connection may last for days.
                let (worker, exchange) = (Rc::clone(&self.worker), self.exchange.as_mut());
                let mut ended = UpgradeEnd::Through;
                if let Some(exchange) = exchange {
                    ended = Upgraded::new(&worker, exchange, &mut self.downstream, upstream.peer, &self.watch).run().await;
                }
                self.finish(Persistence::Close, Instant::now());
                // If one side breaks the connection, the other must not see a proper end.
                if ended == UpgradeEnd::Through { AfterExchange::Close } else { AfterExchange::Reset }
            }
            RelayOutcome::Stale | RelayOutcome::Reset => self.fail(&error_response::reset(self.reader())).await,
            RelayOutcome::TimedOut => self.fail(&error_response::timed_out(self.reader())).await,
            RelayOutcome::Unintelligible(why) => self.fail(&error_response::unintelligible(why, self.reader())).await,
            RelayOutcome::Malformed(why) => {
                self.answer_or_reset(&error_response::of_request(HeadFault::bad(RefusalReason::Framing, why), self.reader()))
                    .await
            }
            RelayOutcome::Stalled if self.exchange.as_ref().is_some_and(|exchange| exchange.status == 0) => {
                self.answer(&error_response::of_request(error_response::STALLED, self.reader()), Persistence::Close).await
            }
            RelayOutcome::BrokenOff => {
                // The downstream has seen another status but no complete response: the service has failed.
                if let Some(exchange) = &mut self.exchange {
                    exchange.answered(502, "");
                    exchange.outcome = Outcome::BrokenOff;
                }
                self.finish(Persistence::Close, Instant::now());
                AfterExchange::Reset
            }
            RelayOutcome::Gone | RelayOutcome::Stalled => {
                self.gone();
                AfterExchange::Reset
            }
        }
    }

    /// The audience of a response. Before there is a head, a program is assumed.
    fn reader(&self) -> Audience {
        self.exchange.as_ref().map_or(Audience::Program, |exchange| exchange.reader)
    }

    /// Counts an exchange whose whole response was written. A downstream that has finished sending may
    /// still read or may be gone. The kernel learns that only from a failed write, and may know by now.
    fn finish_answered(&mut self, persistence: Persistence, now: Instant) -> AfterExchange {
        if self.downstream.has_ended && self.downstream.stream().is_broken() {
            self.gone();
            return AfterExchange::Close;
        }
        self.finish(persistence, now)
    }

    /// Counts the exchange, and returns the next step.
    fn finish(&mut self, persistence: Persistence, now: Instant) -> AfterExchange {
        let is_the_last =
            self.exchange.as_ref().is_some_and(|exchange| exchange.keeps == Keeps::Declined && exchange.body.is_done());
        if let Some(exchange) = self.exchange.take() {
            self.worker.finish(exchange, now);
        }
        if persistence == Persistence::Close {
            // The downstream asked to close and has sent nothing more, so an immediate close loses no data.
            let is_silent = is_the_last && !self.downstream.has_carry() && has_no_input(self.downstream.stream());
            return if is_silent { AfterExchange::Close } else { AfterExchange::Linger };
        }
        self.watch.arm(now + self.worker.idle_timeout());
        AfterExchange::Request
    }

    /// Records the exchange as aborted, whatever status was already set.
    fn gone(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.broken_off(Breaker::of(&self.worker));
            self.worker.finish(exchange, Instant::now());
        }
    }
}

impl Drop for Tunnel {
    /// Counts an exchange that ends with its connection, by a panic or because the worker ends.
    fn drop(&mut self) {
        self.gone();
    }
}
