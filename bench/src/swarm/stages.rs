//! The stages of the benchmark: each brings up a control plane and a swarm, and tells figures of them.

use std::time::Duration;

use crate::swarm::Size;
use crate::swarm::server::Cores;

pub mod fan_out;
pub mod overview;
pub mod reconnect;
pub mod steady;
pub mod telemetry;

/// What every stage needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// How large the swarm is.
    pub size: Size,
    /// Who runs where.
    pub cores: Cores,
    /// How long to look at what goes on evenly.
    pub look: Duration,
}

/// The value below which the share `q` of all values lies.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * q).ceil() as usize).copied().unwrap_or(f64::NAN)
}
