//! Pages of metrics, under the names that Prometheus and OpenTelemetry have agreed on.

pub mod buckets;
pub mod endpoints;
pub mod format;
pub mod page;
