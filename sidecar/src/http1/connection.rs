//! A downstream connection over HTTP/1: sends the sidecar's own responses, counts exchanges, and closes.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::{Scratch, WorkerContext};
use crate::exchange::{Exchange, KeepAlive, Repeatable, error_response};
use crate::head::answer::Audience;
use crate::head::answer::{Answer, reason_of};
use crate::head::response::ResponseTo;
use crate::head::write::{BodyPresence, Persistence};
use crate::head::{Version, write};
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::Deadline;
use crate::socket::stream::has_no_input;
use crate::upstream::service_pools::ServicePools;

/// How long a downstream may take to read the last response before its connection is closed. Meanwhile, the
/// bytes it sends are discarded. An immediate close could destroy the response in transit (RFC 9112,
/// section 9.6).
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The most bytes discarded meanwhile.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// A downstream connection.
pub(super) struct Http1Connection {
    pub(super) worker: Rc<WorkerContext>,
    pub(super) downstream: BufferedConn,
    /// The header lines that describe this connection to the service, added to each request.
    pub(super) forwarded: Box<str>,
    pub(super) caller: IpAddr,
    pub(super) timer: Rc<Deadline>,
    pub(super) exchange: Option<Box<Exchange>>,
    pub(super) opening: Opening,
}

/// The detection state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// No bytes have arrived, and the service may send first.
    Silent,
    /// No request has been recognized yet.
    First,
    /// No bytes have arrived, and the worker drains: the downstream has a last chance to send.
    Last,
    /// There was a request.
    Later,
}

/// How a wait before another attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryWait {
    /// The request can be sent again.
    Elapsed,
    /// The client has left, or the worker ends.
    Abandoned,
}

/// What to do after an exchange.
pub(super) enum AfterExchange {
    Request,
    /// Close after the downstream has read the response.
    Linger,
    Close,
    /// Close with a reset, so that the downstream detects the failure.
    Reset,
}

impl Http1Connection {
    /// The audience of a response. Before there is a head, a program is assumed.
    pub(super) fn audience(&self) -> Audience {
        self.exchange.as_ref().map_or(Audience::Program, |exchange| exchange.audience)
    }

    /// The connections to where the exchange is sent.
    pub(super) fn service(&self) -> Rc<ServicePools> {
        match &self.exchange {
            Some(exchange) => self.worker.service_of(exchange),
            None => Rc::clone(&self.worker.service),
        }
    }

    /// How long a connection to the service may take to open.
    pub(super) fn connect_within(&self) -> Duration {
        let timeouts = self.worker.timeouts();
        let of_exchange = self.exchange.as_ref().map(|exchange| exchange.connect_within(timeouts, Instant::now()));
        of_exchange.unwrap_or(timeouts.connect)
    }

    /// The wait before a request is sent again that found no connection, if it is.
    pub(super) fn retry_connect(&mut self) -> Option<Duration> {
        let exchange = self.exchange.as_mut().filter(|exchange| exchange.repeatable == Repeatable::Yes)?;
        exchange.next_retry(RetryCause::Connect, self.worker.timeouts())
    }

    /// Waits before the request is sent again.
    pub(super) async fn wait_to_retry(&self, wait: Duration) -> RetryWait {
        tokio::time::sleep(wait).await;
        if self.is_abandoned() { RetryWait::Abandoned } else { RetryWait::Elapsed }
    }

    /// Whether the client has left, or the worker ends, so that the service need not get the request.
    pub(super) fn is_abandoned(&self) -> bool {
        self.worker.is_ending() || self.downstream.stream().is_broken()
    }

    /// Counts the exchange as aborted.
    pub(super) fn abandon(&mut self) -> AfterExchange {
        self.abort();
        AfterExchange::Close
    }

    /// Responds that the service has failed, or resets if part of its response was already sent.
    pub(super) async fn fail(&mut self, answer: &Answer) -> AfterExchange {
        let keeps =
            self.exchange.as_ref().is_some_and(|exchange| exchange.keep_alive == KeepAlive::Yes && exchange.body.is_done());
        let version = self.exchange.as_ref().map_or(Version::Http11, |exchange| exchange.version);
        if keeps && !self.worker.is_draining() {
            return self.answer(answer, write::keep_connection(version)).await;
        }
        self.answer_or_reset(answer).await
    }

    /// Sends an error response and closes, or resets if part of another response was already sent.
    pub(super) async fn answer_or_reset(&mut self, answer: &Answer) -> AfterExchange {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.status != 0) {
            // The downstream has seen another status, but no complete response.
            exchange.answered(answer.status, reason_of(answer.status));
            exchange.outcome = error_response::outcome(answer);
            return self.finish_by_reset();
        }
        self.answer(answer, Persistence::Close).await
    }

    /// Sends one of the sidecar's own responses.
    pub(super) async fn answer(&mut self, answer: &Answer, persistence: Persistence) -> AfterExchange {
        let head_only = self.exchange.as_ref().is_some_and(|exchange| exchange.asked == ResponseTo::HeadOnly);
        let body = if head_only { BodyPresence::Withheld } else { BodyPresence::Sent };
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(answer.status, reason_of(answer.status));
            exchange.outcome = error_response::outcome(answer);
            exchange.bytes_out += if head_only { 0 } else { answer.body.len() as u64 };
        }
        let worker = Rc::clone(&self.worker);
        let mut is_written = false;
        let sent = poll_fn(|cx| {
            if !std::mem::replace(&mut is_written, true) {
                let Scratch { output, .. } = &mut *worker.scratch.borrow_mut();
                output.clear();
                write::answer(output, answer, body, persistence);
                if let Err(error) = self.downstream.send(cx, output, &[]) {
                    return Poll::Ready(Err(error));
                }
            }
            self.downstream.poll_flush(cx)
        })
        .await;
        if sent.is_err() {
            self.abort();
            return AfterExchange::Close;
        }
        self.finish_answered(persistence, Instant::now())
    }

    /// Counts an exchange whose whole response was written. A downstream that has finished sending may
    /// still read or may be gone. The kernel learns that only from a failed write, and may know by now.
    pub(super) fn finish_answered(&mut self, persistence: Persistence, now: Instant) -> AfterExchange {
        if self.downstream.has_ended && self.downstream.stream().is_broken() {
            self.abort();
            return AfterExchange::Close;
        }
        self.finish(persistence, now)
    }

    /// Counts the exchange, and returns the next step.
    pub(super) fn finish(&mut self, persistence: Persistence, now: Instant) -> AfterExchange {
        let is_the_last = self
            .exchange
            .as_ref()
            .is_some_and(|exchange| exchange.keep_alive == KeepAlive::ClientClosed && exchange.body.is_done());
        if let Some(exchange) = self.exchange.take() {
            self.worker.finish(exchange, now);
        }
        if persistence == Persistence::Close {
            // The downstream asked to close and has sent nothing more, so an immediate close loses no data.
            let is_silent = is_the_last && !self.downstream.has_unread() && has_no_input(self.downstream.stream());
            return if is_silent { AfterExchange::Close } else { AfterExchange::Linger };
        }
        self.timer.arm(now + self.worker.idle_timeout());
        AfterExchange::Request
    }

    /// Counts the exchange, and resets the connection, so that the downstream does not see a proper end.
    pub(super) fn finish_by_reset(&mut self) -> AfterExchange {
        self.finish(Persistence::Close, Instant::now());
        AfterExchange::Reset
    }

    /// Records the exchange as aborted, whatever status was already set.
    pub(super) fn abort(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.abort(self.worker.abort_cause());
            self.worker.finish(exchange, Instant::now());
        }
    }

    /// Lets the downstream read the last response before the connection is closed.
    pub(super) async fn linger(mut self) {
        let worker = Rc::clone(&self.worker);
        let mut bytes = 0;
        let last = poll_fn(|cx| {
            if worker.is_ending() {
                return Poll::Ready(Ok(()));
            }
            if self.downstream.poll_shutdown(cx)?.is_pending() {
                return Poll::Pending;
            }
            let scratch = &mut *worker.scratch.borrow_mut();
            loop {
                match self.downstream.poll_fill(cx, &mut scratch.input)? {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(filled) if filled.ended => return Poll::Ready(Ok::<(), io::Error>(())),
                    Poll::Ready(filled) => bytes += filled.length,
                }
                if bytes > LINGER_BYTES_MAX {
                    return Poll::Ready(Ok(()));
                }
            }
        });
        // The result does not matter: the downstream has closed, or the timeout has passed.
        let _ = tokio::time::timeout(LINGER_TIMEOUT, last).await;
    }
}

impl Drop for Http1Connection {
    /// Counts an exchange that ends with its connection, by a panic or because the worker ends.
    fn drop(&mut self) {
        self.abort();
    }
}
