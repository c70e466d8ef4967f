//! The harness of the end-to-end scenarios: starts the real programs and speaks to them over real sockets.

pub mod api;
pub mod asking;
pub mod body;
pub mod browser;
pub mod client;
pub mod control_plane;
pub mod demo;
pub mod descriptors;
pub mod eventually;
pub mod http;
pub mod latency;
pub mod load;
pub mod memory;
pub mod origin;
pub mod peer;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod python;
pub mod reserved;
pub mod scripted;
pub mod service;
pub mod sidecar;
pub mod small_mesh;
pub mod unfaithful;
