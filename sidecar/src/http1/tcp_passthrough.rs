//! Tunnels a connection of an unknown protocol, as one exchange of the endpoint `TCP /`.

use std::rc::Rc;
use std::time::Instant;

use mesh::exchange::Outcome;
use mesh::refusal::RefusalReason;

use crate::exchange::error_response::Audience;
use crate::exchange::{Breaker, error_response};
use crate::head::HeadFault;
use crate::head::write::Persistence;
use crate::http1::upgraded::{Guard, UpgradeEnd, Upgraded};
use crate::http1::{AfterExchange, Tunnel};
use crate::socket::buffered_conn::BufferedConn;

/// The method and the path of such a connection.
const METHOD: &str = "TCP";
const PATH: &str = "/";

/// The status of a connection that ended properly: none.
const NO_STATUS: u16 = 0;

impl Tunnel {
    /// Forwards bytes both ways until both sides have finished. Connects to the service immediately if
    /// there is no connection yet, because the service may send first.
    pub(super) async fn pass(&mut self, upstream: Option<BufferedConn>, guard: Guard) -> AfterExchange {
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
                    let refused = error_response::of_connect(&error, Audience::Program);
                    exchange.author = error_response::author(&error);
                    exchange.answered(refused.status, "");
                    exchange.outcome = error_response::outcome_of(&refused);
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

    async fn conclude_passage(&mut self, ended: UpgradeEnd) -> AfterExchange {
        let (status, outcome) = match ended {
            UpgradeEnd::Through => (NO_STATUS, Outcome::Answered),
            UpgradeEnd::ByDownstream | UpgradeEnd::ByWorker | UpgradeEnd::BySilence => {
                let by = if ended == UpgradeEnd::ByWorker { Breaker::Drain } else { Breaker::Downstream };
                if let Some(exchange) = &mut self.exchange {
                    exchange.broken_off(by);
                }
                return self.end_by_reset();
            }
            UpgradeEnd::ByService => (502, Outcome::BrokenOff),
            UpgradeEnd::IsHttp => {
                self.worker.note_http();
                let fault = HeadFault::bad(RefusalReason::RequestLine, "it is no HTTP, and the service speaks nothing else");
                return self.answer(&error_response::of_request(fault, Audience::Program), Persistence::Close).await;
            }
        };
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(status, "");
            exchange.outcome = outcome;
        }
        if ended == UpgradeEnd::Through {
            self.finish(Persistence::Close, Instant::now());
            return AfterExchange::Close;
        }
        self.end_by_reset()
    }

    fn end_by_reset(&mut self) -> AfterExchange {
        self.finish(Persistence::Close, Instant::now());
        AfterExchange::Reset
    }
}
