//! Tests of the `sitio` command, run as a user types it.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod check;
mod demo;
mod errors;
mod inject;
mod list;
mod output;
mod proxy;
mod run;
mod switch;
mod tls;
mod top;
