//! Rules as they are stored, and the change from one revision to the next.

use mesh::rule::Rule;

use crate::model::audit;
use crate::model::audit::CommandOutcome;

/// The contents of a store.
#[derive(Debug, Clone, Default)]
pub struct StoredRules {
    /// The id of this store. Its revisions mean nothing in another.
    pub store: String,
    /// The newest revision; 0 if there was no command yet.
    pub revision: u64,
    /// The rules in force, and some that have ended.
    pub records: Vec<RuleRecord>,
    /// The newest audit entries, oldest first.
    pub audit: Vec<audit::AuditEntry>,
    /// Number of audit entries ever written.
    pub audit_entries: u64,
}

/// A step from one revision to the next, or audit entries alone.
#[derive(Debug, Clone, Default)]
pub struct RuleChange {
    /// The revision that the decision was based on.
    pub from: u64,
    /// The revision after this change; the same if the rules stay as they are.
    pub to: u64,
    /// Rules that are new, or have ended.
    pub put: Vec<RuleRecord>,
    /// Ids of rules to delete: they ended long ago.
    pub drop: Vec<String>,
    /// Entries for the audit log.
    pub audit: Vec<audit::AuditEntry>,
}

/// A rule, and the revisions that created and ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRecord {
    /// The rule.
    pub rule: Rule,
    /// The revision that created it.
    pub revision: u64,
    /// When it was created, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// How it ended; `None` while it is in force.
    pub ending: Option<RuleEnding>,
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEnding {
    /// When it ended, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The revision that ended it.
    pub revision: u64,
    /// The operator who withdrew it; `None` if it expired.
    pub by: Option<String>,
    /// What the pods had applied by then; `None` if an older control plane wrote the record.
    pub outcome: Option<CommandOutcome>,
}
