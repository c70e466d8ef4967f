//! Reads message heads strictly: whatever could be understood in two ways is refused, never guessed.

use mesh::refusal::Reason;

pub mod date;
pub mod fields;
pub mod request;
pub mod response;
pub mod write;

/// What a head may have. A worker's connections share the limits; each field is bounded where settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole head.
    pub head_bytes: usize,
    /// Bytes of a request's target (RFC 9112, section 3, recommends to support at least 8,000).
    pub target_bytes: usize,
    /// Fields of a head.
    pub fields: usize,
}

/// Bytes of a whole head, unless set otherwise: the longest target and 36 KiB of fields. Servers take 8 to 32 KiB of fields;
/// a connection holds so much only until the head's deadline.
pub const HEAD_BYTES_MAX: usize = 96 * 1024;

/// Bytes of a target, unless set otherwise. Servers can be set to take 60 kB, and clients put whole queries there.
pub const TARGET_BYTES_MAX: usize = 60 * 1024;

/// Fields of a head, unless set otherwise. Browsers send about 20; nginx and Node count none below a thousand.
pub const FIELDS_MAX: usize = 256;

/// Fields that a setting may allow: 16 KiB of room on the stack.
pub const FIELDS_LIMIT: usize = 512;

/// Bytes of a head that a setting may allow. A worker's scratch holds a partial head and 64 KiB that arrive behind it.
pub const HEAD_BYTES_LIMIT: usize = 192 * 1024;

/// Bytes of a target that a setting may allow: no URI of the HTTP/2 library is longer.
pub const TARGET_BYTES_LIMIT: usize = 65_534;

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: HEAD_BYTES_MAX, target_bytes: TARGET_BYTES_MAX, fields: FIELDS_MAX }
    }
}

/// Room for the fields of a head, on the caller's stack, and the limits within which it is read.
#[derive(Debug)]
pub struct Slots<'b> {
    room: [std::mem::MaybeUninit<httparse::Header<'b>>; FIELDS_LIMIT],
    /// The fields of a head that could only be read from a copy. Empty, and without memory, for nearly every head.
    restored: Vec<httparse::Header<'b>>,
    limits: Limits,
}

/// Fresh room within the default limits.
#[inline]
pub fn slots<'b>() -> Slots<'b> {
    Limits::default().slots()
}

impl Limits {
    /// Fresh room, without the cost of clearing it.
    #[inline]
    pub fn slots<'b>(self) -> Slots<'b> {
        Slots { room: [const { std::mem::MaybeUninit::uninit() }; FIELDS_LIMIT], restored: Vec::new(), limits: self }
    }
}

/// Room that the parser fills, without having been cleared.
type Room<'b> = [std::mem::MaybeUninit<httparse::Header<'b>>];

impl<'b> Slots<'b> {
    /// Room for as many fields as the limits allow, room for fields of a copy, and the limits.
    fn all(&mut self) -> (&mut Room<'b>, &mut Vec<httparse::Header<'b>>, Limits) {
        (&mut self.room[..self.limits.fields.min(FIELDS_LIMIT)], &mut self.restored, self.limits)
    }
}

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A whole head, and how many bytes it took.
    Complete(T, usize),
    /// The beginning of one.
    Partial,
    /// None, and there is no way to go on with this connection.
    Faulty(Fault),
}

/// Why a message is not carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What the downstream is answered, if it is the downstream's mistake.
    pub status: u16,
    /// Under which reason the refusal is counted.
    pub reason: Reason,
    /// For the person who reads the answer.
    pub why: &'static str,
}

impl Fault {
    /// A message that breaks the rules (RFC 9112): 400.
    pub const fn bad(reason: Reason, why: &'static str) -> Self {
        Self { status: 400, reason, why }
    }
}

/// How the end of a body is known (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes, more than zero.
    Length(u64),
    /// By chunks.
    Chunked,
    /// When the connection is closed.
    UntilClose,
}

/// The two versions that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Whether every line of a request ends in CR LF; `httparse` alone would take a bare LF (RFC 9112, section 2.2, allows to
/// refuse it).
fn lines_end_properly(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}
