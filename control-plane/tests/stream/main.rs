//! Tests of a whole control plane in this process, with fake sidecars that only speak the protocol.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod api;
mod callers;
mod commands;
mod counting;
mod duplicate_pods;
mod excess;
mod flood;
mod full_disk;
mod harness;
mod history;
mod hostile;
mod pins;
mod pod_starts;
mod ranges;
mod rules;
mod service_accounts;
mod tap;
mod timeline;
mod waiting;
mod windows;
