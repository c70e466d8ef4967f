//! Writes the heads the proxy sends: end-to-end fields unchanged, framing and connection fields rebuilt.

use std::borrow::Cow;

use httparse::Header;

use crate::head::answer::{Answer, Edit, reason_of};
use crate::head::date::DateCache;
use crate::head::fields::{KnownField, is_named, is_token, known};
use crate::head::request::RequestHead;
use crate::head::response::{LineFolding, ResponseHead};
use crate::head::{Framing, Version};

/// What the response states about the downstream connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1: kept without a Connection field.
    Keep,
    /// HTTP/1.0: kept, which needs a Connection field.
    KeepAlive,
    /// Closed after this response.
    Close,
}

/// Lines that the sidecar adds to a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Added<'a> {
    /// Whole lines, each with its CR LF.
    pub lines: [&'a str; 2],
    /// How to treat the client's `X-Forwarded-Proto`.
    pub forwarded_proto: ForwardedProto,
    /// The edits of decorators.
    pub edits: &'a [Edit],
}

/// How to treat a client's `X-Forwarded-Proto`. It has one value and readers use the first, so a second
/// line would have no effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedProto {
    /// Forwarded unchanged.
    #[default]
    Passed,
    /// Dropped; the added lines contain the sidecar's own.
    Replaced,
}

/// Appends a request as the upstream should read it. `host` is the Host for an HTTP/1.0 request without one.
pub fn request(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, host: &str, added: Added<'_>) {
    let root: &[u8] = if head.target.starts_with('?') { b"/" } else { b"" };
    line(out, &[head.method.as_bytes(), b" ", root, head.target.as_bytes(), b" HTTP/1.1"]);
    if let Some(authority) = head.authority {
        field(out, "Host", authority.as_bytes());
    } else if head.connectivity.hosts() == 0 {
        field(out, "Host", host.as_bytes());
    }
    for header in head.fields {
        if added.edits.iter().any(|edit| edit.takes_away(header.name) && is_editable(edit)) {
            continue;
        }
        match known(header.name) {
            KnownField::Host if head.authority.is_none() => field(out, header.name, header.value),
            // HTTP/1.0 has no expectations, and a server must ignore one (RFC 9110, section 10.1.1).
            KnownField::Expect if head.version == Version::Http10 => {}
            KnownField::MaxForwards if head.forwards_left().is_some() => {}
            KnownField::ForwardedProto if added.forwarded_proto == ForwardedProto::Replaced => {}
            known
                if (known.is_end_to_end() || known == KnownField::Ours)
                    && !(head.connectivity.names_others && is_named(head.fields, header.name)) =>
            {
                field(out, header.name, header.value);
            }
            _ => {}
        }
    }
    for lines in added.lines {
        out.extend_from_slice(lines.as_bytes());
    }
    for (name, value) in added.edits.iter().filter_map(Edit::written) {
        own_field(out, name, value);
    }
    if let Some(left) = head.forwards_left() {
        let mut digits = [0_u8; 20];
        field(out, "Max-Forwards", decimal(left.saturating_sub(1), &mut digits));
    }
    match (head.framing, head.connectivity.length()) {
        // The request announced an empty body. Some services answer 411 to a POST without a length (RFC
        // 9110, section 8.6).
        (Framing::Empty, Some(length)) => content_length(out, length),
        (framing, _) => self::framing(out, framing),
    }
    match (head.connectivity.upgrade, head.connectivity.takes_trailers) {
        (Some(protocol), _) => {
            field(out, "Connection", b"upgrade");
            field(out, "Upgrade", protocol);
        }
        (None, true) => {
            field(out, "Connection", b"TE");
            field(out, "TE", b"trailers");
        }
        (None, false) => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// Adds fields to a request that was written, whatever follows its head.
pub fn add_fields(request: &mut Vec<u8>, fields: &[(Cow<'static, str>, Cow<'static, str>)]) {
    let Some(end) = memchr::memchr(b'\n', request).filter(|_| !fields.is_empty()) else { return };
    let mut lines = Vec::new();
    for (name, value) in fields {
        own_field(&mut lines, name, value);
    }
    request.splice(end + 1..=end, lines);
}

/// Appends a response as the downstream should read it, with the edits of decorators.
pub fn response(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, plan: Plan<'_>) {
    let digits = digits(head.status);
    line(out, &[b"HTTP/1.1 ", &digits, b" ", head.reason.as_bytes()]);
    let mut is_dated = false;
    for header in head.fields {
        if passes(head, header) && !plan.edits.iter().any(|edit| edit.takes_away(header.name)) {
            is_dated |= known(header.name) == KnownField::Date;
            match head.folds {
                LineFolding::None => field(out, header.name, header.value),
                LineFolding::Some => unfolded_field(out, header.name, header.value),
            }
        }
    }
    for (name, value) in plan.edits.iter().filter_map(Edit::written) {
        is_dated |= known(name) == KnownField::Date;
        own_field(out, name, value);
    }
    if let Some(dates) = plan.dates.filter(|_| !is_dated) {
        out.extend_from_slice(b"Date: ");
        dates.append(out);
        out.extend_from_slice(b"\r\n");
    }
    match (plan.framing, head.connectivity.length()) {
        // No body follows, but its length may be stated (RFC 9110, section 8.6).
        (Framing::Empty, Some(length)) if plan.states_length => content_length(out, length),
        (framing, _) => self::framing(out, framing),
    }
    persistence(out, plan.persistence);
    if let Some(protocol) = plan.upgrade {
        field(out, "Connection", b"upgrade");
        field(out, "Upgrade", protocol);
    }
    out.extend_from_slice(b"\r\n");
}

/// How a response is sent to the downstream.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// How the body ends on the downstream side.
    pub framing: Framing,
    /// Whether a Content-Length without a body has a meaning: an empty body, or the response to a HEAD.
    pub states_length: bool,
    /// Whether the connection is kept.
    pub persistence: Persistence,
    /// The protocol to which the connection switches.
    pub upgrade: Option<&'a [u8]>,
    /// The edits of decorators.
    pub edits: &'a [Edit],
    /// The date for a response without a Date field.
    pub dates: Option<&'a DateCache>,
}

impl Plan<'_> {
    /// A head without a body, as for interim responses.
    pub fn bare(persistence: Persistence) -> Self {
        Self { framing: Framing::Empty, states_length: false, persistence, upgrade: None, edits: &[], dates: None }
    }
}

/// Appends one of the sidecar's own responses, with its body unless only the head was requested.
pub fn answer(out: &mut Vec<u8>, answer: &Answer, body: BodyPresence, reported: Persistence) {
    let digits = digits(answer.status);
    line(out, &[b"HTTP/1.1 ", &digits, b" ", reason_of(answer.status).as_bytes()]);
    for (name, value) in &answer.fields {
        own_field(out, name, value);
    }
    field(out, "Date", httpdate::fmt_http_date(std::time::SystemTime::now()).as_bytes());
    field(out, "Content-Length", answer.body.len().to_string().as_bytes());
    persistence(out, reported);
    out.extend_from_slice(b"\r\n");
    if body == BodyPresence::Sent {
        out.extend_from_slice(&answer.body);
    }
}

/// Whether the body of a response is sent after its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPresence {
    /// The body is sent.
    Sent,
    /// The body is omitted: the request was a HEAD.
    Withheld,
}

fn passes(head: &ResponseHead<'_, '_>, header: &Header<'_>) -> bool {
    match known(header.name) {
        KnownField::Host => true,
        known => known.is_end_to_end() && !(head.connectivity.names_others && is_named(head.fields, header.name)),
    }
}

fn persistence(out: &mut Vec<u8>, persistence: Persistence) {
    match persistence {
        Persistence::Keep => {}
        Persistence::KeepAlive => field(out, "Connection", b"keep-alive"),
        Persistence::Close => field(out, "Connection", b"close"),
    }
}

fn framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Empty | Framing::UntilClose => {}
        Framing::Length(bytes) => content_length(out, bytes),
        Framing::Chunked => field(out, "Transfer-Encoding", b"chunked"),
    }
}

fn content_length(out: &mut Vec<u8>, bytes: u64) {
    let mut digits = [0_u8; 20];
    field(out, "Content-Length", decimal(bytes, &mut digits));
}

/// Formats a number without an allocation.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

fn digits(status: u16) -> [u8; 3] {
    [b'0' + (status / 100 % 10) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8]
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    line(out, &[name.as_bytes(), b": ", value]);
}

/// Writes a field and replaces its line folds by spaces (RFC 9112, section 5.2).
fn unfolded_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
    out.extend_from_slice(b"\r\n");
}

/// Writes a field created by the sidecar's code. A field that would corrupt the message is skipped.
fn own_field(out: &mut Vec<u8>, name: &str, value: &str) {
    if is_sendable(name, value) {
        field(out, name, value.as_bytes());
    }
}

/// Whether a field created by the sidecar's code, or by a decorator, keeps the message intact.
pub fn is_sendable(name: &str, value: &str) -> bool {
    let is_sound = !name.is_empty() && name.bytes().all(is_token) && !value.bytes().any(|byte| byte < b' ' || byte == 0x7f);
    is_sound && (known(name).is_end_to_end() || known(name) == KnownField::Ours)
}

/// Whether an edit keeps the message intact. Any other is skipped.
pub fn is_editable(edit: &Edit) -> bool {
    let (name, value) = edit.written().unwrap_or((edit.name(), ""));
    is_sendable(name, value)
}

/// The persistence to state to a downstream of this version if its connection is kept.
pub fn keep_connection(version: Version) -> Persistence {
    match version {
        Version::Http10 => Persistence::KeepAlive,
        Version::Http11 => Persistence::Keep,
    }
}
