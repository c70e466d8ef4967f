//! Bounds that several parts share, each with its reason.

/// Limit of unacknowledged windows of one sidecar: ten seconds each, so one is usual, and more only
/// after a time without us.
pub const IN_FLIGHT_MAX: usize = 16;

/// Limit of pods in memory, whatever the memory budget. At about 20 kB for a pod with 20 endpoints,
/// they take 400 MB.
pub const PODS_MAX: usize = 20_000;

/// Limit of services in memory, so that a client that invents names cannot fill the memory.
pub const SERVICES_MAX: usize = 4096;
