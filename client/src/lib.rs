//! A client of Sitio's public API, with typed responses and errors that explain what failed.

pub mod about;
pub mod audit;
pub mod callers;
pub mod client;
pub mod endpoints;
pub mod events;
pub mod failure;
pub mod history;
pub mod metrics;
pub mod pods;
mod proxy;
pub mod recovery;
pub mod routes;
pub mod rules;
pub mod status;
pub mod tap;
pub mod trust;
