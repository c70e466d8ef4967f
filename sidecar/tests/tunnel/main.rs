//! Tests of the HTTP/1 proxy through its public API: scripted services behind it, raw bytes in front of it.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod answers;
mod leaving;
mod passing;
mod stalling;
mod world;
