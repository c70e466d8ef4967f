//! The response of an exchange: parses its heads, writes them for the downstream, and forwards its body.

use std::task::{Context, Poll};

use mesh::exchange::Outcome;

use crate::body::malformed::Malformed;
use crate::body::{Body, BodyStep, To};
use crate::decorator::retry_policy::RetryCause;
use crate::exchange::context::Scratch;
use crate::exchange::{KeepAlive, Repeatable, decorate};
use crate::head::answer::{Answer, Edit, reason_of};
use crate::head::fields::options;
use crate::head::response::{INTERIM_MAX, ResponseHead, ResponseTo};
use crate::head::write::{Persistence, Plan};
use crate::head::{Framing, Parsed, Version, request, response, write};
use crate::http1::relay::{Progress, Relay, RelayError, ResponseProgress};
use crate::protocol::speaks_http2;
use crate::recorder::completed_exchange::Author;
use crate::socket::buffered_conn::Filled;
use crate::upstream::ConnectionOrigin;

/// The largest body part that is copied after its head to send both in one piece. A larger part is sent by
/// a vectored write.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// The only response besides 101 that must name the protocols to switch to (RFC 9110, section 15.5.22).
const UPGRADE_REQUIRED: u16 = 426;

impl Relay<'_> {
    /// Forwards the response from the service to the downstream, as fast as the downstream accepts it.
    pub(super) fn move_response(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Progress, RelayError> {
        match self.downstream.poll_flush(cx) {
            Poll::Pending => return Ok(Progress::Blocked),
            Poll::Ready(Err(_)) => return Err(RelayError::Disconnected),
            Poll::Ready(Ok(())) if matches!(self.response, ResponseProgress::Complete { .. }) => return Ok(Progress::Blocked),
            Poll::Ready(Ok(())) => {}
        }
        scratch.output.clear();
        let filled = match self.upstream.peer.poll_fill(cx, &mut scratch.input) {
            Poll::Pending => return Ok(Progress::Blocked),
            Poll::Ready(Err(_)) => return Err(self.service_closed()),
            Poll::Ready(Ok(Filled { length: 0, ended: true })) => return self.end_by_close(cx, scratch),
            Poll::Ready(Ok(filled)) => filled,
        };
        self.deadlines.extend_body_timeout();
        self.deadlines.extend_abandon_grace();
        let had_head = matches!(self.response, ResponseProgress::Body { .. });
        if matches!(self.response, ResponseProgress::Silent) {
            self.response = ResponseProgress::Begun;
            self.start_response();
        }
        let (input, output) = (&scratch.input[..filled.length], &mut scratch.output);
        let used = match self.response {
            ResponseProgress::Begun => self.read_heads(input, filled, output)?,
            _ => Some(0),
        };
        let Some(used) = used else {
            return self.send(cx, output, &[], filled);
        };
        let plain = match self.take_body(&input[used..], output) {
            Ok(plain) => plain,
            // Nothing of this response has been forwarded yet, so an error response is still possible.
            Err(Malformed(why)) if !had_head => return Err(self.discard_response(why)),
            Err(_) => return Err(RelayError::ResponseAborted),
        };
        if matches!(self.response, ResponseProgress::Body { .. }) && !had_head {
            self.exchange.record_first_byte();
            self.worker.settle(self.exchange);
        }
        if !plain.is_empty() && plain.len() <= COPIED_BYTES_MAX && !output.is_empty() {
            output.extend_from_slice(plain);
            return self.send(cx, output, &[], filled);
        }
        self.send(cx, output, plain, filled)
    }

    /// The response's first byte has arrived: from now on only the exchange timeout applies.
    fn start_response(&mut self) {
        let limits = self.exchange.limits(self.worker.timeouts());
        self.deadlines.set_response(limits.until_end(self.exchange.started));
    }

    fn send(&mut self, cx: &mut Context<'_>, output: &[u8], plain: &[u8], filled: Filled) -> Result<Progress, RelayError> {
        self.downstream.send(cx, output, plain).map_err(|_| RelayError::Disconnected)?;
        self.upstream.peer.adapt_read_size(self.downstream, filled);
        if self.exchange.status == 101 { Ok(Progress::Upgraded) } else { Ok(Progress::Moved) }
    }

    /// Handles all complete heads in `input`. Returns their length if the final head was among them.
    fn read_heads(&mut self, input: &[u8], filled: Filled, output: &mut Vec<u8>) -> Result<Option<usize>, RelayError> {
        let mut used = 0;
        loop {
            let mut slots = self.worker.limits().slots();
            let (head, length) = match response::parse(&input[used..], &mut slots) {
                Parsed::Complete(head, length) => (head, length),
                Parsed::Partial if filled.ended => return Err(self.service_closed()),
                Parsed::Partial => {
                    self.upstream.peer.unread_partial(&input[used..]);
                    return Ok(None);
                }
                Parsed::Faulty(_) if speaks_http2(&input[used..]) => return Err(RelayError::SpeaksHttp2),
                Parsed::Faulty(fault) => return Err(RelayError::InvalidResponse(fault.why)),
            };
            used += length;
            if head.status == 101 {
                self.upgrade(&head, output)?;
                output.extend_from_slice(&input[used..]);
                self.exchange.bytes_out += (input.len() - used) as u64;
                return Ok(None);
            }
            if !head.is_interim() {
                self.retry(RetryCause::Status(head.status))?;
                self.write_final(&head, output);
                return Ok(Some(used));
            }
            self.interim(&head, output)?;
            if used == input.len() {
                return Ok(None);
            }
        }
    }

    fn interim(&mut self, head: &ResponseHead<'_, '_>, output: &mut Vec<u8>) -> Result<(), RelayError> {
        self.interims += 1;
        if self.interims > INTERIM_MAX {
            return Err(RelayError::InvalidResponse("too many interim responses"));
        }
        // HTTP/1.0 has no interim responses (RFC 9110, section 15.2).
        if self.exchange.version == Version::Http11 {
            write::response(output, head, Plan::bare(Persistence::Keep));
        }
        Ok(())
    }

    fn upgrade(&mut self, head: &ResponseHead<'_, '_>, output: &mut Vec<u8>) -> Result<(), RelayError> {
        let Some(protocol) = head.connectivity.upgrade.filter(|protocol| self.was_asked_for(protocol)) else {
            return Err(RelayError::InvalidResponse("the protocol was changed without being asked"));
        };
        if !self.is_request_sent() {
            return Err(RelayError::InvalidResponse("the protocol was changed within a request"));
        }
        self.exchange.answered(101, head.reason);
        write::response(output, head, Plan { upgrade: Some(protocol), ..Plan::bare(Persistence::Keep) });
        Ok(())
    }

    /// Whether the downstream has offered to switch to each of these protocols (RFC 9110, section 7.8). The
    /// offer is in the head that was sent to the service.
    fn was_asked_for(&self, protocols: &[u8]) -> bool {
        let mut room = Vec::new();
        let Some((asked, _)) = request::parse_written(&self.exchange.wire, &mut room) else { return false };
        let offered = asked.connectivity.upgrade.unwrap_or_default();
        let is_offered = |protocol: &[u8]| options(offered).any(|offer| offer.eq_ignore_ascii_case(protocol));
        self.exchange.wants_upgrade && options(protocols).all(is_offered)
    }

    /// Decides how to forward the final response, and writes its head.
    fn write_final(&mut self, head: &ResponseHead<'_, '_>, output: &mut Vec<u8>) {
        if let Some(announced) = head.connectivity.kept_for {
            self.worker.note_kept_for(announced);
        }
        let from = head.framing(self.exchange.asked);
        let asked = self.exchange.asked;
        let reusable = head.is_persistent() && from != Framing::UntilClose && !head.has_forbidden_body(asked);
        match decorate::after(self.worker.decorators(), self.exchange, (head.status, head.reason), head.fields) {
            Ok(edits) => self.pass_on(head, from, reusable, &edits, output),
            Err(answer) => self.replace(&answer, from, reusable, output),
        }
    }

    fn pass_on(&mut self, head: &ResponseHead<'_, '_>, from: Framing, reusable: bool, edits: &[Edit], output: &mut Vec<u8>) {
        let (framing, to) = match (from, self.exchange.version) {
            // Some clients expect no body, whatever the fields say, and a service must not send one (RFC
            // 9110, section 15.3.6). So the forwarded response has none and declares it.
            _ if head.status == 205 => (Framing::Length(0), To::Nothing),
            (Framing::Empty | Framing::Length(_), _) => (from, To::Plain),
            (Framing::Chunked | Framing::UntilClose, Version::Http11) => (Framing::Chunked, To::Chunks),
            (Framing::Chunked | Framing::UntilClose, Version::Http10) => (Framing::UntilClose, To::Plain),
        };
        self.persistence = self.persistence_of(framing);
        self.exchange.answered(head.status, head.reason);
        let upgrade = head.connectivity.upgrade.filter(|_| head.status == UPGRADE_REQUIRED);
        let (states_length, dates) = (head.status != 204, Some(&self.worker.dates));
        let plan = Plan { framing, states_length, persistence: self.persistence, upgrade, edits, dates };
        write::response(output, head, plan);
        let mut body = Body::new(from, to);
        if head.connectivity.names_others {
            body.drop_trailers();
        }
        self.response = ResponseProgress::Body { body, reusable };
    }

    fn replace(&mut self, answer: &Answer, from: Framing, reusable: bool, output: &mut Vec<u8>) {
        self.persistence = self.persistence_of(Framing::Empty);
        self.exchange.answered(answer.status, reason_of(answer.status));
        self.exchange.author = Author::Sitio;
        self.exchange.outcome = Outcome::Decorator;
        let body =
            if self.exchange.asked == ResponseTo::HeadOnly { write::BodyPresence::Withheld } else { write::BodyPresence::Sent };
        write::answer(output, answer, body, self.persistence);
        if body == write::BodyPresence::Sent {
            self.exchange.bytes_out += answer.body.len() as u64;
        }
        self.response = ResponseProgress::Body { body: Body::new(from, To::Nothing), reusable };
    }

    fn persistence_of(&self, framing: Framing) -> Persistence {
        let keeps = self.exchange.keep_alive == KeepAlive::Yes
            && framing != Framing::UntilClose
            && self.exchange.body.is_done()
            && !self.worker.is_draining();
        if keeps { write::keep_connection(self.exchange.version) } else { Persistence::Close }
    }

    /// Discards a response with a valid head and an invalid body. Neither has been sent yet.
    fn discard_response(&mut self, why: &'static str) -> RelayError {
        self.exchange.answered(0, "");
        self.exchange.bytes_out = 0;
        RelayError::InvalidResponse(why)
    }

    /// Moves bytes of the body to `output`, or returns those that need no copy.
    fn take_body<'b>(&mut self, input: &'b [u8], output: &mut Vec<u8>) -> Result<&'b [u8], Malformed> {
        let ResponseProgress::Body { body, reusable } = &mut self.response else { return Ok(&[]) };
        let before = body.bytes;
        let is_passed = !body.is_to_nothing();
        let carried = match body.carry(input, output) {
            Err(_) if !is_passed => BodyStep { consumed: input.len(), plain: &[] },
            carried => carried?,
        };
        if is_passed {
            self.exchange.bytes_out += body.bytes - before;
        }
        if body.is_done() {
            self.upstream.peer.unread(&input[carried.consumed..]);
            self.response = ResponseProgress::Complete { reusable: *reusable };
        } else if !is_passed {
            // A different response was sent, so the rest of the service's body is not awaited.
            self.response = ResponseProgress::Complete { reusable: false };
        }
        Ok(carried.plain)
    }

    /// The service has closed its sending half.
    fn end_by_close(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Progress, RelayError> {
        let ResponseProgress::Body { body, .. } = &mut self.response else { return Err(self.service_closed()) };
        if !body.ends_by_closing() {
            return Err(RelayError::ResponseAborted);
        }
        body.close(&mut scratch.output);
        self.response = ResponseProgress::Complete { reusable: false };
        self.downstream.send(cx, &scratch.output, &[]).map_err(|_| RelayError::Disconnected)?;
        Ok(Progress::Moved)
    }

    /// The service's connection ended before the response did.
    fn service_closed(&mut self) -> RelayError {
        let can_retry = self.upstream.origin == ConnectionOrigin::Pooled && self.exchange.repeatable == Repeatable::Yes;
        match self.response {
            ResponseProgress::Silent if can_retry => RelayError::StaleConnection,
            ResponseProgress::Silent | ResponseProgress::Begun => {
                self.retry(RetryCause::Reset).err().unwrap_or(RelayError::Reset)
            }
            ResponseProgress::Body { .. } | ResponseProgress::Complete { .. } => RelayError::ResponseAborted,
        }
    }
}
