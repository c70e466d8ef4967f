//! The audit log: which commands were given, by which user, and what the outcome was.

use std::net::IpAddr;

use decorators::selection::Selection;
use mesh::rule::{ANY_METHOD, Action, Rule, prefix_of};
use serde::{Deserialize, Serialize};

use crate::model::rule_status::{ReceiptState, RuleStatus};

/// Entries kept on disk. The oldest are discarded, and a metric counts how many. A hundred thousand are about 40 MB,
/// and years of manual commands.
pub const ENTRIES_MAX: u64 = 100_000;

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The number of the entry, counting up from 1.
    pub number: u64,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The author: a user's name, or `sitio` for what happened by itself.
    pub by: String,
    /// The address that the command came from; `None` in older entries, and without sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What was done.
    pub event: AuditEvent,
    /// The rule that it created or ended; `None` if the command was refused before there was one.
    pub rule: Option<String>,
    /// The revision that it created; `None` if it changed nothing.
    pub revision: Option<u64>,
    /// The endpoint and the pods that it is about.
    pub about: AuditSubject,
    /// The reason that the author gave.
    pub reason: String,
    /// A note, such as why it was refused or that the rule expired; often empty.
    pub note: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditEvent {
    /// An endpoint was turned off.
    TurnedOff,
    /// A user turned it on again.
    TurnedOn,
    /// The rule expired, and the endpoint was turned on again.
    Lapsed,
    /// A decorator was put in front of an endpoint, or a rule for some of its requests.
    Decorated,
    /// A user took it away.
    Undecorated,
    /// A pattern was pinned.
    Pinned,
    /// A user withdrew a pin.
    Unpinned,
    /// A command was refused.
    Refused,
}

/// What an entry is about, as it was requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSubject {
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
    /// The status that callers get while it is off; 0 for a pin and for a decorator.
    pub status: u16,
    /// What a decorator was to do, as JSON; empty for other rules and in older entries.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// When it expires by itself, milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

impl AuditSubject {
    /// Whether its name covers several endpoints: a rule for all methods of a prefix.
    pub fn is_prefix(&self) -> bool {
        self.method == ANY_METHOD && prefix_of(&self.route).is_some()
    }

    /// What a rule is about.
    pub fn rule(rule: &Rule) -> Self {
        Self {
            namespace: rule.selector.namespace.clone(),
            service: rule.selector.service.clone(),
            method: rule.endpoint.method().to_owned(),
            route: rule.endpoint.route().to_owned(),
            pods: rule.selector.pods.clone(),
            status: status(&rule.action),
            action: describe(&rule.action, &rule.selection),
            expires_ms: rule.expires_ms,
        }
    }
}

/// Bytes of an action that the audit log notes. Thousands of entries are in memory, and a page may have 48 KiB.
const ACTION_BYTES_NOTED_MAX: usize = 1024;

/// The status that callers get by an action; 0 for one that does not turn anything off.
pub fn status(action: &Action) -> u16 {
    match action {
        Action::Disable { status } => *status,
        Action::Decorate(_) | Action::Pin => 0,
    }
}

/// What a rule does beyond turning an endpoint off, as JSON, cut if it is long; empty if it does nothing else.
pub fn describe(action: &Action, selection: &Selection) -> String {
    let selected = if *selection == Selection::default() { String::new() } else { format!(" for {}", selection.to_json()) };
    match action {
        Action::Decorate(action) => {
            let mut json = action.to_json();
            if json.len() > ACTION_BYTES_NOTED_MAX {
                json.truncate(json.floor_char_boundary(ACTION_BYTES_NOTED_MAX));
                json.push('…');
            }
            json + &selected
        }
        Action::Disable { .. } if !selected.is_empty() => format!("disable{selected}"),
        Action::Disable { .. } | Action::Pin => String::new(),
    }
}

/// How many pods have applied a command, or had applied it when it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutcome {
    /// Pods that have applied it.
    pub applied: u32,
    /// Present pods that it selects.
    pub of: u32,
    /// Pods that have refused it.
    pub refused: u32,
    /// The slowest receipt, in milliseconds.
    pub slowest_ms: u64,
}

impl CommandOutcome {
    /// Counts the receipts of a rule.
    pub fn from_status(status: &RuleStatus) -> Self {
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
