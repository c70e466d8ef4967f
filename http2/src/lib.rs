//! HTTP/2 (RFC 9113) without input or output: a connection takes received bytes and queues bytes to send.

mod conduct;
pub mod connection;
pub mod error_code;
mod field_block;
pub mod flow;
pub mod frame;
pub mod handler;
pub mod hpack;
pub mod limits;
pub mod message;
mod output;
pub mod settings;
mod streams;
