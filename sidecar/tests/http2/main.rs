//! Tests of HTTP/2 frame by frame: a client and a service that send any frames, and an innocent client beside them.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod cancellations;
mod client;
mod ends;
mod floods;
mod head_limits;
#[path = "../proxy/http1_service.rs"]
#[expect(dead_code, reason = "the other test program uses the rest of it")]
mod http1_service;
mod interims;
mod limits;
mod malformed_requests;
mod malformed_responses;
mod memory;
mod repaired_responses;
mod retries;
mod service;
mod settings;
mod shared;
mod slow_heads;
#[path = "../proxy/support.rs"]
#[expect(dead_code, reason = "the other test program uses the rest of it")]
mod support;
mod targets;
mod windows;
mod wire;
