//! The control plane: adds up what the sidecars saw, shows it, and sends rules back.

pub mod access;
pub mod api;
pub mod audit;
pub mod callers;
pub mod clock;
pub mod config;
pub mod control_plane;
pub mod fleet;
pub mod history;
pub mod http;
pub mod ingest;
pub mod keeper;
pub mod plane;
pub mod rules;
pub mod snapshot;
pub mod store;
pub mod tap;
pub mod timeline;
pub mod token;
pub mod web;
