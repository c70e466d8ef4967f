//! The commands of users, and every reason to refuse one.

use std::fmt;
use std::time::{Duration, SystemTime};

use decorators::selection::Selection;
use mesh::endpoint::BadEndpoint;
use mesh::routes::route_patterns::{BadPattern, PINS_MAX};
use mesh::rule::{Action, DISABLE_STATUSES, Protection, REASON_BYTES_MAX, RULES_MAX, Rule, Scope};

use crate::model::principal::Forbidden;
use crate::store::StoreError;

/// The namespace of a command that names none.
pub const NAMESPACE: &str = "default";

/// The longest time limit; what has to be off for longer is off until a user ends it.
pub const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The shortest time limit: below it, the rule would expire before the last pod had it.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// Limit of pods that one command may name, as many as the wire format carries.
pub const PODS_MAX: usize = 1024;

/// Turns an endpoint off on some pods for some time, or pins a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The namespace, [`NAMESPACE`] if none is named.
    pub namespace: Option<String>,
    /// The service.
    pub service: String,
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's route, as it is counted: `/users/{id}`; of a prefix, `/users/*`.
    pub route: String,
    /// Whether it covers one endpoint or a prefix.
    pub scope: Scope,
    /// Whether it may name an endpoint that was never called.
    pub unseen: Unseen,
    /// Whether it may turn off paths that pods protect.
    pub protection: Protection,
    /// Whether it turns the endpoint off, and with which status, decorates it, or pins it.
    pub action: Action,
    /// Which of the requests it applies to, and whether it acts.
    pub selection: Selection,
    /// The pods by name; empty for all of them, also those that join later.
    pub pods: Vec<String>,
    /// The time limit; `None` until a user ends it.
    pub ttl: Option<Duration>,
    /// The reason, for the audit log and for users who find the endpoint off.
    pub reason: String,
}

impl Command {
    /// The namespace that it names, or the default one.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(NAMESPACE)
    }
}

/// Whether a rule may be made for an endpoint without any counted request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unseen {
    /// No: the name may be mistyped, and such a rule would match nothing.
    #[default]
    Refused,
    /// Yes, with a warning.
    Allowed,
}

/// A rule in force that does already what a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingRule {
    /// The rule.
    pub rule: Rule,
    /// When it was created, milliseconds since the Unix epoch.
    pub created_ms: u64,
}

impl ExistingRule {
    /// When it was created (RFC 3339).
    pub fn since(&self) -> String {
        instant(self.created_ms)
    }

    /// When it expires (RFC 3339); `None` if only a user ends it.
    pub fn until(&self) -> Option<String> {
        self.rule.expires_ms.map(instant)
    }
}

fn instant(unix_ms: u64) -> String {
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string()
}

impl fmt::Display for ExistingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { id, by, reason, .. } = &self.rule;
        let until = self.until().unwrap_or_else(|| "it is withdrawn".to_owned());
        let (subject, since) = (self.rule.subject(), self.since());
        match self.rule.turns_off() {
            Some(_) => write!(f, "rule {id} by {by} has turned {subject} off since {since}, until {until}: {reason}"),
            None => write!(
                f,
                "rule {id} by {by} puts {} in front of {subject} since {since}, until {until}: {reason}",
                self.rule.kind()
            ),
        }
    }
}

/// Why a command failed. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No pod of such a service has ever reported.
    #[error("unknown service {service} in namespace {namespace}; known services: {known}")]
    UnknownService {
        /// The service asked for.
        service: String,
        /// The namespace asked for.
        namespace: String,
        /// Known services, for users who have mistyped one.
        known: String,
    },
    /// The service has no such pod.
    #[error("service {service} has no pod {pod}")]
    UnknownPod {
        /// The service.
        service: String,
        /// The pod asked for.
        pod: String,
    },
    /// The pod is gone.
    #[error("pod {pod} of service {service} is gone: name present pods, or none for all pods")]
    GonePod {
        /// The service.
        service: String,
        /// The pod asked for.
        pod: String,
    },
    /// There is no such rule.
    #[error("there is no rule {0}")]
    UnknownRule(String),
    /// The method or the route is invalid.
    #[error("{0}")]
    Endpoint(#[from] BadEndpoint),
    /// The command names the shared endpoint.
    #[error("(other) stands for many endpoints and cannot be turned off")]
    SharedEndpoint,
    /// Requests for that path are counted under another name, so a rule on it would never match.
    #[error("requests for {requested} are counted as {counted}: turn that off")]
    CountedElsewhere {
        /// The route asked for.
        requested: String,
        /// The route under which such requests are counted.
        counted: String,
    },
    /// No request for it was ever counted, so a rule on it would match nothing.
    #[error(
        "no request for {requested} of {service} was ever counted{}{}; set allow_unseen to turn it off before the first one",
        if nearest.is_empty() { String::new() } else { format!("; similar names: {}", nearest.join(", ")) },
        if *is_star { "; to turn off every endpoint under that path, set scope to prefix" } else { "" },
    )]
    Unseen {
        /// What was asked for, as its requests would be counted.
        requested: String,
        /// The service.
        service: String,
        /// The most similar names.
        nearest: Vec<String>,
        /// Whether the user may have meant a prefix.
        is_star: bool,
    },
    /// Several endpoints differ from what was asked for only in the names of their placeholders.
    #[error("{requested} is ambiguous: {}; use one of these names", shown.join(" or "))]
    Ambiguous {
        /// The route asked for.
        requested: String,
        /// The routes that it could mean.
        shown: Vec<String>,
    },
    /// The route of a prefix does not end in `/*`.
    #[error("{0} is not a prefix: a prefix ends in /*, such as /legacy/*; /* is the whole service")]
    Prefix(String),
    /// A pod protects the path for its health probes.
    #[error(
        "{route} is a health path of pod {pod}, and its probes would fail: set override_protected to turn it off all the same"
    )]
    Protected {
        /// The route.
        route: String,
        /// A pod that protects it.
        pod: String,
    },
    /// The same rule is in force already.
    #[error("already in force: {0}")]
    Duplicate(Box<ExistingRule>),
    /// The list of pods is empty.
    #[error("pods is empty: name at least one, or leave it out for all pods and those that join later")]
    NoPods,
    /// The rule was withdrawn, or has expired.
    #[error("rule {0} has ended already")]
    Ended(String),
    /// Too many rules are in force.
    #[error("service {0} has {RULES_MAX} rules in force, which is the limit: withdraw one first")]
    TooMany(String),
    /// The reason is missing or too long.
    #[error("a reason of 1 to {REASON_BYTES_MAX} bytes is required: it is shown to those who find the endpoint off")]
    Reason,
    /// The route of a pin is not a valid pattern.
    #[error("{0}")]
    Pattern(#[from] BadPattern),
    /// A pattern for the same paths is pinned already.
    #[error("rule {0} has pinned a pattern that recognises the same paths: withdraw it first")]
    PinnedAlready(String),
    /// Too many patterns are pinned.
    #[error("{PINS_MAX} patterns are pinned for this service, which is the limit: withdraw one first")]
    TooManyPins,
    /// The pin would rename an endpoint that is off, and its rule would no longer match.
    #[error("{endpoint} is turned off by rule {rule}, and the pattern would give it another name: withdraw the rule first")]
    WouldTurnOn {
        /// The rule.
        rule: String,
        /// The endpoint that it has turned off.
        endpoint: String,
    },
    /// The status is not one of those allowed.
    #[error("the status must be one of {DISABLE_STATUSES:?}, not {0}")]
    Status(u16),
    /// The selection or the action is invalid.
    #[error("{0}")]
    Action(#[from] decorators::invalid::Invalid),
    /// No rule can name a file of the pod: its author could otherwise read the pod's files.
    #[error("{0} is only for a file of decorators: a rule cannot name files of the pod")]
    FileInRule(&'static str),
    /// The time limit is too short or too long.
    #[error("the time limit must be 1 s to 30 days; leave it out to turn the endpoint on by hand")]
    Ttl,
    /// A name is too long.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// The author may not give the command.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// The change could not be written to disk.
    #[error("the rules could not be written to disk: {0}")]
    Store(#[from] StoreError),
}

impl CommandError {
    /// The error for the audit log. Readers who see one namespace read it: it names no service of another one.
    pub fn note(&self) -> String {
        match self {
            Self::UnknownService { service, namespace, .. } => format!("unknown service {service} in namespace {namespace}"),
            other => other.to_string(),
        }
    }
}
