//! Why a body cannot be read on.

/// The sender violated its own framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);
