//! The data plane: proxies a service's traffic, counts it per endpoint, and enforces the mesh's rules.

pub mod body;
pub mod config;
pub mod control_client;
pub mod decorator;
pub mod exchange;
pub mod export;
pub mod forwarding;
pub mod head;
pub mod http1;
pub mod http2;
pub mod identity;
pub mod ledger;
pub mod protocol;
pub mod recorder;
pub mod resources;
pub mod rulebook;
mod setting_values;
pub mod sidecar;
pub mod socket;
pub mod tap;
pub mod target;
pub mod timeouts;
pub mod tls;
pub mod upstream;
pub mod worker;
