//! Tests of everything except HTTP/1: gRPC, attacks on HTTP/2, raw TCP, WebSockets, Unix and IPv6 sockets.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod families;
mod grpc;
mod grpc_service;
mod hostile_http2;
mod http2;
mod raw;
mod upgrades;
mod world;
