//! The pods that have not reported since the restart of the control plane.

use std::fmt;
use std::time::Duration;

/// A recovery that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryWaiting {
    /// Pods that have reported.
    pub reported: usize,
    /// Pods that were attached before the restart.
    pub of: usize,
    /// How long ago the control plane started.
    pub elapsed: Duration,
}

impl fmt::Display for RecoveryWaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reported, of, elapsed } = self;
        let (pods, have) = if *of == 1 { ("pod", "has") } else { ("pods", "have") };
        write!(f, "{reported} of {of} {pods} {have} reported since the restart {} s ago", elapsed.as_secs())
    }
}
