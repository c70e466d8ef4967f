//! Tests that the sidecar, a service and a client always agree where a message ends, whatever is sent.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod answers;
mod corpora;
#[path = "../../../fuzz/src/decoders.rs"]
mod decoders;
#[path = "../../../fuzz/src/http2.rs"]
mod fuzzed_http2;
mod hyper_reads;
mod model;
mod poisoning;
#[path = "../../../fuzz/src/proxy.rs"]
mod proxy;
mod reader;
mod requests;
mod rewriting;
mod service;
mod test_sidecar;
