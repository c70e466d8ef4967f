//! The harness of the end-to-end scenarios: starts the real programs and connects to them over real sockets.

pub mod api;
pub mod asking;
pub mod body;
pub mod browser;
pub mod client;
pub mod control_plane;
pub mod demo;
pub mod descriptors;
pub mod dialog;
pub mod eventually;
pub mod faketime;
pub mod http;
pub mod latency;
pub mod load;
pub mod looks;
pub mod memory;
pub mod nginx;
pub mod openapi;
pub mod origin;
pub mod peer;
pub mod picture;
pub mod plain;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod pty;
pub mod python;
pub mod reserved;
pub mod scripted;
#[cfg(test)]
mod self_test;
pub mod service;
pub mod sidecar;
pub mod sitio;
pub mod small_mesh;
pub mod unfaithful;
pub mod weight;
