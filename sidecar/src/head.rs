//! Strict parsing of message heads: a head that two parsers could read differently is refused.

use clap::Args;
use mesh::refusal::RefusalReason;

use crate::setting_values::number;

pub mod answer;
pub mod date;
pub mod fields;
pub mod request;
pub mod response;
pub mod write;

/// Limits of one message head. All connections of a worker use the same limits. The configuration checks
/// the range of each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct HeadLimits {
    /// Bytes of a head, of requests and responses
    #[arg(long = "head-bytes-max", env = "SITIO_HEAD_BYTES_MAX", value_name = "BYTES", default_value_t = HEAD_BYTES_MAX,
        value_parser = |value: &str| number(value, &(HEAD_BYTES_MIN..=HEAD_BYTES_LIMIT)))]
    pub head_bytes: usize,
    /// Bytes of a request's target; more are answered 414. RFC 9112, section 3, recommends support for at least 8000
    #[arg(long = "target-bytes-max", env = "SITIO_TARGET_BYTES_MAX", value_name = "BYTES", default_value_t = TARGET_BYTES_MAX,
        value_parser = |value: &str| number(value, &(TARGET_BYTES_MIN..=TARGET_BYTES_LIMIT)))]
    pub target_bytes: usize,
    /// Fields of a head, of requests and responses
    #[arg(long = "fields-max", env = "SITIO_FIELDS_MAX", value_name = "COUNT", default_value_t = FIELDS_MAX,
        value_parser = |value: &str| number(value, &(FIELDS_MIN..=FIELDS_LIMIT)))]
    pub fields: usize,
}

/// The smallest limits that can be set: ordinary clients exceed lower ones.
const HEAD_BYTES_MIN: usize = 4096;
const TARGET_BYTES_MIN: usize = 1024;
const FIELDS_MIN: usize = 16;

/// Default limit of a whole head: the longest target plus 36 KiB of fields. Servers accept 8 to 32 KiB of
/// fields. A connection holds this much only until the head's deadline.
pub const HEAD_BYTES_MAX: usize = 96 * 1024;

/// Default limit of a target. Servers can be configured to accept 60 kB, and some clients put whole queries
/// in the target.
pub const TARGET_BYTES_MAX: usize = 60 * 1024;

/// Default limit of fields in a head. Browsers send about 20; nginx and Node.js accept at least a thousand.
pub const FIELDS_MAX: usize = 256;

/// Upper bound of the `fields` setting: the parser's array then takes 16 KiB of the stack.
pub const FIELDS_LIMIT: usize = 512;

/// Upper bound of the `head_bytes` setting. A worker's scratch buffer holds a partial head and 64 KiB that
/// arrive after it.
pub const HEAD_BYTES_LIMIT: usize = 192 * 1024;

/// Upper bound of the `target_bytes` setting. No browser or server uses longer targets.
pub const TARGET_BYTES_LIMIT: usize = 65_534;

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: HEAD_BYTES_MAX, target_bytes: TARGET_BYTES_MAX, fields: FIELDS_MAX }
    }
}

/// Storage for the fields of one head, on the caller's stack, and the limits that apply to the head.
#[derive(Debug)]
pub struct FieldSlots<'b> {
    room: [std::mem::MaybeUninit<httparse::Header<'b>>; FIELDS_LIMIT],
    /// The fields of a head that was parsed from a copy. Empty and without an allocation for nearly every head.
    restored: Vec<httparse::Header<'b>>,
    limits: HeadLimits,
}

/// New storage with the default limits.
#[inline]
pub fn slots<'b>() -> FieldSlots<'b> {
    HeadLimits::default().slots()
}

impl HeadLimits {
    /// New storage. The array is not initialized, because clearing it would cost time.
    #[inline]
    pub fn slots<'b>(self) -> FieldSlots<'b> {
        FieldSlots { room: [const { std::mem::MaybeUninit::uninit() }; FIELDS_LIMIT], restored: Vec::new(), limits: self }
    }
}

/// Uninitialized memory that the parser fills.
type Room<'b> = [std::mem::MaybeUninit<httparse::Header<'b>>];

impl<'b> FieldSlots<'b> {
    /// Returns storage for as many fields as the limits allow, storage for fields of a copy, and the limits.
    fn all(&mut self) -> (&mut Room<'b>, &mut Vec<httparse::Header<'b>>, HeadLimits) {
        (&mut self.room[..self.limits.fields.min(FIELDS_LIMIT)], &mut self.restored, self.limits)
    }
}

/// The result of parsing the bytes received so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A whole head and its length in bytes.
    Complete(T, usize),
    /// The beginning of a head.
    Partial,
    /// Not a valid head. The connection cannot be used any further.
    Faulty(HeadFault),
}

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadFault {
    /// The status sent to the downstream if the downstream is at fault.
    pub status: u16,
    /// The reason under which the refusal is counted.
    pub reason: RefusalReason,
    /// An explanation for the reader of the error response.
    pub why: &'static str,
}

impl HeadFault {
    /// A message that violates RFC 9112: status 400.
    pub const fn bad(reason: RefusalReason, why: &'static str) -> Self {
        Self { status: 400, reason, why }
    }
}

/// How the end of a body is determined (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// This many bytes, more than zero.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// The body ends when the connection is closed.
    UntilClose,
}

/// The supported versions of HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Whether every line of a request ends in CR LF. `httparse` also accepts a bare LF; RFC 9112, section 2.2,
/// allows to refuse it.
fn lines_end_properly(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}
