//! Parses the head of a request and validates it according to RFC 9112.

use std::borrow::Cow;

use mesh::exchange::PATH_BYTES_MAX;
use mesh::refusal::RefusalReason;
use mesh::trace::Traceparent;

use crate::head::fields::{Connectivity, KnownField, Sender, is_token, known};
use crate::head::response::ResponseTo;
use crate::head::{FieldSlots, Framing, HeadFault, HeadLimits, Parsed, Version, lines_end_properly};

pub(crate) mod target;

/// Bytes of a method. It equals the limit of the `mesh` crate, so that every forwarded method can be part of an endpoint.
const METHOD_BYTES_MAX: usize = mesh::endpoint::METHOD_BYTES_MAX;

/// The head of a request, as decorators and the proxy see it.
#[derive(Debug)]
pub struct RequestHead<'h, 'b> {
    /// The method, as received.
    pub method: &'b str,
    /// The target in origin-form (`/path?query`), or `*`. Only `?query` if an absolute-form had no path.
    pub target: &'b str,
    /// The authority of an absolute-form target, which takes precedence over the Host field (RFC 9112, section 3.2.2).
    pub authority: Option<&'b str>,
    /// The HTTP version of the downstream.
    pub version: Version,
    /// All fields in the order received.
    pub fields: &'h [httparse::Header<'b>],
    /// What the fields state about the connection.
    pub connectivity: Connectivity<'b>,
    /// How the body ends.
    pub framing: Framing,
}

impl<'b> RequestHead<'_, 'b> {
    /// The value of the first field with this name, case-insensitive.
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The trace context of the request. More than one field counts as none (W3C Trace Context, section 3.2).
    pub fn traceparent(&self) -> Option<Traceparent> {
        let mut reported = self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case("traceparent"));
        let only = reported.next().filter(|_| reported.next().is_none())?;
        Traceparent::parse(only.value)
    }

    /// Whether the downstream wants to keep the connection (RFC 9112, section 9.3).
    pub fn is_persistent(&self) -> bool {
        match self.version {
            Version::Http11 => !self.connectivity.close,
            Version::Http10 => self.connectivity.keep_alive && !self.connectivity.close,
        }
    }

    /// Whether sending the request twice has the same effect as once (RFC 9110, section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }

    /// The remaining number of proxies the request may pass. Only TRACE and OPTIONS have one (RFC 9110, section 7.6.2).
    pub fn forwards_left(&self) -> Option<u64> {
        if !matches!(self.method, "TRACE" | "OPTIONS") {
            return None;
        }
        let text = std::str::from_utf8(self.field("max-forwards")?).ok()?;
        Some(text.parse().unwrap_or(FORWARDS_MAX).min(FORWARDS_MAX))
    }
}

/// The largest counted Max-Forwards. No path has more proxies (RFC 9110, section 7.6.2).
const FORWARDS_MAX: u64 = 255;

/// Parses a head from the start of `input`. Empty lines before it are counted as part of it (RFC 9112, section 2.2).
pub fn parse<'h, 'b>(input: &'b [u8], slots: &'h mut FieldSlots<'b>) -> Parsed<RequestHead<'h, 'b>> {
    let skipped = match empty_lines(input) {
        Ok(skipped) => skipped,
        Err(fault) => return Parsed::Faulty(fault),
    };
    let head = &input[skipped..];
    let (room, _, limits) = slots.all();
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, room) {
        Ok(httparse::Status::Complete(length)) if length > limits.head_bytes => Parsed::Faulty(excess(head, limits)),
        Ok(httparse::Status::Complete(length)) => match judge(request, &head[..length], limits.target_bytes) {
            Ok(head) => Parsed::Complete(head, skipped + length),
            Err(fault) => Parsed::Faulty(fault),
        },
        Ok(httparse::Status::Partial) => partial(head, limits),
        Err(httparse::Error::TooManyHeaders) => Parsed::Faulty(excess(head, limits)),
        // The parser rejects a version at its first wrong byte. The exact fault is known only when the line is complete.
        Err(httparse::Error::Version) if memchr::memchr2(b'\r', b'\n', head).is_none() => partial(head, limits),
        Err(error) => Parsed::Faulty(why(error, head)),
    }
}

/// Parses the request that [`crate::head::write::request`] has written. The limits applied to what the downstream sent; the
/// fields that the sidecar adds may exceed them.
pub fn parse_written<'h, 'b>(written: &'b [u8], room: &'h mut Vec<httparse::Header<'b>>) -> Option<(RequestHead<'h, 'b>, usize)> {
    let length = memchr::memmem::find(written, b"\r\n\r\n")? + 4;
    let head = &written[..length];
    room.resize(memchr::memchr_iter(b'\n', head).count(), httparse::EMPTY_HEADER);
    let mut request = httparse::Request::new(room);
    request.parse(head).ok().filter(httparse::Status::is_complete)?;
    Some((judge(request, head, usize::MAX).ok()?, length))
}

/// The kind of response an invalid head seems to ask for. A response to HEAD must not have a body, not even
/// an error response.
pub fn asked(input: &[u8]) -> ResponseTo {
    if input.trim_ascii_start().starts_with(b"HEAD ") { ResponseTo::HeadOnly } else { ResponseTo::Whole }
}

/// The path that an invalid head seems to ask for, for the log.
pub fn guess_path(input: &[u8]) -> Cow<'_, str> {
    let line = input.trim_ascii_start().split(|byte| b"\r\n".contains(byte)).next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    String::from_utf8_lossy(&path[..path.len().min(PATH_BYTES_MAX)])
}

pub(crate) const TOO_LARGE: HeadFault = HeadFault {
    status: 431,
    reason: RefusalReason::TooLarge,
    why: "the head has more bytes than SITIO_HEAD_BYTES_MAX or more fields than SITIO_FIELDS_MAX",
};
pub(crate) const TOO_LONG: HeadFault =
    HeadFault { status: 414, reason: RefusalReason::TargetTooLong, why: "the target has more bytes than SITIO_TARGET_BYTES_MAX" };
pub(crate) const UNKNOWN_METHOD: HeadFault =
    HeadFault { status: 501, reason: RefusalReason::Method, why: "the method is not known here" };
pub(crate) const NO_CONNECT: HeadFault =
    HeadFault { status: 501, reason: RefusalReason::Method, why: "CONNECT is not served here" };
const BARE_LF: HeadFault = HeadFault::bad(RefusalReason::Field, "a line ends in LF alone");

/// Empty lines that are skipped before a request. Some old clients send one after a body.
const EMPTY_LINES_MAX: usize = 4;

fn empty_lines(input: &[u8]) -> Result<usize, HeadFault> {
    let skipped = input.chunks_exact(2).take_while(|pair| pair == b"\r\n").count();
    match input.get(skipped * 2) {
        _ if skipped > EMPTY_LINES_MAX => Err(HeadFault::bad(RefusalReason::RequestLine, "only empty lines")),
        Some(b'\n') => Err(BARE_LF),
        Some(b'\r') if input.len() > skipped * 2 + 1 => Err(HeadFault::bad(RefusalReason::RequestLine, "CR without LF")),
        _ => Ok(skipped * 2),
    }
}

/// The fault of a head over the limits. It is the target's if that is too long, however the bytes arrive.
fn excess(head: &[u8], limits: HeadLimits) -> HeadFault {
    if has_long_target(head, limits) { TOO_LONG } else { TOO_LARGE }
}

/// Whether the first line, which need not be whole, is too long for any target within the limit.
fn has_long_target(head: &[u8], limits: HeadLimits) -> bool {
    memchr::memchr(b'\n', head).unwrap_or(head.len()) > limits.target_bytes + METHOD_BYTES_MAX + 16
}

/// Decides whether to wait for the rest of an incomplete head.
fn partial<T>(head: &[u8], limits: HeadLimits) -> Parsed<T> {
    if has_long_target(head, limits) || head.len() >= limits.head_bytes {
        Parsed::Faulty(excess(head, limits))
    } else if !lines_end_properly(head) {
        Parsed::Faulty(BARE_LF)
    } else {
        Parsed::Partial
    }
}

fn why(error: httparse::Error, head: &[u8]) -> HeadFault {
    use RefusalReason::{Field, RequestLine, Target, Version};
    match error {
        httparse::Error::Version if has_version(head) => {
            HeadFault { status: 505, reason: Version, why: "only HTTP/1.0 and HTTP/1.1 are spoken here" }
        }
        httparse::Error::Version => HeadFault::bad(Version, "the request line does not end in a version"),
        httparse::Error::HeaderName => HeadFault::bad(Field, "a field name is malformed, folded or followed by a space"),
        httparse::Error::HeaderValue => HeadFault::bad(Field, "a field value holds a control character"),
        httparse::Error::NewLine => HeadFault::bad(Field, "a line does not end in CR LF"),
        httparse::Error::Token if has_other_target(head) => HeadFault::bad(Target, "the target is no UTF-8"),
        httparse::Error::Token => HeadFault::bad(RequestLine, "the request line is malformed"),
        _ => HeadFault::bad(Field, "the head is malformed"),
    }
}

/// Whether the parser failed because the target is not UTF-8.
fn has_other_target(head: &[u8]) -> bool {
    let target = head.split(|byte| b" \r\n".contains(byte)).nth(1).unwrap_or_default();
    std::str::from_utf8(target).is_err()
}

/// Whether the first line is well-formed except for an unsupported version.
fn has_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [_, _, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]] = parts[..] else { return false };
    major.is_ascii_digit() && minor.is_ascii_digit()
}

fn judge<'h, 'b>(
    request: httparse::Request<'h, 'b>,
    head: &'b [u8],
    target_bytes_max: usize,
) -> Result<RequestHead<'h, 'b>, HeadFault> {
    if !lines_end_properly(head) {
        return Err(BARE_LF);
    }
    let missing = HeadFault::bad(RefusalReason::RequestLine, "the request line is malformed");
    let (method, path) = (request.method.ok_or(missing)?, request.path.ok_or(missing)?);
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    if method.len() > METHOD_BYTES_MAX || !method.bytes().all(is_token) {
        return Err(UNKNOWN_METHOD);
    }
    if method == "CONNECT" {
        return Err(NO_CONNECT);
    }
    if path.len() > target_bytes_max {
        return Err(TOO_LONG);
    }
    let fields: &'h [httparse::Header<'b>] = request.headers;
    let connectivity = Connectivity::read(fields, version, Sender::Client)?;
    let (authority, target) = target::split(method, path)?;
    let head =
        RequestHead { method, target, authority, version, fields, framing: connectivity.framing(Framing::Empty), connectivity };
    check_host(&head)?;
    check_trace(&head)?;
    Ok(head)
}

/// Checks that TRACE has no content, and that Max-Forwards of TRACE and OPTIONS is one number (RFC 9110,
/// sections 9.3.8 and 7.6.2).
pub(crate) fn check_trace(head: &RequestHead<'_, '_>) -> Result<(), HeadFault> {
    if head.method == "TRACE" && head.framing != Framing::Empty {
        return Err(HeadFault::bad(RefusalReason::Framing, "TRACE with content"));
    }
    let mut counts = head.fields.iter().filter(|field| known(field.name) == KnownField::MaxForwards);
    if !matches!(head.method, "TRACE" | "OPTIONS") {
        return Ok(());
    }
    let is_number = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let is_sound = counts.next().is_none_or(|field| is_number(field.value)) && counts.next().is_none();
    if is_sound { Ok(()) } else { Err(HeadFault::bad(RefusalReason::Field, "Max-Forwards is no single number")) }
}

/// Requires exactly one Host in HTTP/1.1, at most one in HTTP/1.0, and a valid one (RFC 9112, section 3.2).
pub(crate) fn check_host(head: &RequestHead<'_, '_>) -> Result<(), HeadFault> {
    match (head.connectivity.hosts(), head.version) {
        (1, _) => {}
        (0, Version::Http10) => return Ok(()),
        (0, Version::Http11) => return Err(HeadFault::bad(RefusalReason::Host, "Host is missing")),
        _ => return Err(HeadFault::bad(RefusalReason::Host, "more than one Host")),
    }
    if target::is_authority(head.field("host").unwrap_or_default()) {
        Ok(())
    } else {
        Err(HeadFault::bad(RefusalReason::Host, "Host is malformed"))
    }
}

#[cfg(test)]
mod tests;
