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

use crate::decorator::Released;
use crate::exchange::context::WorkerContext;
use crate::exchange::{Repeatable, error_response};
use crate::head::HeadFault;
use crate::head::response::ResponseTo;
use crate::head::write::{self, Persistence};
use crate::http1::connection::{AfterExchange, Http1Connection, RetryWait};
use crate::http1::relay::{Relay, RelayError, RelayOutcome};
use crate::http1::request::{RequestAction, poll_request};
use crate::http1::upgraded::{ResponseCheck, UpgradeEnd, Upgraded};
use crate::http2;
use crate::protocol::Detected;
use crate::recorder::completed_exchange::Author;
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::stream::Stream;
use crate::upstream::ReuseCheck;
use crate::upstream::http2::ServiceProtocol;

mod connection;
mod detect;
mod exchange_deadlines;
mod over_http2;
mod relay;
mod request;
mod tcp_passthrough;
mod upgraded;

/// Serves a downstream connection until it is closed.
pub async fn serve(worker: Rc<WorkerContext>, socket: TcpStream, caller: IpAddr) {
    let timer = worker.timers.add();
    poll_fn(|cx| {
        timer.register(cx.waker());
        Poll::Ready(())
    })
    .await;
    let (opening, silence) = detect::initial(&worker);
    timer.arm(Instant::now() + silence);
    let forwarded = worker.forwarding().lines(caller);
    let downstream = BufferedConn::new(Stream::accepted(socket));
    let mut connection = Http1Connection { worker, downstream, forwarded, caller, timer, exchange: None, opening };
    let mut next = detect::open(&mut connection).await;
    loop {
        match next {
            AfterExchange::Request => next = serve_exchange(&mut connection).await,
            AfterExchange::Linger => return connection.linger().await,
            AfterExchange::Close => return,
            AfterExchange::Reset => return connection.downstream.reset_on_close(),
        }
    }
}

/// Handles one request and its response.
async fn serve_exchange(connection: &mut Http1Connection) -> AfterExchange {
    match poll_fn(|cx| poll_request(connection, cx)).await {
        RequestAction::Forward => forward(connection).await,
        RequestAction::Hold(hold) => match hold.await {
            // Its client has left, or the worker ends: the service does not get the request.
            _ if connection.is_abandoned() => connection.abandon(),
            Released::Pass(fields) => {
                if let Some(exchange) = &mut connection.exchange {
                    write::add_fields(&mut exchange.wire, &fields);
                }
                forward(connection).await
            }
            Released::Answer(answer) => {
                let Some(exchange) = &mut connection.exchange else { return AfterExchange::Close };
                exchange.author = Author::Sitio;
                let persistence = exchange.persistence_of_answer();
                connection.answer(&answer, persistence).await
            }
        },
        RequestAction::Answer(answer, persistence) => connection.answer(&answer, persistence).await,
        RequestAction::Refuse(fault, asked) => {
            let mut answer = error_response::for_request(fault, connection.audience());
            if asked == ResponseTo::HeadOnly {
                answer.body = Bytes::new();
            }
            connection.answer(&answer, Persistence::Close).await
        }
        // These futures are rare and large. They are boxed, because each connection would reserve memory for them.
        RequestAction::Other(Detected::Http2) => {
            let Http1Connection { worker, downstream, forwarded, caller, timer, .. } = connection;
            Box::pin(http2::serve(worker, downstream, timer, *caller, forwarded)).await;
            AfterExchange::Linger
        }
        RequestAction::Other(_) => Box::pin(tcp_passthrough::run(connection, None, ResponseCheck::On)).await,
        RequestAction::Silence => Box::pin(detect::wait_for_service(connection)).await,
        RequestAction::Close => AfterExchange::Close,
    }
}

/// Forwards the request to the service, and the response back.
async fn forward(connection: &mut Http1Connection) -> AfterExchange {
    let worker = Rc::clone(&connection.worker);
    let service = connection.service();
    if service.http2.protocol() == ServiceProtocol::OnlyHttp2 {
        return forward_over_http2(connection).await;
    }
    let repeatable = connection.exchange.as_ref().is_some_and(|exchange| exchange.repeatable == Repeatable::Yes);
    let mut pooled = service.http1.acquire(if repeatable { ReuseCheck::Usual } else { ReuseCheck::Utmost });
    loop {
        let mut upstream = match pooled.take() {
            Some(upstream) => upstream,
            None => match service.http1.connect(connection.connect_within()).await {
                Ok(upstream) => upstream,
                Err(error) => {
                    if error_response::author(&error) == Author::Service
                        && let Some(wait) = connection.retry_connect()
                    {
                        if connection.wait_to_retry(wait).await == RetryWait::Abandoned {
                            return connection.abandon();
                        }
                        continue;
                    }
                    if let Some(exchange) = &mut connection.exchange {
                        exchange.author = error_response::author(&error);
                    }
                    return connection.fail(&error_response::for_connect_error(&error, connection.audience())).await;
                }
            },
        };
        let Http1Connection { exchange: Some(exchange), downstream, timer, .. } = connection else {
            return AfterExchange::Close;
        };
        let mut relay = Relay::new(&worker, exchange, downstream, &mut upstream, timer);
        let relayed = relay.run().await;
        let (persistence, is_reusable) = (relay.persistence(), relay.is_upstream_reusable());
        match relayed {
            Ok(RelayOutcome::Complete) => {
                worker.note_http();
                let now = Instant::now();
                if is_reusable {
                    service.http1.release(upstream.peer, now);
                }
                return connection.finish_answered(persistence, now);
            }
            Ok(RelayOutcome::Upgraded) => return run_upgraded(connection, upstream.peer).await,
            Err(RelayError::StaleConnection) => {}
            Err(RelayError::Retry(wait)) => {
                if connection.wait_to_retry(wait).await == RetryWait::Abandoned {
                    return connection.abandon();
                }
            }
            Err(RelayError::SpeaksHttp2) => {
                service.http2.set_protocol(ServiceProtocol::OnlyHttp2);
                return forward_over_http2(connection).await;
            }
            Err(error) => return conclude(connection, error).await,
        }
    }
}

/// Forwards the request to a service that speaks only HTTP/2.
async fn forward_over_http2(connection: &mut Http1Connection) -> AfterExchange {
    // This future is rare and large.
    match Box::pin(over_http2::forward(connection)).await {
        Ok(next) => next,
        Err(error) => conclude(connection, error).await,
    }
}

/// Tunnels a connection that was upgraded, until it ends.
async fn run_upgraded(connection: &mut Http1Connection, upstream: BufferedConn) -> AfterExchange {
    connection.timer.disarm(); // The upgraded connection may last for days.
    let worker = Rc::clone(&connection.worker);
    let Http1Connection { exchange: Some(exchange), downstream, timer, .. } = connection else {
        return AfterExchange::Close;
    };
    let ended = Upgraded::new(&worker, exchange, downstream, upstream, timer).run().await;
    connection.finish(Persistence::Close, Instant::now());
    // If one side breaks the connection, the other must not see a proper end.
    if ended == UpgradeEnd::Through { AfterExchange::Close } else { AfterExchange::Reset }
}

/// Handles the end of an exchange that was not forwarded to its end.
async fn conclude(connection: &mut Http1Connection, error: RelayError) -> AfterExchange {
    let audience = connection.audience();
    match error {
        RelayError::StaleConnection | RelayError::Retry(_) | RelayError::Reset => {
            connection.fail(&error_response::reset(audience)).await
        }
        RelayError::SpeaksHttp2 => connection.fail(&error_response::invalid_response("it speaks HTTP/2 only", audience)).await,
        RelayError::TimedOut => connection.fail(&error_response::timed_out(audience)).await,
        RelayError::InvalidResponse(why) => connection.fail(&error_response::invalid_response(why, audience)).await,
        RelayError::MalformedRequest(why) => {
            let fault = HeadFault::bad(RefusalReason::Framing, why);
            connection.answer_or_reset(&error_response::for_request(fault, audience)).await
        }
        RelayError::RequestStalled if connection.exchange.as_ref().is_some_and(|exchange| exchange.status == 0) => {
            connection.answer(&error_response::for_request(error_response::STALLED, audience), Persistence::Close).await
        }
        RelayError::ResponseAborted => {
            // The downstream has seen another status but no complete response: the service has failed.
            if let Some(exchange) = &mut connection.exchange {
                exchange.answered(502, "");
                exchange.outcome = Outcome::BrokenOff;
            }
            connection.finish_by_reset()
        }
        RelayError::Disconnected | RelayError::RequestStalled => {
            connection.abort();
            AfterExchange::Reset
        }
    }
}
