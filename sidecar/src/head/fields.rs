//! Header fields that concern the connection rather than the message, and their meaning.

use std::time::Duration;

use mesh::refusal::RefusalReason;

use crate::head::{Framing, HeadFault, Version};

/// The largest accepted Content-Length. No connection ever carried more bytes.
const CONTENT_LENGTH_MAX: u64 = i64::MAX as u64;

/// Fields that the proxy itself reads or rebuilds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownField {
    /// Concerns this connection only, and names other fields that do (RFC 9110, section 7.6.1).
    Connection,
    /// `Keep-Alive`: concerns this connection only, and may state how long an idle connection is kept.
    KeepAlive,
    /// `Proxy-Connection`: concerns this connection only.
    HopByHop,
    /// `TE`: the transfer codings that the sender accepts. Concerns this connection only.
    Te,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Content-Length`.
    ContentLength,
    /// `Upgrade`.
    Upgrade,
    /// `Host`.
    Host,
    /// `Date`, which a response must have.
    Date,
    /// `Accept`, which decides the format of the sidecar's own responses.
    Accept,
    /// `Expect`, which has no meaning in HTTP/1.0.
    Expect,
    /// `Max-Forwards`, which each proxy decrements.
    MaxForwards,
    /// `X-Forwarded-Proto`: a single value, which the sidecar replaces if it is configured to write it.
    ForwardedProto,
    /// `X-Sitio-Error` and `X-Sitio-Rule`, which mark the sidecar's own responses. A service never sets them.
    Ours,
    /// Any other field.
    Other,
}

/// Looks up a field name. The length is compared first, so most names cost one comparison.
pub fn known(name: &str) -> KnownField {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 if is("te") => KnownField::Te,
        4 if is("host") => KnownField::Host,
        4 if is("date") => KnownField::Date,
        6 if is("accept") => KnownField::Accept,
        6 if is("expect") => KnownField::Expect,
        7 if is("upgrade") => KnownField::Upgrade,
        10 if is("connection") => KnownField::Connection,
        10 if is("keep-alive") => KnownField::KeepAlive,
        12 if is("max-forwards") => KnownField::MaxForwards,
        12 if is("x-sitio-rule") => KnownField::Ours,
        13 if is("x-sitio-error") => KnownField::Ours,
        14 if is("content-length") => KnownField::ContentLength,
        16 if is("proxy-connection") => KnownField::HopByHop,
        17 if is("transfer-encoding") => KnownField::TransferEncoding,
        17 if is("x-forwarded-proto") => KnownField::ForwardedProto,
        _ => KnownField::Other,
    }
}

impl KnownField {
    /// Whether the proxy forwards the field unchanged, unless `Connection` names it.
    pub fn is_end_to_end(self) -> bool {
        matches!(self, Self::Accept | Self::Date | Self::Expect | Self::MaxForwards | Self::ForwardedProto | Self::Other)
    }
}

/// The sender of a head. A client's head must be unambiguous for the service. Only the sidecar reads a
/// service's head, and it rewrites what it forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A client: the head is a request.
    Client,
    /// The service: the head is a response.
    Service,
}

/// What the fields of one head state about the connection and the body.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that a head says or does not")]
pub struct Connectivity<'b> {
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// `Connection: upgrade` together with an `Upgrade` field.
    pub upgrade: Option<&'b [u8]>,
    /// `Connection` names a field that must be dropped.
    pub names_others: bool,
    /// `Accept` names HTML.
    pub accepts_html: bool,
    /// `TE: trailers`: the sender accepts trailer fields.
    pub takes_trailers: bool,
    /// `Expect`: the sender may wait before it sends the body.
    pub expects: bool,
    /// `Transfer-Encoding: identity` in a response: no transfer coding.
    pub names_identity: bool,
    /// `Keep-Alive: timeout=75`: how long the sender keeps an idle connection.
    pub kept_for: Option<Duration>,
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
}

impl<'b> Connectivity<'b> {
    /// Reads all fields once, and refuses fields that contradict each other.
    pub fn read(fields: &[httparse::Header<'b>], version: Version, sender: Sender) -> Result<Self, HeadFault> {
        let mut this = Self::default();
        let mut upgrades = Upgrades::None;
        let mut asks_upgrade = false;
        for field in fields {
            match known(field.name) {
                KnownField::Other
                | KnownField::Date
                | KnownField::HopByHop
                | KnownField::MaxForwards
                | KnownField::ForwardedProto
                | KnownField::Ours => {}
                KnownField::Expect => this.expects = true,
                KnownField::KeepAlive => this.kept_for = kept_for(field.value).or(this.kept_for),
                KnownField::Host => this.hosts += 1,
                KnownField::Accept => this.accepts_html |= options(field.value).any(|option| option.starts_with(b"text/html")),
                KnownField::Connection => asks_upgrade |= this.read_connection(field.value)?,
                KnownField::Te => {
                    this.takes_trailers |= options(field.value).any(|option| option.eq_ignore_ascii_case(b"trailers"));
                }
                KnownField::Upgrade => upgrades = upgrades.and(field.value),
                KnownField::ContentLength => this.read_length(field.value, sender)?,
                KnownField::TransferEncoding => this.read_coding(field.value, version, sender)?,
            }
        }
        if this.chunked && this.length.is_some() {
            return Err(HeadFault::bad(RefusalReason::Framing, "both Content-Length and Transfer-Encoding"));
        }
        this.upgrade = upgrades.only().filter(|_| asks_upgrade && version == Version::Http11);
        Ok(this)
    }

    /// The number of Host fields.
    pub fn hosts(&self) -> usize {
        self.hosts
    }

    /// The body framing according to the fields; `absent` if they state none.
    pub fn framing(&self, absent: Framing) -> Framing {
        match (self.chunked, self.length) {
            (true, _) => Framing::Chunked,
            (false, Some(0)) => Framing::Empty,
            (false, Some(bytes)) => Framing::Length(bytes),
            (false, None) => absent,
        }
    }

    /// The Content-Length. A response without a body may have one too (RFC 9110, section 8.6).
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Returns whether `upgrade` is among the options.
    fn read_connection(&mut self, value: &[u8]) -> Result<bool, HeadFault> {
        let mut asks_upgrade = false;
        for option in options(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                asks_upgrade = true;
            } else if option.iter().all(|byte| is_token(*byte)) {
                self.names_others = true;
            } else {
                return Err(HeadFault::bad(RefusalReason::Field, "Connection holds something that is no token"));
            }
        }
        Ok(asks_upgrade)
    }

    fn read_length(&mut self, value: &[u8], sender: Sender) -> Result<(), HeadFault> {
        let length = match sender {
            Sender::Client if self.length.is_some() => return Err(MORE_LENGTHS),
            Sender::Client => length(value),
            Sender::Service => same_length(value),
        };
        let length = length.ok_or(HeadFault::bad(RefusalReason::Framing, "Content-Length is no number"))?;
        if self.length.is_some_and(|before| before != length) {
            return Err(MORE_LENGTHS);
        }
        self.length = Some(length);
        Ok(())
    }

    fn read_coding(&mut self, value: &[u8], version: Version, sender: Sender) -> Result<(), HeadFault> {
        if sender == Sender::Service && !self.chunked && value.eq_ignore_ascii_case(b"identity") {
            self.names_identity = true;
            return Ok(());
        }
        if version == Version::Http10 {
            return Err(HeadFault::bad(RefusalReason::Framing, "Transfer-Encoding in an HTTP/1.0 message"));
        }
        if self.chunked || self.names_identity || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadFault::bad(RefusalReason::Framing, "Transfer-Encoding is not one single `chunked`"));
        }
        self.chunked = true;
        Ok(())
    }
}

const MORE_LENGTHS: HeadFault = HeadFault::bad(RefusalReason::Framing, "more than one Content-Length");

fn length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok();
    length.filter(|length| *length <= CONTENT_LENGTH_MAX)
}

/// One length, or a list that repeats the same length (RFC 9112, section 6.3).
fn same_length(value: &[u8]) -> Option<u64> {
    let mut lengths = value.split(|byte| *byte == b',').map(|member| length(member.trim_ascii()));
    let first = lengths.next()??;
    lengths.all(|other| other == Some(first)).then_some(first)
}

/// The `timeout` of a Keep-Alive field, in seconds (RFC 2068, section 19.7.1.1).
fn kept_for(value: &[u8]) -> Option<Duration> {
    let seconds = options(value).find_map(|option| {
        let (name, value) = option.split_at_checked(b"timeout=".len())?;
        name.eq_ignore_ascii_case(b"timeout=").then_some(value)
    })?;
    length(seconds).map(Duration::from_secs)
}

/// The Upgrade fields of a head. An upgrade is always optional (RFC 9110, section 7.8), so an unusual offer
/// is not forwarded.
#[derive(Clone, Copy)]
enum Upgrades<'b> {
    None,
    One(&'b [u8]),
    Many,
}

impl<'b> Upgrades<'b> {
    fn and(self, value: &'b [u8]) -> Self {
        if matches!(self, Self::None) { Self::One(value) } else { Self::Many }
    }

    fn only(self) -> Option<&'b [u8]> {
        let Self::One(value) = self else { return None };
        (options(value).next().is_some() && options(value).all(may_be_changed_to)).then_some(value)
    }
}

/// Whether the connection may switch to this protocol. Another version of HTTP, or HTTP within TLS, would
/// bypass the rules. Servers must not rely on such an upgrade (RFC 9113, section 3.1, deprecates it).
fn may_be_changed_to(protocol: &[u8]) -> bool {
    let mut parts = protocol.split(|byte| *byte == b'/');
    let name = parts.next().unwrap_or_default();
    let is_http = [&b"h2c"[..], b"h2", b"h3", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http));
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| is_token(*byte));
    !is_http && is_token(name) && parts.next().is_none_or(is_token) && parts.next().is_none()
}

/// The non-empty members of a comma-separated list, trimmed of white space.
pub fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}

/// Whether a Connection field of this message names `name`.
pub fn is_named(fields: &[httparse::Header<'_>], name: &str) -> bool {
    let mut connections = fields.iter().filter(|field| known(field.name) == KnownField::Connection);
    connections.any(|field| options(field.value).any(|option| option.eq_ignore_ascii_case(name.as_bytes())))
}

/// Whether a method or a field name may contain this byte (RFC 9110, section 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
