//! The stages of the mesh benchmark: each starts a control plane and a swarm, and returns figures.

use std::time::Duration;

use crate::swarm::server::Cores;
use crate::swarm::size::SwarmSize;

pub mod fan_out;
pub mod overview;
pub mod reconnect;
pub mod steady;
pub mod telemetry;

/// The setup that all stages share.
#[derive(Debug, Clone, Copy)]
pub struct StageSettings {
    /// The size of the mesh.
    pub size: SwarmSize,
    /// The core of each process.
    pub cores: Cores,
    /// How long to measure a steady state.
    pub look: Duration,
}

/// The value below which the share `q` of all values is.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * q).ceil() as usize).copied().unwrap_or(f64::NAN)
}
