//! The data plane: tunnels a service's traffic, counts it per endpoint, and obeys the mesh's rules.

pub mod access_log;
pub mod admin;
pub mod body;
pub mod config;
pub mod decorator;
pub mod forwarding;
pub mod head;
pub mod http2;
pub mod identity;
pub mod ledger;
pub mod link;
pub mod metrics;
pub mod protocol;
pub mod recorder;
pub mod resources;
pub mod rulebook;
pub mod sidecar;
pub mod stats;
pub mod stream;
pub mod tap;
pub mod target;
pub mod timeouts;
pub mod tunnel;
pub mod upstream;
pub mod watch;
pub mod worker;
