//! Everything but HTTP/1 through the tunnel: gRPC, attacks on HTTP/2, raw TCP, WebSockets, sockets of other families.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod families;
mod grpc;
mod grpc_service;
mod hostile_http2;
mod http2;
mod raw;
mod upgrades;
mod world;
