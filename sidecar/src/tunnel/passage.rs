//! Tunnels a connection of an unknown protocol, as one exchange of the endpoint `TCP /`.

use std::rc::Rc;
use std::time::Instant;

use mesh::exchange::Outcome;
use mesh::refusal::Reason;

use crate::head::Fault;
use crate::head::write::Persistence;
use crate::tunnel::exchange::Breaker;
use crate::tunnel::peer::Peer;
use crate::tunnel::refusal::{self, Reader};
use crate::tunnel::upgraded::{Ended, Upgraded};
use crate::tunnel::{Next, Tunnel};

/// The method and the path of such a connection.
const METHOD: &str = "TCP";
const PATH: &str = "/";

/// The status of a connection that ended properly: none.
const NO_STATUS: u16 = 0;

/// Whether the service's first bytes are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// No: the protocol is known not to be HTTP.
    Off,
    /// Yes: this is only assumed. A service that answers in HTTP treats these bytes as a request, which
    /// bypassed the rules.
    On,
}

impl Tunnel {
    /// Forwards bytes both ways until both sides have finished. Connects to the service immediately if
    /// there is no connection yet, because the service may send first.
    pub(super) async fn pass(&mut self, upstream: Option<Peer>, guard: Guard) -> Next {
        let worker = Rc::clone(&self.worker);
        let now = Instant::now();
        self.watch.disarm();
        let (exchange, rule) = worker.begin(METHOD, PATH, now);
        let exchange = self.exchange.insert(exchange);
        exchange.caller = Some(self.caller);
        worker.settle(exchange);
        if let Some(rule) = rule {
            exchange.answered_by_rule(&rule.id);
            exchange.answered(rule.answer(now).status, "");
            return self.end_by_reset();
        }
        let upstream = match upstream {
            Some(peer) => peer,
            None => match worker.upstreams.connect(worker.timeouts().connect).await {
                Ok(upstream) => upstream.peer,
                Err(error) => {
                    let refused = refusal::of_connect(&error, Reader::Program);
                    exchange.author = refusal::author(&error);
                    exchange.answered(refused.status, "");
                    exchange.outcome = refusal::outcome_of(&refused);
                    return self.end_by_reset();
                }
            },
        };
        let mut passage = Upgraded::new(&worker, exchange, &mut self.downstream, upstream, &self.watch);
        if guard == Guard::On {
            passage = passage.guarded();
        }
        let ended = passage.run().await;
        self.conclude_passage(ended).await
    }

    async fn conclude_passage(&mut self, ended: Ended) -> Next {
        let (status, outcome) = match ended {
            Ended::Through => (NO_STATUS, Outcome::Answered),
            Ended::ByDownstream | Ended::ByWorker | Ended::BySilence => {
                let by = if ended == Ended::ByWorker { Breaker::Drain } else { Breaker::Downstream };
                if let Some(exchange) = &mut self.exchange {
                    exchange.broken_off(by);
                }
                return self.end_by_reset();
            }
            Ended::ByService => (502, Outcome::BrokenOff),
            Ended::IsHttp => {
                self.worker.note_http();
                let fault = Fault::bad(Reason::RequestLine, "it is no HTTP, and the service speaks nothing else");
                return self.answer(&refusal::of_request(fault, Reader::Program), Persistence::Close).await;
            }
        };
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(status, "");
            exchange.outcome = outcome;
        }
        if ended == Ended::Through {
            self.finish(Persistence::Close, Instant::now());
            return Next::Close;
        }
        self.end_by_reset()
    }

    fn end_by_reset(&mut self) -> Next {
        self.finish(Persistence::Close, Instant::now());
        Next::Reset
    }
}
