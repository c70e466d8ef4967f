//! Tests of the sidecar program between clients and a service, without a control plane.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod access_log;
mod bodies;
mod connections;
mod drain;
mod faults;
mod jwt;
mod legacy_stats;
mod login;
mod not_found;
mod peers;
mod smuggling;
mod startup;
mod transparent;
mod vanished;
