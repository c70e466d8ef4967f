//! One step of a sparkline.

/// Number of points of a traffic sparkline.
pub const SPARK_POINTS: usize = 60;

/// One step of a sparkline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficPoint {
    /// Requests.
    pub hits: u64,
    /// Of those, 5xx of the service.
    pub failures: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}
