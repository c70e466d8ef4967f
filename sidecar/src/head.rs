//! Reads message heads strictly: whatever could be understood in two ways is refused, never guessed.

pub mod date;
pub mod fields;
pub mod request;
pub mod response;
pub mod write;

/// Bytes of a whole head. Servers commonly stop at 8 to 16 KiB; large cookies reach 32.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a request's target (RFC 9112, section 3, recommends to support at least 8,000).
pub const TARGET_BYTES_MAX: usize = 16 * 1024;

/// Fields of a head. Browsers send about 20.
pub const FIELDS_MAX: usize = 128;

/// Room for the fields of a head, on the caller's stack.
pub type Slots<'b> = [std::mem::MaybeUninit<httparse::Header<'b>>; FIELDS_MAX];

/// Fresh room, without the cost of clearing it.
pub fn slots<'b>() -> Slots<'b> {
    [const { std::mem::MaybeUninit::uninit() }; FIELDS_MAX]
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
    /// For the person who reads the answer.
    pub why: &'static str,
}

impl Fault {
    /// A message that breaks the rules (RFC 9112): 400.
    pub const fn bad(why: &'static str) -> Self {
        Self { status: 400, why }
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

/// Whether every line ends in CR LF; `httparse` alone would take a bare LF (RFC 9112, section 2.2, allows to refuse it).
fn lines_end_properly(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}
