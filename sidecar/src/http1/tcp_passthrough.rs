//! Tunnels a connection of an unknown protocol, as one exchange of the endpoint `TCP /`.

use std::rc::Rc;
use std::time::Instant;

use mesh::exchange::Outcome;
use mesh::refusal::RefusalReason;

use crate::exchange::decide::apply_rules;
use crate::exchange::{AbortCause, decorate, error_response};
use crate::head::HeadFault;
use crate::head::answer::Audience;
use crate::head::write::Persistence;
use crate::http1::connection::{AfterExchange, Http1Connection};
use crate::http1::upgraded::{ResponseCheck, UpgradeEnd, Upgraded};
use crate::recorder::completed_exchange::Author;
use crate::socket::buffered_conn::BufferedConn;

/// The method and the path of such a connection.
const METHOD: &str = "TCP";
const PATH: &str = "/";

/// The status of a connection that ended properly: none.
const NO_STATUS: u16 = 0;

/// Forwards bytes both ways until both sides have finished. Connects to the service immediately if there is
/// no connection yet, because the service may send first.
pub(super) async fn run(connection: &mut Http1Connection, upstream: Option<BufferedConn>, check: ResponseCheck) -> AfterExchange {
    let worker = Rc::clone(&connection.worker);
    connection.timer.disarm();
    let (exchange, covering) = worker.begin(METHOD, PATH, Instant::now());
    let exchange = connection.exchange.insert(exchange);
    exchange.caller = Some(connection.caller);
    worker.settle(exchange);
    if let Some(answer) = covering.and_then(|covering| apply_rules(exchange, &covering)) {
        exchange.answered(answer.status, "");
        return connection.finish_by_reset();
    }
    if decorate::is_guarded(worker.decorators(), exchange) {
        let refused = error_response::guard_failed();
        exchange.author = Author::Sitio;
        exchange.answered(refused.status, "");
        exchange.outcome = error_response::outcome(&refused);
        return connection.finish_by_reset();
    }
    let upstream = match upstream {
        Some(peer) => peer,
        None => match worker.service.http1.connect(worker.timeouts().connect).await {
            Ok(upstream) => upstream.peer,
            Err(error) => {
                let refused = error_response::for_connect_error(&error, Audience::Program);
                exchange.author = error_response::author(&error);
                exchange.answered(refused.status, "");
                exchange.outcome = error_response::outcome(&refused);
                return connection.finish_by_reset();
            }
        },
    };
    let mut tunnel = Upgraded::new(&worker, exchange, &mut connection.downstream, upstream, &connection.timer);
    if check == ResponseCheck::On {
        tunnel = tunnel.with_response_check();
    }
    let ended = tunnel.run().await;
    conclude(connection, ended).await
}

async fn conclude(connection: &mut Http1Connection, ended: UpgradeEnd) -> AfterExchange {
    let Some(exchange) = &mut connection.exchange else { return AfterExchange::Close };
    match ended {
        UpgradeEnd::Through => {
            exchange.answered(NO_STATUS, "");
            connection.finish(Persistence::Close, Instant::now());
            return AfterExchange::Close;
        }
        UpgradeEnd::ByDownstream | UpgradeEnd::BySilence => exchange.abort(AbortCause::Downstream),
        UpgradeEnd::ByWorker => exchange.abort(AbortCause::Drain),
        UpgradeEnd::ByService => {
            exchange.answered(502, "");
            exchange.outcome = Outcome::BrokenOff;
        }
        UpgradeEnd::IsHttp => {
            connection.worker.note_http();
            let fault = HeadFault::bad(RefusalReason::RequestLine, "it is not HTTP, and the service only speaks HTTP");
            return connection.answer(&error_response::for_request(fault, Audience::Program), Persistence::Close).await;
        }
    }
    connection.finish_by_reset()
}
