//! Adds the sidecar to descriptions of pods, and takes it out again; no I/O and no clock.

mod application;
mod editor;
mod handlers;
mod inbound;
pub mod manifest;
mod object;
mod plan;
mod pod;
mod record;
pub mod refusal;
pub mod settings;
mod sidecar;
pub mod yaml;
