//! HTTP/2 (RFC 9113) without input or output: a connection takes received bytes and queues bytes to send.
//!
//! An owner has a socket, a [`connection::Connection`] and a [`connection::handler::Handler`]. It repeats three steps:
//!
//! 1. pass what it has read to `Connection::receive`, which reports events to the handler, and keep the bytes that were
//!    not consumed;
//! 2. answer: `open`, `respond`, `send_data`, `reset` and so on append frames to the output;
//! 3. write `Connection::output` to the socket, and report with `advance_output` how much was written.
//!
//! Nothing here waits, reads a clock, or allocates for a frame or a field in the steady state. What a peer breaks within
//! a stream costs that stream; [`limits::Limits`] bounds the rest.

mod conduct;
pub mod connection;
pub mod error_code;
mod field_block;
pub mod flow;
pub mod frame;
pub mod hpack;
pub mod limits;
pub mod message;
mod output;
pub mod settings;
pub mod streams;
