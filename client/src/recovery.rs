//! What the API says while sidecars have not reported since a restart of the control plane.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many pods have reported; totals and rates are too low until all have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Pods that have reported since the restart.
    pub pods_reported: u64,
    /// Pods that were attached before it.
    pub pods: u64,
    /// How long ago it was, in seconds.
    pub restarted_s: f64,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pods_reported, pods, restarted_s } = self;
        let words = if *pods == 1 { "pod has" } else { "pods have" };
        write!(f, "{pods_reported} of {pods} {words} reported since the restart {restarted_s:.0} s ago")
    }
}
