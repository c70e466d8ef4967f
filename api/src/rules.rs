//! `/api/v1/rules`: turns endpoints off and on, and returns the receipts of the pods.

use decorators::action::{Action, unchecked};
use decorators::selection::Mode;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::rule_results::{Circuits, SplitReport};
use crate::words::words;

/// A command that turns an endpoint off, or everything under a prefix, or that puts a decorator in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleCommand {
    /// The service's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(default = "default")]
    pub namespace: Option<String>,
    /// The service.
    pub service: String,
    /// The method; HTTP's own methods may be in lower case. For a prefix, `*` means all methods.
    pub method: String,
    /// The route as it is counted: `/users/{id}`, not `/users/4711`. The name of a placeholder does not matter if only one
    /// endpoint can be meant.
    pub route: String,
    /// How much of the service it covers. For `prefix`, the route ends in `/*`, and the method may be `*`.
    #[serde(default, skip_serializing_if = "RuleScope::is_endpoint", deserialize_with = "known_scope")]
    #[schema(default = "endpoint")]
    pub scope: RuleScope,
    /// What to do: exactly one decorator with its configuration.
    #[serde(deserialize_with = "unchecked")]
    pub action: Action,
    /// How many requests of a hundred it applies to, by chance.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    #[schema(default = 100, minimum = 1, maximum = 100, required = false)]
    pub percent: u8,
    /// The callers it applies to, as networks such as `10.0.0.0/8`. Empty for all callers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub callers: Vec<IpNet>,
    /// Whether it acts; `shadow` only counts the requests on which it would.
    #[serde(default, skip_serializing_if = "Mode::is_enforced")]
    #[schema(required = false)]
    pub mode: Mode,
    /// The pods by name; absent for all pods, including those that join later. An empty list is refused.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(min_items = 1, nullable = false)]
    pub pods: Option<Vec<String>>,
    /// The lifetime, 1s to 30days, such as `15m` or `1h`. If it is absent, the endpoint is off until a person turns it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// The reason.
    #[schema(min_length = 1, max_length = 1024)]
    pub reason: String,
    /// Whether to accept an endpoint without any counted request. Otherwise such a command is refused, and the problem
    /// names the nearest endpoints, because it is probably mistyped.
    #[serde(default, skip_serializing_if = "is_not")]
    #[schema(default = false)]
    pub allow_unseen: bool,
    /// Whether it also turns off health paths that pods protect. Their probes then fail, and Kubernetes takes the pods out
    /// of service or restarts them.
    #[serde(default, skip_serializing_if = "is_not")]
    #[schema(default = false)]
    pub override_protected: bool,
    /// Return what the command would do, and change nothing.
    #[serde(default, skip_serializing_if = "is_not")]
    #[schema(default = false)]
    pub dry_run: bool,
}

impl RuleCommand {
    /// The pods by name; empty for all pods.
    pub fn pod_names(&self) -> &[String] {
        self.pods.as_deref().unwrap_or_default()
    }
}

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rules {
    /// The newest revision.
    pub revision: u64,
    /// The rules in force, newest first.
    pub rules: Vec<Rule>,
}

/// A rule with the receipts of its pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// Its id; empty in the response to a dry run.
    pub id: String,
    /// The revision that created it.
    pub revision: u64,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's route.
    pub route: String,
    /// How much of the service it covers. Health paths are left out unless `override_protected` is set.
    #[serde(default)]
    pub scope: RuleScope,
    /// What it does.
    pub action: RuleAction,
    /// How many requests of a hundred it applies to.
    #[serde(default = "all")]
    #[schema(default = 100, minimum = 1, maximum = 100, required = false)]
    pub percent: u8,
    /// The callers it applies to, as networks; empty for all callers.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false)]
    pub callers: Vec<IpNet>,
    /// Whether it acts, or only counts.
    #[serde(default)]
    #[schema(required = false)]
    pub mode: Mode,
    /// Whether it also turns off paths that pods protect; their probes then fail.
    #[serde(default)]
    pub override_protected: bool,
    /// The reason that the author gave.
    pub reason: String,
    /// The author.
    pub by: String,
    /// Whether the pods apply it.
    pub state: RuleState,
    /// Exchanges on which it acted, on the pods that run now, since each of them applied it.
    #[serde(default)]
    pub acted: u64,
    /// Exchanges on which it would have acted, in the mode `shadow`.
    #[serde(default)]
    pub shadowed: u64,
    /// Exchanges on which its decorator failed.
    #[serde(default)]
    pub failed: u64,
    /// The circuits of a `circuit-breaker`, one for each pod that runs now; null for other rules.
    #[serde(default)]
    pub circuits: Option<Circuits>,
    /// Both sides of a `split`, on the pods that run now; null for other rules.
    #[serde(default)]
    pub split: Option<SplitReport>,
    /// When it was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it expires; null if only a person ends it.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// How it ended; null while it is in force.
    pub ended: Option<RuleEnd>,
    /// The receipt of each pod: of the end of the rule once it has ended.
    pub pods: Vec<Receipt>,
    /// Warnings for people, a sentence each: that no request for it was ever counted, which health paths it covers, or that
    /// a broader rule is in force. Empty once it has ended.
    #[serde(default)]
    pub warnings: Vec<String>,
}

words! {
    /// How much of a service a rule covers.
    #[derive(Default)]
    pub enum RuleScope {
        /// The endpoint with its method and route.
        #[default]
        Endpoint,
        /// Every endpoint whose route begins with the rule's route up to its final star: `/legacy/*`, or `/*` for the whole
        /// service. Its method is `*` for all methods.
        Prefix,
    }
}

impl RuleScope {
    fn is_endpoint(&self) -> bool {
        *self == Self::Endpoint
    }

    /// A description of what is covered, for people: `GET /export`, `every endpoint under /legacy/`.
    pub fn subject(&self, method: &str, route: &str) -> String {
        let Self::Prefix = self else { return format!("{method} {route}") };
        let of_method = if method == "*" { String::new() } else { format!("{method} ") };
        match route.trim_end_matches('*') {
            "/" => format!("every {of_method}endpoint"),
            prefix => format!("every {of_method}endpoint under {prefix}"),
        }
    }
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum RuleAction {
    /// It uses a pattern as the route of the paths that match it; created at `/api/v1/routes`.
    Pin {
        /// Without content.
        pin: Pin,
    },
    /// It turns the endpoint off, or a decorator acts.
    Decorate(Box<Action>),
}

/// A pin has no settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pin {}

impl RuleAction {
    /// The status that callers get from an endpoint that is turned off.
    pub fn disable_status(&self) -> Option<u16> {
        match self {
            Self::Decorate(action) => match **action {
                Action::Disable(disable) => Some(disable.status),
                _ => None,
            },
            Self::Pin { .. } => None,
        }
    }

    /// The decorator's name, or `pin`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Decorate(action) => action.name(),
            Self::Pin { .. } => "pin",
        }
    }
}

words! {
    /// Whether the pods apply a rule.
    pub enum RuleState {
        /// Some pod has not replied, or there is no pod.
        Pending,
        /// Every connected pod has confirmed it; there is at least one.
        Applied,
        /// Some pod has refused it.
        Refused,
        /// A person has ended it.
        Withdrawn,
        /// It has expired.
        Lapsed,
    }
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleEnd {
    /// When it ended.
    #[schema(format = DateTime)]
    pub at: String,
    /// The person who ended it; null if it expired.
    pub by: Option<String>,
}

/// A pod's reply to a rule, or to the end of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The pod's name.
    pub pod: String,
    /// Its reply.
    pub state: ReceiptState,
    /// Time from the command, or from the pod's later arrival, to its confirmation.
    pub took_ms: Option<u64>,
    /// Why it refused the rule.
    pub why: Option<String>,
    /// When its last message arrived.
    #[schema(format = DateTime)]
    pub heard_at: Option<String>,
}

words! {
    /// A pod's reply.
    pub enum ReceiptState {
        /// No reply yet.
        Pending,
        /// It has applied the change.
        Applied,
        /// It has refused the change.
        Refused,
        /// The pod is gone.
        Gone,
    }
}

fn all() -> u8 {
    100
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_all(percent: &u8) -> bool {
    *percent == 100
}

/// Deserializes a list that is present, even if it is empty; null is an error.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// Refuses a scope that this version does not know: a command must mean what it says.
fn known_scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RuleScope, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Known {
        Endpoint,
        Prefix,
    }
    Ok(match Known::deserialize(deserializer)? {
        Known::Endpoint => RuleScope::Endpoint,
        Known::Prefix => RuleScope::Prefix,
    })
}

/// Leaves out a field that is false, because older control planes do not know it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_not(flag: &bool) -> bool {
    !flag
}
