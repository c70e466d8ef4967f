//! The book of what was asked of the mesh, by whom, and what became of it.

use mesh::rule::{ANY_METHOD, Action, Rule, prefix_of};
use serde::{Deserialize, Serialize};

use crate::snapshot::{ReceiptState, RuleStatus};

/// Entries kept on disk; the oldest are discarded, and the control plane's metrics tell how many.
/// A hundred thousand of them are about 40 MB, and years of what people do by hand.
pub const ENTRIES_MAX: u64 = 100_000;

/// One line of the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up by one, from 1.
    pub number: u64,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who: a person's name, or `sitio` for what happened by itself.
    pub by: String,
    /// What was done.
    pub event: Event,
    /// The rule that it made or ended; `None` if it was refused before there was one.
    pub rule: Option<String>,
    /// The revision that it brought; `None` if it changed nothing.
    pub revision: Option<u64>,
    /// The endpoint and the pods that it was about.
    pub about: About,
    /// Why, in the words of whoever asked for it.
    pub reason: String,
    /// What there is to add, such as why it was refused or that its time was over; often empty.
    pub note: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An endpoint was turned off.
    TurnedOff,
    /// A person turned it on again.
    TurnedOn,
    /// Its time was over, and it was turned on again.
    Lapsed,
    /// A pattern was pinned.
    Pinned,
    /// A person took a pin away.
    Unpinned,
    /// Somebody asked for something that was not done.
    Refused,
}

/// What an entry is about, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// The pods by name; empty for all of them.
    pub pods: Vec<String>,
    /// The status that callers get while it is off; 0 for a pin.
    pub status: u16,
    /// When it is turned on again by itself, milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

impl About {
    /// Whether it is about more than one endpoint, as far as its name says: a rule for all methods of a prefix.
    pub fn is_prefix(&self) -> bool {
        self.method == ANY_METHOD && prefix_of(&self.route).is_some()
    }

    /// What a rule is about.
    pub fn rule(rule: &Rule) -> Self {
        let status = match rule.action {
            Action::Disable { status } => status,
            Action::Pin => 0,
        };
        Self {
            namespace: rule.selector.namespace.clone(),
            service: rule.selector.service.clone(),
            method: rule.endpoint.method().to_owned(),
            route: rule.endpoint.route().to_owned(),
            pods: rule.selector.pods.clone(),
            status,
            expires_ms: rule.expires_ms,
        }
    }
}

/// How far a command has come, or had come when it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Pods that have applied it.
    pub applied: u32,
    /// Pods that it was for and that were there.
    pub of: u32,
    /// Pods that have refused it.
    pub refused: u32,
    /// The slowest receipt, in milliseconds.
    pub slowest_ms: u64,
}

impl Outcome {
    /// What the receipts say.
    pub fn of(status: &RuleStatus) -> Self {
        let mut outcome = Self::default();
        for pod in &status.pods {
            match &pod.state {
                ReceiptState::Applied { took_ms } => {
                    outcome.applied += 1;
                    outcome.slowest_ms = outcome.slowest_ms.max(*took_ms);
                }
                ReceiptState::Refused(_) => outcome.refused += 1,
                ReceiptState::Pending => {}
                ReceiptState::Gone => continue,
            }
            outcome.of += 1;
        }
        outcome
    }
}
