//! Where the counts go besides the control plane: the admin port, Prometheus, OpenTelemetry, the access log, the legacy statistics.

pub mod access_log;
pub mod admin;
pub mod legacy_stats;
pub mod otlp;
pub mod prometheus;
