//! Tests of whole connections, by frames and against the `h2` crate.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod content;
mod dialogue;
mod floods;
mod interop;
mod messages;
mod pieces;
mod recorder;
mod states;
mod streams;
