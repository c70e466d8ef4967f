//! The state of an endpoint's switch, as its pods have confirmed it.

use std::sync::Arc;

use crate::model::rule_status::RuleStatus;

/// The state of an endpoint's switch: only what pods have confirmed.
#[derive(Debug, Clone)]
pub enum Switch {
    /// No rule.
    On,
    /// Every pod has confirmed that it is off.
    Off(Arc<RuleStatus>),
    /// Every pod that the rule selects has confirmed it, and other pods still serve.
    PartlyOff {
        /// The rule.
        status: Arc<RuleStatus>,
        /// Pods on which it is off.
        off: usize,
        /// Connected pods.
        of: usize,
    },
    /// A rule exists, and some pods have not confirmed it, or none is present that could.
    TurningOff(Arc<RuleStatus>),
    /// A rule was withdrawn or has expired, and `applied` of `of` pods have confirmed that.
    TurningOn {
        /// Pods that have confirmed.
        applied: usize,
        /// Connected pods.
        of: usize,
    },
    /// A health path: no rule may turn it off.
    Protected,
    /// The shared row for endpoints over the limit: it is not a single endpoint.
    Unavailable,
}

impl Switch {
    /// The rule that is in force, if any.
    pub fn rule(&self) -> Option<&Arc<RuleStatus>> {
        match self {
            Self::Off(status) | Self::TurningOff(status) | Self::PartlyOff { status, .. } => Some(status),
            Self::On | Self::TurningOn { .. } | Self::Protected | Self::Unavailable => None,
        }
    }
}
