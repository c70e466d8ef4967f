//! The control plane: adds up what the sidecars report, shows it, and sends rules to them.

pub mod access;
pub mod address_limiter;
pub mod api;
pub mod app;
pub mod attempt_limiter;
pub mod clock;
pub mod config;
pub mod counts;
pub mod dashboard;
pub mod data_folder;
pub mod exposed;
pub mod grpc;
pub mod history;
pub mod http;
pub mod middleware;
pub mod model;
pub mod public_url;
pub mod query;
pub mod recovery;
pub mod rules;
pub mod state;
pub mod store;
pub mod store_id;
pub mod tap;
pub mod tls;
pub mod token;
