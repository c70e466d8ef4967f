//! A rule, and what each pod has answered to it.

/// A rule with the receipt of each pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus {
    /// The rule.
    pub rule: mesh::rule::Rule,
    /// The revision that added it.
    pub revision: u64,
    /// When it was created, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// How it ended; `None` while it is in force.
    pub ended: Option<RuleEnd>,
    /// The receipt of each selected pod, by name.
    pub pods: Vec<PodReceipt>,
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEnd {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who withdrew it; `None` if it expired.
    pub by: Option<String>,
}

/// The receipt of one pod for a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodReceipt {
    /// The pod's name.
    pub pod: String,
    /// The state of the rule on this pod.
    pub state: ReceiptState,
    /// When its last message arrived, milliseconds since the Unix epoch.
    pub last_message_ms: u64,
}

/// The state of a rule on one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptState {
    /// No receipt yet.
    Pending,
    /// In force; with the time from the command to the receipt's arrival.
    Applied {
        /// That time in milliseconds.
        took_ms: u64,
    },
    /// Not in force, and why.
    Refused(String),
    /// The pod is gone.
    Gone,
}
