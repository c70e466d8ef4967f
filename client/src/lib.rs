//! A client of Sitio's public API: what it tells, as types, and what went wrong, in words for whoever asked.

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
