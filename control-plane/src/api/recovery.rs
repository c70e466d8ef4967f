//! The `recovery` part of responses while sidecars have not reported since a restart.

use serde::Serialize;

use crate::api::units::rate;
use crate::recovery::Waiting;

/// How many pods have reported; totals and rates are too low until all have.
#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    pods_reported: usize,
    pods: usize,
    restarted_s: f64,
}

impl From<Waiting> for Recovery {
    fn from(waiting: Waiting) -> Self {
        Self { pods_reported: waiting.reported, pods: waiting.of, restarted_s: rate(waiting.elapsed.as_secs_f64()) }
    }
}
