//! Reads the head of a request and judges it by RFC 9112.

use mesh::trace::Traceparent;

use crate::head::fields::{Connectivity, Known, is_token, known, options};
use crate::head::response::Asked;
use crate::head::{FIELDS_MAX, Fault, Framing, HEAD_BYTES_MAX, Parsed, Slots, TARGET_BYTES_MAX, Version, lines_end_properly};

/// Bytes of a method; the vocabulary's own bound, so that whatever is carried can be named.
const METHOD_BYTES_MAX: usize = mesh::endpoint::METHOD_BYTES_MAX;

/// The head of a request, as decorators and the tunnel see it.
#[derive(Debug)]
pub struct RequestHead<'h, 'b> {
    /// The method, as it was sent.
    pub method: &'b str,
    /// The target in origin-form (`/path?query`), or `*`; only `?query` if an absolute-form had no path.
    pub target: &'b str,
    /// The authority of an absolute-form target, which stands above the Host field (RFC 9112, section 3.2.2).
    pub authority: Option<&'b str>,
    /// The version of the downstream.
    pub version: Version,
    /// All fields in their order.
    pub fields: &'h [httparse::Header<'b>],
    /// What they say about the connection.
    pub connectivity: Connectivity<'b>,
    /// How the body ends.
    pub framing: Framing,
}

impl<'b> RequestHead<'_, 'b> {
    /// The value of the first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The trace that the request belongs to. More than one is none (W3C Trace Context, section 3.2).
    pub fn traceparent(&self) -> Option<Traceparent> {
        let mut told = self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case("traceparent"));
        let only = told.next().filter(|_| told.next().is_none())?;
        Traceparent::parse(only.value)
    }

    /// Whether the downstream wants to keep the connection (RFC 9112, section 9.3).
    pub fn is_persistent(&self) -> bool {
        match self.version {
            Version::Http11 => !self.connectivity.close,
            Version::Http10 => self.connectivity.keep_alive && !self.connectivity.close,
        }
    }

    /// Whether doing it twice is as good as once (RFC 9110, section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }

    /// How many more stops the request may pass; only TRACE and OPTIONS count them (RFC 9110, section 7.6.2).
    pub fn forwards_left(&self) -> Option<u64> {
        if !matches!(self.method, "TRACE" | "OPTIONS") {
            return None;
        }
        let text = std::str::from_utf8(self.field("max-forwards")?).ok()?;
        Some(text.parse().unwrap_or(FORWARDS_MAX).min(FORWARDS_MAX))
    }
}

/// Max-Forwards that are counted; nothing is that far away (RFC 9110, section 7.6.2).
const FORWARDS_MAX: u64 = 255;

/// Reads a head from the beginning of `input`. Empty lines before it count as part of it (RFC 9112, section 2.2).
pub fn parse<'h, 'b>(input: &'b [u8], slots: &'h mut Slots<'b>) -> Parsed<RequestHead<'h, 'b>> {
    let skipped = match empty_lines(input) {
        Ok(skipped) => skipped,
        Err(fault) => return Parsed::Faulty(fault),
    };
    let head = &input[skipped..];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, slots) {
        Ok(httparse::Status::Complete(length)) if length > HEAD_BYTES_MAX => Parsed::Faulty(TOO_LARGE),
        Ok(httparse::Status::Complete(length)) => match judge(request, &head[..length]) {
            Ok(head) => Parsed::Complete(head, skipped + length),
            Err(fault) => Parsed::Faulty(fault),
        },
        Ok(httparse::Status::Partial) => partial(head),
        Err(httparse::Error::TooManyHeaders) => Parsed::Faulty(TOO_LARGE),
        // The parser gives a version up at its first wrong byte; which fault it is shows when the line is whole.
        Err(httparse::Error::Version) if memchr::memchr2(b'\r', b'\n', head).is_none() => partial(head),
        Err(error) => Parsed::Faulty(why(error, head)),
    }
}

/// What a head that cannot be read seems to ask for: an answer to HEAD must not have a body, even if it is a refusal.
pub fn asked(input: &[u8]) -> Asked {
    if input.trim_ascii_start().starts_with(b"HEAD ") { Asked::HeadOnly } else { Asked::Whole }
}

const TOO_LARGE: Fault = Fault { status: 431, why: "the head is over 64 KiB or 128 fields" };
const TOO_LONG: Fault = Fault { status: 414, why: "the target is over 16 KiB" };

/// Empty lines that are skipped before a request; some old clients send one after a body.
const EMPTY_LINES_MAX: usize = 4;

fn empty_lines(input: &[u8]) -> Result<usize, Fault> {
    let skipped = input.chunks_exact(2).take_while(|pair| pair == b"\r\n").count();
    match input.get(skipped * 2) {
        _ if skipped > EMPTY_LINES_MAX => Err(Fault::bad("only empty lines")),
        Some(b'\n') => Err(Fault::bad("a line ends in LF alone")),
        Some(b'\r') if input.len() > skipped * 2 + 1 => Err(Fault::bad("CR without LF")),
        _ => Ok(skipped * 2),
    }
}

/// Whether the beginning of a head is worth waiting for.
fn partial<T>(head: &[u8]) -> Parsed<T> {
    let line = memchr::memchr(b'\n', head);
    match line {
        None if head.len() > TARGET_BYTES_MAX + METHOD_BYTES_MAX + 16 => Parsed::Faulty(TOO_LONG),
        _ if head.len() >= HEAD_BYTES_MAX => Parsed::Faulty(TOO_LARGE),
        _ if !lines_end_properly(head) => Parsed::Faulty(Fault::bad("a line ends in LF alone")),
        _ => Parsed::Partial,
    }
}

fn why(error: httparse::Error, head: &[u8]) -> Fault {
    match error {
        httparse::Error::Version if has_version(head) => Fault { status: 505, why: "only HTTP/1.0 and HTTP/1.1 are spoken here" },
        httparse::Error::Version => Fault::bad("the request line does not end in a version"),
        httparse::Error::HeaderName => Fault::bad("a field name is malformed, folded or followed by a space"),
        httparse::Error::HeaderValue => Fault::bad("a field value holds a control character"),
        httparse::Error::NewLine => Fault::bad("a line does not end in CR LF"),
        httparse::Error::Token => Fault::bad("the request line is malformed"),
        _ => Fault::bad("the head is malformed"),
    }
}

/// Whether the first line is well-formed, but for a version that is not spoken.
fn has_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [_, _, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]] = parts[..] else { return false };
    major.is_ascii_digit() && minor.is_ascii_digit()
}

fn judge<'h, 'b>(request: httparse::Request<'h, 'b>, head: &'b [u8]) -> Result<RequestHead<'h, 'b>, Fault> {
    if !lines_end_properly(head) {
        return Err(Fault::bad("a line ends in LF alone"));
    }
    let missing = Fault::bad("the request line is malformed");
    let (method, path) = (request.method.ok_or(missing)?, request.path.ok_or(missing)?);
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    if method.len() > METHOD_BYTES_MAX || !method.bytes().all(is_token) {
        return Err(Fault { status: 501, why: "the method is not known here" });
    }
    if method == "CONNECT" {
        return Err(Fault { status: 501, why: "CONNECT is not served here" });
    }
    if path.len() > TARGET_BYTES_MAX {
        return Err(TOO_LONG);
    }
    let fields: &'h [httparse::Header<'b>] = request.headers;
    debug_assert!(fields.len() <= FIELDS_MAX);
    let mut connectivity = Connectivity::read(fields, version)?;
    connectivity.upgrade = connectivity.upgrade.filter(|protocols| !options(protocols).any(is_http));
    let (authority, target) = target(method, path)?;
    let head =
        RequestHead { method, target, authority, version, fields, framing: connectivity.framing(Framing::Empty), connectivity };
    check_host(&head)?;
    check_trace(&head)?;
    Ok(head)
}

/// Whether a protocol to change to is HTTP again. What is said in it would be requests that nobody judges,
/// so the offer is not passed on, as a server may decline any (RFC 9110, section 7.8; RFC 9113 has dropped `h2c`).
fn is_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
    [&b"h2c"[..], b"h2", b"HTTP"].iter().any(|http| name.eq_ignore_ascii_case(http))
}

/// Splits a target into the authority it names, if any, and its origin-form (RFC 9112, section 3.2).
fn target<'b>(method: &str, path: &'b str) -> Result<(Option<&'b str>, &'b str), Fault> {
    const BAD: Fault = Fault::bad("the target is neither a path, nor http://…, nor *");
    check_target(path)?;
    if path.starts_with('/') {
        return Ok((None, path));
    }
    if path == "*" {
        return if method == "OPTIONS" { Ok((None, path)) } else { Err(BAD) };
    }
    let (scheme, rest) = path.split_once("://").ok_or(BAD)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(BAD);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    // An http URI without a host must be refused (RFC 9110, section 4.2.1).
    if authority.is_empty() || !is_authority(authority.as_bytes()) {
        return Err(BAD);
    }
    match target.as_bytes().first() {
        Some(b'/' | b'?') => Ok((Some(authority), target)),
        // An absolute target with an empty path means the root, or the server as a whole (RFC 9112, section 3.2.4).
        _ => Ok((Some(authority), if method == "OPTIONS" { "*" } else { "/" })),
    }
}

/// No URI holds control characters, white space, letters over ASCII, or `"<>\^{|}` and the backtick (RFC 3986, section 2),
/// and correcting it in passing could lead past somebody's filter (RFC 9112, section 3.2). But browsers leave some of these
/// as they are, `|` everywhere and most in queries (URL Standard, section 1.3), and so do we.
pub(crate) fn check_target(target: &str) -> Result<(), Fault> {
    const IN_QUERY: &[u8] = b"\"#<>";
    const IN_PATH: &[u8] = b"\"#<>\\^`{}";
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let is_sound = |part: &str, never: &[u8]| part.bytes().all(|byte| byte.is_ascii_graphic() && !never.contains(&byte));
    if is_sound(path, IN_PATH) && is_sound(query, IN_QUERY) {
        return Ok(());
    }
    Err(Fault::bad("the target holds a character that must be percent-encoded"))
}

/// TRACE has no content, and what it and OPTIONS count down is one number (RFC 9110, sections 9.3.8 and 7.6.2).
pub(crate) fn check_trace(head: &RequestHead<'_, '_>) -> Result<(), Fault> {
    if head.method == "TRACE" && head.framing != Framing::Empty {
        return Err(Fault::bad("TRACE with content"));
    }
    let mut counts = head.fields.iter().filter(|field| known(field.name) == Known::MaxForwards);
    if !matches!(head.method, "TRACE" | "OPTIONS") {
        return Ok(());
    }
    let is_number = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let is_sound = counts.next().is_none_or(|field| is_number(field.value)) && counts.next().is_none();
    if is_sound { Ok(()) } else { Err(Fault::bad("Max-Forwards is no single number")) }
}

/// Exactly one Host in HTTP/1.1, at most one in HTTP/1.0, and a sensible one (RFC 9112, section 3.2).
fn check_host(head: &RequestHead<'_, '_>) -> Result<(), Fault> {
    match (head.connectivity.hosts(), head.version) {
        (1, _) => {}
        (0, Version::Http10) => return Ok(()),
        (0, Version::Http11) => return Err(Fault::bad("Host is missing")),
        _ => return Err(Fault::bad("more than one Host")),
    }
    if is_authority(head.field("host").unwrap_or_default()) { Ok(()) } else { Err(Fault::bad("Host is malformed")) }
}

/// `host[:port]`, without user and password (RFC 3986, section 3.2.2). Empty is allowed, but not a port alone.
fn is_authority(value: &[u8]) -> bool {
    let (host, port) = match value.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !value[colon..].contains(&b']') => (&value[..colon], Some(&value[colon + 1..])),
        _ => (value, None),
    };
    let is_port = port.is_none_or(|port| !host.is_empty() && port.len() <= 5 && port.iter().all(u8::is_ascii_digit));
    is_port && if let [b'[', inner @ .., b']'] = host { is_address(inner) } else { is_name(host) }
}

/// What stands between brackets: an IPv6 address, or one of a kind that is yet to be invented.
fn is_address(inner: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(inner) else { return false };
    let is_future = |(version, rest): (&str, &str)| {
        let number = version.strip_prefix(['v', 'V']).unwrap_or_default();
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte == b':' || is_plain(byte))
    };
    text.parse::<std::net::Ipv6Addr>().is_ok() || text.split_once('.').is_some_and(is_future)
}

/// A registered name or an IPv4 address. A comma is legal in it, but two fields that some other parser has joined look the same.
fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (byte, after) if is_plain(*byte) => after,
            _ => return false,
        };
    }
    true
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte)
}

#[cfg(test)]
mod tests;
