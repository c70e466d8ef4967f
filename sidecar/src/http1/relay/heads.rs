//! Parses the heads of the service's response, and writes them for the downstream.

use mesh::exchange::Outcome;

use crate::body::{Body, To};
use crate::decorator::Verdict;
use crate::exchange::{Keeps, decorators};
use crate::head::answer::{Answer, Edit, reason_of};
use crate::head::fields::options;
use crate::head::response::{ResponseHead, ResponseTo};
use crate::head::write::{Persistence, Plan};
use crate::head::{Framing, Parsed, Version, request, response, write};
use crate::http1::relay::{Relay, RelayOutcome, ResponseProgress};
use crate::recorder::completed_exchange::Author;
use crate::socket::buffered_conn::Filled;

/// Interim responses forwarded per request. Two are usual: 100 and 103.
const INTERIM_MAX: usize = 32;

/// The only response besides 101 that must name the protocols to switch to (RFC 9110, section 15.5.22).
const UPGRADE_REQUIRED: u16 = 426;

impl Relay<'_> {
    /// Handles all complete heads in `input`. Returns their length if the final head was among them.
    pub(super) fn take_heads(
        &mut self,
        input: &[u8],
        filled: Filled,
        output: &mut Vec<u8>,
    ) -> Result<Option<usize>, RelayOutcome> {
        let mut used = 0;
        loop {
            let mut slots = self.worker.limits().slots();
            let (head, length) = match response::parse(&input[used..], &mut slots) {
                Parsed::Complete(head, length) => (head, length),
                Parsed::Partial if filled.ended => return Err(self.broke_off()),
                Parsed::Partial => {
                    self.upstream.peer.keep_partial(&input[used..]);
                    return Ok(None);
                }
                Parsed::Faulty(fault) => return Err(RelayOutcome::Unintelligible(fault.why)),
            };
            used += length;
            if head.status == 101 {
                self.upgrade(&head, output)?;
                output.extend_from_slice(&input[used..]);
                self.exchange.bytes_out += (input.len() - used) as u64;
                return Ok(None);
            }
            if !head.is_interim() {
                self.take_final(&head, output);
                return Ok(Some(used));
            }
            self.interim(&head, output)?;
            if used == input.len() {
                return Ok(None);
            }
        }
    }

    fn interim(&mut self, head: &ResponseHead<'_, '_>, output: &mut Vec<u8>) -> Result<(), RelayOutcome> {
        self.interims += 1;
        if self.interims > INTERIM_MAX {
            return Err(RelayOutcome::Unintelligible("too many interim responses"));
        }
        // HTTP/1.0 has no interim responses (RFC 9110, section 15.2).
        if self.exchange.version == Version::Http11 {
            write::response(output, head, Plan::bare(Persistence::Keep));
        }
        Ok(())
    }

    fn upgrade(&mut self, head: &ResponseHead<'_, '_>, output: &mut Vec<u8>) -> Result<(), RelayOutcome> {
        let Some(protocol) = head.connectivity.upgrade.filter(|protocol| self.was_asked_for(protocol)) else {
            return Err(RelayOutcome::Unintelligible("the protocol was changed without being asked"));
        };
        if !self.is_request_through() {
            return Err(RelayOutcome::Unintelligible("the protocol was changed within a request"));
        }
        self.exchange.answered(101, head.reason);
        write::response(output, head, Plan { upgrade: Some(protocol), ..Plan::bare(Persistence::Keep) });
        Ok(())
    }

    /// Whether the downstream has offered to switch to each of these protocols (RFC 9110, section 7.8). The
    /// offer is in the head that was sent to the service.
    fn was_asked_for(&self, protocols: &[u8]) -> bool {
        let mut slots = self.worker.limits().slots();
        let Parsed::Complete(asked, _) = request::parse(&self.exchange.wire, &mut slots) else { return false };
        let offered = asked.connectivity.upgrade.unwrap_or_default();
        let is_offered = |protocol: &[u8]| options(offered).any(|offer| offer.eq_ignore_ascii_case(protocol));
        self.exchange.wants_upgrade && options(protocols).all(is_offered)
    }

    /// Decides how to forward the final response, and writes its head.
    fn take_final(&mut self, head: &ResponseHead<'_, '_>, output: &mut Vec<u8>) {
        if let Some(announced) = head.connectivity.kept_for {
            self.worker.note_kept_for(announced);
        }
        let from = head.framing(self.exchange.asked);
        let asked = self.exchange.asked;
        let reusable = head.is_persistent() && from != Framing::UntilClose && !head.announces_in_vain(asked);
        match decorators::after(self.worker, &self.exchange.endpoint, head) {
            Verdict::Keep => self.pass_on(head, from, reusable, &[], output),
            Verdict::Edit(edits) => self.pass_on(head, from, reusable, &edits, output),
            Verdict::Replace(answer) => self.replace(&answer, from, reusable, output),
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
        let (tells_length, dates) = (head.status != 204, Some(&self.worker.dates));
        let plan = Plan { framing, tells_length, persistence: self.persistence, upgrade, edits, dates };
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
        let keeps = self.exchange.keeps == Keeps::Yes
            && framing != Framing::UntilClose
            && self.exchange.body.is_done()
            && !self.worker.is_draining();
        if keeps { write::kept(self.exchange.version) } else { Persistence::Close }
    }
}
