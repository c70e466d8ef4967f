//! How many sidecars have reported since a restart of the control plane.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The progress after a restart; totals and rates are too low until all pods have reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Pods that have reported since the restart.
    pub pods_reported: u64,
    /// Pods that were connected before the restart.
    pub pods: u64,
    /// Seconds since the restart.
    pub restarted_s: f64,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pods_reported, pods, restarted_s } = self;
        let words = if *pods == 1 { "pod has" } else { "pods have" };
        write!(f, "{pods_reported} of {pods} {words} reported since the restart {restarted_s:.0} s ago")
    }
}
