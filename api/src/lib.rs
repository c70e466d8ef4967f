//! The public HTTP API: each JSON body and query as a type, for the control plane, its clients and the OpenAPI document.
//!
//! The doc comments of types and fields are the descriptions in the OpenAPI document.

mod words;

pub mod audit;
pub mod callers;
#[cfg(feature = "client")]
pub mod client;
pub mod endpoints;
pub mod history;
pub mod notifications;
pub mod pods;
pub mod problem;
pub mod routes;
pub mod rule_results;
pub mod rules;
pub mod status;
pub mod tap;
pub mod timeline;
