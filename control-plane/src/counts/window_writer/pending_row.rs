//! A row of a pending window: what it counted of one endpoint.

use std::sync::Arc;

use mesh::report::Seen;
use proto::convert::windows::PackedCounts;

use crate::counts::timeline::series::Series;

/// What a window counted of one endpoint.
#[derive(Debug)]
pub struct PendingRow {
    /// The series that counts it.
    pub series: Arc<Series>,
    /// When it was called first and last, if the pod reports that.
    pub seen: Option<Seen>,
    /// All counts, still packed: they are summed once, when they are written.
    pub counts: PackedCounts,
}
