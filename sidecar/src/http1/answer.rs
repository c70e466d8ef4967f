//! Sends the sidecar's own responses, and closes connections so that the responses arrive.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::exchange::context::Scratch;
use crate::exchange::{Keeps, error_response};
use crate::head::answer::{Answer, reason_of};
use crate::head::response::ResponseTo;
use crate::head::write::Persistence;
use crate::head::{Version, write};
use crate::http1::{AfterExchange, Tunnel};

/// How long a downstream may take to read the last response before its connection is closed. Meanwhile, the
/// bytes it sends are discarded. An immediate close could destroy the response in transit (RFC 9112,
/// section 9.6).
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The most bytes discarded meanwhile.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

impl Tunnel {
    /// Responds that the service has failed, or resets if part of its response was already sent.
    pub(super) async fn fail(&mut self, answer: &Answer) -> AfterExchange {
        let keeps = self.exchange.as_ref().is_some_and(|exchange| exchange.keeps == Keeps::Yes && exchange.body.is_done());
        let version = self.exchange.as_ref().map_or(Version::Http11, |exchange| exchange.version);
        if keeps && !self.worker.is_draining() {
            return self.answer(answer, write::kept(version)).await;
        }
        self.answer_or_reset(answer).await
    }

    pub(super) async fn answer_or_reset(&mut self, answer: &Answer) -> AfterExchange {
        if self.exchange.as_ref().is_some_and(|exchange| exchange.status != 0) {
            self.finish(Persistence::Close, Instant::now());
            return AfterExchange::Reset;
        }
        self.answer(answer, Persistence::Close).await
    }

    /// Sends one of the sidecar's own responses.
    pub(super) async fn answer(&mut self, answer: &Answer, persistence: Persistence) -> AfterExchange {
        let head_only = self.exchange.as_ref().is_some_and(|exchange| exchange.asked == ResponseTo::HeadOnly);
        let body = if head_only { write::BodyPresence::Withheld } else { write::BodyPresence::Sent };
        if let Some(exchange) = &mut self.exchange {
            exchange.answered(answer.status, reason_of(answer.status));
            exchange.outcome = error_response::outcome_of(answer);
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
            self.gone();
            return AfterExchange::Close;
        }
        self.finish_answered(persistence, Instant::now())
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
