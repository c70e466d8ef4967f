//! The control plane: adds up what the sidecars saw, shows it, and sends rules back.

pub mod access;
pub mod api;
pub mod audit;
pub mod callers;
pub mod clock;
pub mod config;
pub mod control_plane;
pub mod data_folder;
pub mod fleet;
pub mod front;
pub mod guesses;
pub mod history;
pub mod http;
pub mod ingest;
pub mod keeper;
pub mod memory;
pub mod plane;
pub mod public_url;
pub mod rules;
pub mod snapshot;
pub mod store;
pub mod store_id;
pub mod tap;
pub mod timeline;
pub mod token;
pub mod web;
