//! Tests that the documents agree with the programs: generated sections, and the names of settings, metrics and files.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod command_line;
mod decorators;
mod metrics;
mod names;
mod operations;
mod section;
mod settings;
