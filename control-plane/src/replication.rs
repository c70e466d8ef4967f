//! Several control planes as replicas: a shared log on NATS JetStream, one of them leads, and the others follow.
//!
//! The leader is an ordinary control plane whose store publishes each write to the log and waits until it has applied
//! the write itself. Every replica applies the log in order. `store/replica_log.rs` has the rule that makes late, lost
//! and repeated messages harmless.

pub mod connection;
pub mod election;
pub mod follower;
pub mod leadership;
pub mod lease;
pub mod membership;
pub mod message;
pub mod peer;
pub mod progress;
pub mod publisher;
mod reader;
pub mod replicated_store;
pub mod shared_ca;
pub mod store_copy;
pub mod streams;
