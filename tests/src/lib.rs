//! The harness of the end-to-end scenarios: starts the real programs and connects to them over real sockets.

pub mod accessibility;
pub mod accounts;
pub mod api;
pub mod asset_size;
pub mod body;
pub mod browser;
pub mod cli;
pub mod client;
pub mod clients;
pub mod control_plane;
pub mod demo;
pub mod disable_dialog;
pub mod eventually;
pub mod faketime;
pub mod flaky_service;
pub mod foreign_peer;
pub mod http;
pub mod load;
pub mod nginx;
pub mod openapi;
pub mod origin;
pub mod origin_process;
pub mod proc;
pub mod process;
pub mod prometheus;
pub mod python_file_server;
pub mod reserved_port;
#[cfg(test)]
mod self_test;
pub mod sidecar;
pub mod small_mesh;
pub mod terminal;
pub mod terminal_svg;
pub mod token_provider;
pub mod vanishing_host;
