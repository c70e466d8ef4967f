//! Tests of the proxy through its public API: scripted services behind it, clients of any protocol in front of it.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod abandoned;
mod decorators;
mod drain;
mod extended_connect;
mod forwarding;
mod grpc;
mod grpc_service;
mod hostile_http2;
mod http1_service;
mod http1_to_http2;
mod http2;
mod http2_framing;
mod http2_to_http1;
mod ip_families;
mod otlp;
mod panics;
mod program;
mod raw_tcp;
mod resilience;
mod responses;
mod retries;
mod split;
mod steered_service;
mod support;
mod timeouts;
mod upgrades;
