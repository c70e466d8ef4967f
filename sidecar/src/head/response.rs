//! Parses the head of a service's response: accepts what has one meaning, and repairs what RFC 9112 allows to.

use mesh::refusal::RefusalReason;

use crate::head::fields::{Connectivity, Sender};
use crate::head::{FieldSlots, Framing, HeadFault, HeadLimits, Parsed, Version};

/// Replaces control characters during parsing, because `httparse` refuses them. `httparse` accepts this non-ASCII byte in a value but not in
/// a name, and drops a reason phrase that contains it.
const STAND_IN: u8 = 0x80;

/// Interim responses forwarded per request. Two are usual: 100 and 103.
pub const INTERIM_MAX: usize = 32;

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead<'h, 'b> {
    /// The status, 100 to 999. A status of 600 or more counts as a 5xx (RFC 9110, section 15).
    pub status: u16,
    /// The reason phrase, often empty.
    pub reason: &'b str,
    /// The HTTP version of the service.
    pub version: Version,
    /// All fields in the order received.
    pub fields: &'h [httparse::Header<'b>],
    /// What the fields state about the connection.
    pub connectivity: Connectivity<'b>,
    /// Whether values contain line folds.
    pub folds: LineFolding,
}

/// Whether field values are folded over several lines. The proxy replaces a fold by spaces when it forwards
/// the head (RFC 9112, section 5.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineFolding {
    /// No value is folded.
    #[default]
    None,
    /// Some values are folded.
    Some,
}

/// Whether the request was a HEAD, whose response never has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseTo {
    /// HEAD.
    HeadOnly,
    /// Any other method.
    Whole,
}

impl ResponseHead<'_, '_> {
    /// How the body ends (RFC 9112, section 6.3).
    pub fn framing(&self, asked: ResponseTo) -> Framing {
        if asked == ResponseTo::HeadOnly || self.is_interim() || self.status == 204 || self.status == 304 {
            return Framing::Empty;
        }
        self.connectivity.framing(Framing::UntilClose)
    }

    /// Whether the status or method excludes a body although the fields announce one. A service that
    /// ignores the rule sends the body anyway, perhaps late. The next exchange on the connection would read
    /// it as its response.
    pub fn has_forbidden_body(&self, asked: ResponseTo) -> bool {
        match (asked, self.status) {
            (ResponseTo::HeadOnly, _) => self.connectivity.framing(Framing::UntilClose) != Framing::Empty,
            (ResponseTo::Whole, 204 | 304) => self.connectivity.framing(Framing::Empty) != Framing::Empty,
            (ResponseTo::Whole, _) => false,
        }
    }

    /// Whether another head follows for the same request (RFC 9110, section 15.2).
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// Whether the service keeps the connection.
    pub fn is_persistent(&self) -> bool {
        match self.version {
            // `identity` is present next to a length, and services disagree on which of the two counts.
            _ if self.connectivity.names_identity => false,
            Version::Http11 => !self.connectivity.close,
            Version::Http10 => self.connectivity.keep_alive && !self.connectivity.close,
        }
    }
}

/// Parses a head from the start of `input`.
///
/// Lines may end in LF (RFC 9112, section 2.2). White space before a colon is removed (section 5.1), and
/// folds are replaced (section 5.2). Values may contain control characters except CR, LF and NUL (RFC 9110,
/// section 5.5).
pub fn parse<'h, 'b>(input: &'b [u8], slots: &'h mut FieldSlots<'b>) -> Parsed<ResponseHead<'h, 'b>> {
    // `httparse` skips empty lines here too, but nothing may precede a status line.
    if matches!(input.first(), Some(b'\r' | b'\n')) {
        return Parsed::Faulty(wrong("an empty line before the status line"));
    }
    let (room, restored, limits) = slots.all();
    let mut response = httparse::Response::new(&mut []);
    match lenient().parse_response_with_uninit_headers(&mut response, input, room) {
        Ok(httparse::Status::Complete(length)) => {
            let (code, version, reason) = (response.code, response.version, response.reason.unwrap_or_default());
            judge(StatusLine { code, version, reason }, response.headers, &input[..length], limits)
        }
        Ok(httparse::Status::Partial) => partial(input, limits),
        Err(httparse::Error::HeaderValue | httparse::Error::Status) => parse_with_controls(input, restored, limits),
        Err(error) => Parsed::Faulty(why(error)),
    }
}

/// Parses a copy in which the control characters are replaced, then takes the values from the original bytes.
///
/// A recipient may keep control characters except CR, LF and NUL (RFC 9110, section 5.5): none of the others ends a line.
fn parse_with_controls<'h, 'b>(
    input: &'b [u8],
    restored: &'h mut Vec<httparse::Header<'b>>,
    limits: HeadLimits,
) -> Parsed<ResponseHead<'h, 'b>> {
    let looked_at = &input[..input.len().min(limits.head_bytes)];
    let copy: Vec<u8> = looked_at.iter().map(|byte| if is_retained(*byte) { STAND_IN } else { *byte }).collect();
    let mut slots = limits.slots();
    let (room, _, _) = slots.all();
    let mut response = httparse::Response::new(&mut []);
    let length = match lenient().parse_response_with_uninit_headers(&mut response, &copy, room) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return partial(input, limits),
        Err(error) => return Parsed::Faulty(why(error)),
    };
    let original = |part: &[u8]| {
        let from = (part.as_ptr() as usize).checked_sub(copy.as_ptr() as usize)?;
        input.get(from..from + part.len())
    };
    restored.clear();
    for header in &*response.headers {
        let name = original(header.name.as_bytes()).and_then(|name| std::str::from_utf8(name).ok());
        let (Some(name), Some(value)) = (name, original(header.value)) else {
            return Parsed::Faulty(wrong("the head is malformed"));
        };
        restored.push(httparse::Header { name, value });
    }
    let reason = response.reason.filter(|reason| !reason.is_empty()).and_then(|reason| original(reason.as_bytes()));
    let reason = reason.and_then(|reason| std::str::from_utf8(reason).ok()).unwrap_or_default();
    judge(StatusLine { code: response.code, version: response.version, reason }, restored, &input[..length], limits)
}

fn is_retained(byte: u8) -> bool {
    byte.is_ascii_control() && !b"\0\t\r\n".contains(&byte)
}

fn lenient() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
    config
}

fn partial<T>(input: &[u8], limits: HeadLimits) -> Parsed<T> {
    if input.len() >= limits.head_bytes { Parsed::Faulty(TOO_LARGE) } else { Parsed::Partial }
}

fn why(error: httparse::Error) -> HeadFault {
    match error {
        httparse::Error::TooManyHeaders => wrong("the head has more fields than SITIO_FIELDS_MAX"),
        _ => wrong("the head is malformed"),
    }
}

const TOO_LARGE: HeadFault = wrong("the head has more bytes than SITIO_HEAD_BYTES_MAX");

/// A fault of the service. It is counted by the status of the exchange.
const fn wrong(why: &'static str) -> HeadFault {
    HeadFault::bad(RefusalReason::Field, why)
}

/// The parsed status line.
struct StatusLine<'b> {
    code: Option<u16>,
    version: Option<u8>,
    reason: &'b str,
}

fn judge<'h, 'b>(
    line: StatusLine<'b>,
    fields: &'h [httparse::Header<'b>],
    head: &[u8],
    limits: HeadLimits,
) -> Parsed<ResponseHead<'h, 'b>> {
    let length = head.len();
    if length > limits.head_bytes {
        return Parsed::Faulty(TOO_LARGE);
    }
    let version = if line.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let Some(status) = line.code.filter(|status| *status >= 100) else {
        return Parsed::Faulty(wrong("the status is not 100 to 999"));
    };
    match Connectivity::read(fields, version, Sender::Service) {
        Ok(connectivity) => {
            let head = ResponseHead { status, reason: line.reason, version, fields, connectivity, folds: folds(head) };
            Parsed::Complete(head, length)
        }
        Err(fault) => Parsed::Faulty(fault),
    }
}

/// Detects lines that begin with white space, which continue the line before.
fn folds(head: &[u8]) -> LineFolding {
    let mut ends = memchr::memchr_iter(b'\n', head);
    if ends.any(|at| matches!(head.get(at + 1), Some(b' ' | b'\t'))) { LineFolding::Some } else { LineFolding::None }
}

#[cfg(test)]
mod tests;
