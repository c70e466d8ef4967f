//! The text and the state of an endpoint's switch, which show only what pods have confirmed.

use serde::Serialize;

use crate::model::rule_status::{ReceiptState, RuleStatus};
use crate::model::switch::Switch;
use crate::query::snapshot::EndpointRow;
use crate::rules::effect::Effect;
use format::{number, time};

/// The note on a rule that selects no present pod.
const WAITS: &str = "waits: no pod is connected";

/// The cells of a switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SwitchCells {
    /// `on`, `off`, `partly-on`, `turning-off`, `turning-on`, `protected` or `none`, for script and style sheet.
    pub state: &'static str,
    /// The visible text.
    pub words: &'static str,
    /// The smaller text below it.
    pub note: String,
    /// `aria-checked`. A switch in transition keeps its old state until every pod has confirmed.
    pub checked: &'static str,
    /// `aria-busy`.
    pub busy: &'static str,
    /// `aria-disabled`.
    pub disabled: &'static str,
    /// `aria-label`.
    pub label: String,
    /// The id of the rule behind the switch; empty if there is none.
    pub rule: String,
}

impl SwitchCells {
    /// The switch of an endpoint.
    pub fn of(row: &EndpointRow, now_ms: u64) -> Self {
        let name = row.endpoint.to_string();
        match &row.switch {
            Switch::On => Self::still("on", "On", "true", name),
            Switch::Protected => {
                let label = format!("{name}, protected: used as a health check");
                // The dialog explains the consequences of turning it off, and requires more than a click.
                Self::still("protected", "Protected", "true", label)
            }
            Switch::Unavailable => Self { disabled: "true", ..Self::still("none", "", "true", name) },
            Switch::Off(status) => {
                let note = time_left(status, now_ms);
                Self { note, rule: status.rule.id.clone(), ..Self::still("off", "Off", "false", name) }
            }
            Switch::PartlyOff { status, off, of } => {
                let note = format!("off on {off} of {}", number::plural(*of, "pod", "pods"));
                let label = format!("{name}, {note}");
                Self { note, rule: status.rule.id.clone(), ..Self::still("partly-on", "Partly on", "true", label) }
            }
            Switch::TurningOff(status) => {
                let (note, label) = if Effect::from_status(status) == Effect::Waiting {
                    (WAITS.to_owned(), format!("{name}, turning off, {WAITS}"))
                } else {
                    let note = ReceiptCounts::of(status).words();
                    (note.clone(), format!("{name}, turning off, {note} confirmed"))
                };
                let rule = status.rule.id.clone();
                Self { note, rule, busy: "true", ..Self::still("turning-off", "Turning off", "true", label) }
            }
            Switch::TurningOn { applied, of } => {
                let note = format!("{applied} of {}", number::plural(*of, "pod", "pods"));
                let label = format!("{name}, turning on, {note} confirmed");
                Self { note, busy: "true", ..Self::still("turning-on", "Turning on", "false", label) }
            }
        }
    }

    /// Whether the endpoint can be turned off now.
    pub fn can_turn_off(&self) -> bool {
        matches!(self.state, "on" | "partly-on" | "turning-on" | "protected")
    }

    fn still(state: &'static str, words: &'static str, checked: &'static str, label: String) -> Self {
        Self { state, words, checked, label, busy: "false", disabled: "false", ..Self::default() }
    }
}

/// The counts of a rule's receipts. Pods that are gone have nothing to confirm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiptCounts {
    /// Pods on which the rule is in force.
    pub applied: usize,
    /// Pods that refused it.
    pub refused: usize,
    /// Pods that have not answered.
    pub pending: usize,
}

impl ReceiptCounts {
    /// Counts the receipts of a rule.
    pub fn of(status: &RuleStatus) -> Self {
        let mut receipts = Self::default();
        for pod in &status.pods {
            match pod.state {
                ReceiptState::Applied { .. } => receipts.applied += 1,
                ReceiptState::Refused(_) => receipts.refused += 1,
                ReceiptState::Pending => receipts.pending += 1,
                ReceiptState::Gone => {}
            }
        }
        receipts
    }

    /// Present pods that the rule selects.
    pub fn all(self) -> usize {
        self.applied + self.refused + self.pending
    }

    /// How many pods have applied it: `3 of 4 pods`.
    pub fn words(self) -> String {
        format!("{} of {}", self.applied, number::plural(self.all(), "pod", "pods"))
    }
}

/// The time that is left, `42 min left`, or how the rule ends without one.
pub fn time_left(status: &RuleStatus, now_ms: u64) -> String {
    match status.rule.remaining(now_ms) {
        Some(left) => format!("{} left", time::left(left.as_millis() as u64)),
        None => "until turned on".into(),
    }
}
