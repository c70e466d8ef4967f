//! The `recovery` part of responses while sidecars have not reported since a restart.

use serde::Serialize;

use crate::api::units::rate;
use crate::model::recovery_progress::RecoveryWaiting;

/// How many pods have reported; totals and rates are too low until all have.
#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    pods_reported: usize,
    pods: usize,
    restarted_s: f64,
}

impl From<RecoveryWaiting> for Recovery {
    fn from(waiting: RecoveryWaiting) -> Self {
        Self { pods_reported: waiting.reported, pods: waiting.of, restarted_s: rate(waiting.elapsed.as_secs_f64()) }
    }
}
