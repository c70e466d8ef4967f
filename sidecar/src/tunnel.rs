//! Serves one downstream connection: detects its protocol and runs its exchanges one after another.

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use mesh::exchange::Outcome;
use mesh::refusal::Reason;
use tokio::net::TcpStream;

use crate::decorator::Answer;
use crate::head::Fault;
use crate::head::response::Asked;
use crate::head::write::Persistence;
use crate::http2::{self, Caller};
use crate::protocol::Looks;
use crate::stream::Stream;
use crate::tunnel::exchange::{Breaker, Exchange, Keeps, Repeatable};
use crate::tunnel::opening::Opening;
use crate::tunnel::passage::Guard;
use crate::tunnel::peer::Peer;
use crate::tunnel::refusal::Reader;
use crate::tunnel::relay::{Relay, Relayed};
use crate::tunnel::upgraded::{Ended, Upgraded};
use crate::upstream::{Care, Upstream, is_quiet};
use crate::watch::Watch;
use crate::worker::state::Worker;

mod answer;
mod begin;
pub mod decorators;
pub mod exchange;
pub(crate) mod last_stop;
pub mod opening;
mod passage;
pub mod peer;
pub mod refusal;
pub mod relay;
mod unsent;
pub mod upgraded;

/// A downstream connection.
struct Tunnel {
    worker: Rc<Worker>,
    downstream: Peer,
    /// The header lines that describe this connection to the service, added to each request.
    forwarded: Box<str>,
    caller: IpAddr,
    watch: Rc<Watch>,
    exchange: Option<Box<Exchange>>,
    opening: Opening,
}

/// The action for a request's head.
enum Begun {
    /// Forward the request to the service.
    Forward,
    /// Answer the request with this response.
    Answer(Answer, Persistence),
    /// Answer an invalid request with an error response and close.
    Refuse(Fault, Asked),
    /// The connection begins with a protocol other than HTTP/1.
    Other(Looks),
    /// The client is silent.
    Silence,
    /// The connection ended without a request.
    Close,
}

/// What to do after an exchange.
enum Next {
    Request,
    /// Close after the downstream has read the response.
    Linger,
    Close,
    /// Close with a reset, so that the downstream detects the failure.
    Reset,
}

/// Serves a downstream connection until it is closed.
pub async fn serve(worker: Rc<Worker>, socket: TcpStream, caller: IpAddr) {
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
    let mut tunnel =
        Tunnel { worker, downstream: Peer::new(Stream::accepted(socket)), forwarded, caller, watch, exchange: None, opening };
    let mut next = tunnel.open().await;
    loop {
        match next {
            Next::Request => next = tunnel.exchange().await,
            Next::Linger => return tunnel.linger().await,
            Next::Close => return,
            Next::Reset => return tunnel.downstream.reset_on_close(),
        }
    }
}

impl Tunnel {
    /// Handles one request and its response.
    async fn exchange(&mut self) -> Next {
        match poll_fn(|cx| self.poll_begin(cx)).await {
            Begun::Forward => self.forward().await,
            Begun::Answer(answer, persistence) => self.answer(&answer, persistence).await,
            Begun::Refuse(fault, asked) => {
                let mut answer = refusal::of_request(fault, self.reader());
                if asked == Asked::HeadOnly {
                    answer.body = Bytes::new();
                }
                self.answer(&answer, Persistence::Close).await
            }
            // These futures are rare and large. They are boxed, because each connection would reserve memory for them.
            Begun::Other(Looks::Http2) => {
                let caller = Caller { address: self.caller, forwarded: &self.forwarded };
                Box::pin(http2::serve(&self.worker, &mut self.downstream, &self.watch, caller)).await;
                Next::Linger
            }
            Begun::Other(_) => Box::pin(self.pass(None, Guard::On)).await,
            Begun::Silence => Box::pin(self.listen()).await,
            Begun::Close => Next::Close,
        }
    }

    /// Forwards the request to the service, and the response back.
    async fn forward(&mut self) -> Next {
        let worker = Rc::clone(&self.worker);
        let repeatable = self.exchange.as_ref().is_some_and(|exchange| exchange.repeatable == Repeatable::Yes);
        let mut pooled = worker.upstreams.take(if repeatable { Care::Usual } else { Care::Utmost });
        loop {
            let mut upstream = match pooled.take() {
                Some(upstream) => upstream,
                None => match worker.upstreams.connect(worker.timeouts().connect).await {
                    Ok(upstream) => upstream,
                    Err(error) => {
                        if let Some(exchange) = &mut self.exchange {
                            exchange.author = refusal::author(&error);
                        }
                        return self.fail(&refusal::of_connect(&error, self.reader())).await;
                    }
                },
            };
            let Self { exchange: Some(exchange), downstream, watch, .. } = self else { return Next::Close };
            let mut relay = Relay::new(&worker, exchange, downstream, &mut upstream, watch);
            let relayed = relay.run().await;
            let (persistence, reusable) = (relay.persistence(), relay.is_upstream_reusable());
            if relayed == Relayed::Whole {
                worker.note_http();
            }
            match relayed {
                Relayed::Stale => {}
                Relayed::Whole if reusable => {
                    let now = Instant::now();
                    worker.upstreams.give_back(upstream.peer, now);
                    return self.finish_answered(persistence, now);
                }
                _ => return self.conclude(relayed, persistence, upstream).await,
            }
        }
    }

    /// Handles every end of an exchange except the usual one.
    async fn conclude(&mut self, relayed: Relayed, persistence: Persistence, upstream: Upstream) -> Next {
        match relayed {
            Relayed::Whole => self.finish_answered(persistence, Instant::now()),
            Relayed::Upgraded => {
                self.watch.disarm(); // The upgraded connection may last for days.
                let (worker, exchange) = (Rc::clone(&self.worker), self.exchange.as_mut());
                let mut ended = Ended::Through;
                if let Some(exchange) = exchange {
                    ended = Upgraded::new(&worker, exchange, &mut self.downstream, upstream.peer, &self.watch).run().await;
                }
                self.finish(Persistence::Close, Instant::now());
                // If one side breaks the connection, the other must not see a proper end.
                if ended == Ended::Through { Next::Close } else { Next::Reset }
            }
            Relayed::Stale | Relayed::Reset => self.fail(&refusal::reset(self.reader())).await,
            Relayed::TimedOut => self.fail(&refusal::timed_out(self.reader())).await,
            Relayed::Unintelligible(why) => self.fail(&refusal::unintelligible(why, self.reader())).await,
            Relayed::Malformed(why) => {
                self.answer_or_reset(&refusal::of_request(Fault::bad(Reason::Framing, why), self.reader())).await
            }
            Relayed::Stalled if self.exchange.as_ref().is_some_and(|exchange| exchange.status == 0) => {
                self.answer(&refusal::of_request(refusal::STALLED, self.reader()), Persistence::Close).await
            }
            Relayed::BrokenOff => {
                // The downstream has seen another status but no complete response: the service has failed.
                if let Some(exchange) = &mut self.exchange {
                    exchange.answered(502, "");
                    exchange.outcome = Outcome::BrokenOff;
                }
                self.finish(Persistence::Close, Instant::now());
                Next::Reset
            }
            Relayed::Gone | Relayed::Stalled => {
                self.gone();
                Next::Reset
            }
        }
    }

    /// The audience of a response. Before there is a head, a program is assumed.
    fn reader(&self) -> Reader {
        self.exchange.as_ref().map_or(Reader::Program, |exchange| exchange.reader)
    }

    /// Counts an exchange whose whole response was written. A downstream that has finished sending may
    /// still read or may be gone. The kernel learns that only from a failed write, and may know by now.
    fn finish_answered(&mut self, persistence: Persistence, now: Instant) -> Next {
        if self.downstream.has_ended && self.downstream.stream().is_broken() {
            self.gone();
            return Next::Close;
        }
        self.finish(persistence, now)
    }

    /// Counts the exchange, and returns the next step.
    fn finish(&mut self, persistence: Persistence, now: Instant) -> Next {
        let is_the_last =
            self.exchange.as_ref().is_some_and(|exchange| exchange.keeps == Keeps::Declined && exchange.body.is_done());
        if let Some(exchange) = self.exchange.take() {
            self.worker.finish(exchange, now);
        }
        if persistence == Persistence::Close {
            // The downstream asked to close and has sent nothing more, so an immediate close loses no data.
            let is_silent = is_the_last && !self.downstream.has_carry() && is_quiet(self.downstream.stream());
            return if is_silent { Next::Close } else { Next::Linger };
        }
        self.watch.arm(now + self.worker.idle_timeout());
        Next::Request
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
