//! Metrics pages for Prometheus, with names from the conventions of Prometheus and OpenTelemetry.

pub mod buckets;
pub mod endpoints;
pub mod format;
pub mod page;
