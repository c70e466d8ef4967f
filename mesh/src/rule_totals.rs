//! What one rule has done: on a pod since the pod applied it, or summed over pods.

use crate::comparison::{Comparison, Side};
use crate::golden::GoldenMetrics;

/// Rules of a report that may carry the sides of a split: each holds two histograms, up to some kilobytes, in the memory of
/// the control plane for every pod.
pub const SIDES_MAX: usize = 8;

/// What one rule has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleTotals {
    /// The rule's id.
    pub rule: String,
    /// Exchanges on which it acted: it answered, held or edited a request or a response.
    pub acted: u64,
    /// Exchanges on which it would have acted, but only counts.
    pub shadowed: u64,
    /// Exchanges on which its decorator panicked.
    pub failed: u64,
    /// The circuits of a `circuit-breaker`: each pod has one.
    pub circuits: Circuits,
    /// Both sides of a `split`.
    pub sides: Option<Box<SplitSides>>,
}

/// How many circuits are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Circuits {
    /// Requests pass.
    pub closed: u32,
    /// A few requests pass as probes, the others are refused.
    pub half_open: u32,
    /// Requests are refused.
    pub open: u32,
}

/// The state of one circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Requests pass.
    Closed,
    /// A few requests pass as probes, the others are refused.
    HalfOpen,
    /// Requests are refused.
    Open,
}

/// What was counted on both sides of a split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplitSides {
    /// The exchanges of the service itself.
    pub own: GoldenMetrics,
    /// Those that were sent to another address.
    pub other: GoldenMetrics,
}

impl RuleTotals {
    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.acted + self.shadowed + self.failed == 0 && self.circuits == Circuits::default() && self.sides.is_none()
    }

    /// Minimum memory, in bytes.
    pub fn weight(&self) -> usize {
        let sides = self.sides.as_deref().map_or(0, |sides| sides.own.weight() + sides.other.weight());
        size_of::<Self>() + self.rule.len() + sides
    }

    /// Adds what the same rule has done on another pod.
    pub fn add(&mut self, other: &Self) {
        self.acted = self.acted.saturating_add(other.acted);
        self.shadowed = self.shadowed.saturating_add(other.shadowed);
        self.failed = self.failed.saturating_add(other.failed);
        self.circuits.closed += other.circuits.closed;
        self.circuits.half_open += other.circuits.half_open;
        self.circuits.open += other.circuits.open;
        if let Some(sides) = &other.sides {
            let sum = self.sides.get_or_insert_default();
            sum.own.merge(&sides.own);
            sum.other.merge(&sides.other);
        }
    }
}

impl From<CircuitState> for Circuits {
    fn from(state: CircuitState) -> Self {
        let mut circuits = Self::default();
        *match state {
            CircuitState::Closed => &mut circuits.closed,
            CircuitState::HalfOpen => &mut circuits.half_open,
            CircuitState::Open => &mut circuits.open,
        } += 1;
        circuits
    }
}

impl Circuits {
    /// The circuits of all pods.
    pub fn pods(self) -> u32 {
        self.closed + self.half_open + self.open
    }
}

impl SplitSides {
    /// Whether the sides differ.
    pub fn comparison(&self) -> Comparison {
        Comparison::of(Side::from_golden(&self.own), Side::from_golden(&self.other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_pod(state: CircuitState, requests: u64) -> RuleTotals {
        let mut sides = Box::<SplitSides>::default();
        (sides.own.hits, sides.other.hits) = (requests, 1);
        RuleTotals { rule: "r1".into(), acted: 1, circuits: state.into(), sides: Some(sides), ..RuleTotals::default() }
    }

    #[test]
    fn the_totals_of_pods_add_up() {
        let mut sum = RuleTotals::default();
        assert!(sum.is_empty());
        for pod in [of_pod(CircuitState::Open, 5), of_pod(CircuitState::Closed, 7), of_pod(CircuitState::Open, 1)] {
            sum.add(&pod);
        }
        assert_eq!((sum.acted, sum.circuits), (3, Circuits { closed: 1, half_open: 0, open: 2 }));
        let sides = sum.sides.unwrap();
        assert_eq!((sides.own.hits, sides.other.hits), (13, 3));
    }

    #[test]
    fn a_closed_circuit_without_requests_is_reported() {
        assert!(!RuleTotals { circuits: CircuitState::Closed.into(), ..RuleTotals::default() }.is_empty());
    }
}
