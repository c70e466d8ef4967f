//! What all series of one service share: its names, the start of the timeline, and quotas.

use std::sync::Arc;

use crate::counts::timeline::quota::{CountQuota, QuotaShare};

/// What all series of a service share.
#[derive(Debug)]
pub(super) struct SeriesService {
    pub(super) namespace: String,
    pub(super) service: String,
    /// When the timeline began, milliseconds since the Unix epoch.
    pub(super) started_ms: u64,
    /// The memory quota for the slots of the last hour.
    pub(super) slots: Arc<QuotaShare>,
    /// The quota for the recent minutes of single pods.
    pub(super) recent: Arc<CountQuota>,
}
