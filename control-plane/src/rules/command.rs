//! What a person asks for, and every way in which it can be refused.

use std::fmt;
use std::time::{Duration, SystemTime};

use mesh::endpoint::BadEndpoint;
use mesh::routes::pins::{BadPattern, PINS_MAX};
use mesh::rule::{Action, DISABLE_STATUSES, Protection, REASON_BYTES_MAX, RULES_MAX, Rule, Scope};

use crate::store::StoreError;

/// The namespace of a command that names none.
pub const NAMESPACE: &str = "default";

/// The longest time limit; what is to be off for longer is off until a person says otherwise.
pub const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The shortest time limit: under it, the rule would lapse before the last pod had it.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// Pods that one command may name, as many as the wire carries.
pub const PODS_MAX: usize = 1024;

/// Turn this endpoint off, on these pods, for so long; or pin this pattern.
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
    /// How much of the service it covers.
    pub scope: Scope,
    /// Whether it may be about what was never called.
    pub unseen: Unseen,
    /// Whether it may turn off what pods protect.
    pub protection: Protection,
    /// What callers get.
    pub action: Action,
    /// The pods by name; empty for all of them, those that join later too.
    pub pods: Vec<String>,
    /// For how long; `None` until a person ends it.
    pub ttl: Option<Duration>,
    /// Why.
    pub reason: String,
}

/// Whether a rule may be made for an endpoint of which no request was ever counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unseen {
    /// No: the name may be mistyped, and such a rule would match nothing.
    #[default]
    Refused,
    /// Yes, with a warning.
    Allowed,
}

/// A rule that has done already what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Already {
    /// The rule.
    pub rule: Rule,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
}

impl Already {
    /// When it was made (RFC 3339).
    pub fn since(&self) -> String {
        instant(self.created_ms)
    }

    /// When its time is over (RFC 3339); `None` if only a person ends it.
    pub fn until(&self) -> Option<String> {
        self.rule.expires_ms.map(instant)
    }
}

fn instant(unix_ms: u64) -> String {
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string()
}

impl fmt::Display for Already {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { id, by, reason, .. } = &self.rule;
        let until = self.until().unwrap_or_else(|| "it is withdrawn".to_owned());
        write!(f, "rule {id} of {by} has {} off since {}, until {until}: {reason}", self.rule.subject(), self.since())
    }
}

/// Why a command was not carried out. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No pod of such a service has ever reported.
    #[error("no pod of service {service} in namespace {namespace} has reported; known are: {known}")]
    UnknownService {
        /// The service asked for.
        service: String,
        /// The namespace asked for.
        namespace: String,
        /// The services that there are, for whoever mistyped one.
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
    /// The pod was there once.
    #[error("pod {pod} of service {service} is gone: name pods that are there, or none to turn it off on all of them")]
    GonePod {
        /// The service.
        service: String,
        /// The pod asked for.
        pod: String,
    },
    /// There is no such rule.
    #[error("there is no rule {0}")]
    UnknownRule(String),
    /// The method or the route is none.
    #[error("{0}")]
    Endpoint(#[from] BadEndpoint),
    /// The shared endpoint was asked for.
    #[error("(other) stands for many endpoints and cannot be turned off")]
    SharedEndpoint,
    /// Requests for that path are counted under another name, so a rule on it would never match.
    #[error("requests for {asked} are counted as {counted}: turn that off")]
    CountedElsewhere {
        /// The route asked for.
        asked: String,
        /// The route that such requests have.
        counted: String,
    },
    /// No request for it was ever counted, so a rule on it would match nothing.
    #[error(
        "no request for {asked} of {service} was ever counted{}{}; set allow_unseen to turn it off before the first one",
        if nearest.is_empty() { String::new() } else { format!(": nearest are {}", nearest.join(", ")) },
        if *is_star { "; to turn off every endpoint under that path, set scope to prefix" } else { "" },
    )]
    Unseen {
        /// What was asked for, as such requests would be counted.
        asked: String,
        /// The service.
        service: String,
        /// The names that are most like it.
        nearest: Vec<String>,
        /// Whether a prefix may have been meant.
        is_star: bool,
    },
    /// Several endpoints differ from what was asked for only in the names of their placeholders.
    #[error("{asked} could be {}: name one as it is shown", shown.join(" or "))]
    Ambiguous {
        /// The route asked for.
        asked: String,
        /// The routes that it could be.
        shown: Vec<String>,
    },
    /// The route of a prefix has no star at its end.
    #[error("{0} is no prefix: it ends in /*, such as /legacy/*, and /* is the whole service")]
    Prefix(String),
    /// A pod needs the path for its health.
    #[error(
        "{route} is a health path of pod {pod}, and its probes would fail: set override_protected to turn it off all the same"
    )]
    Protected {
        /// The route.
        route: String,
        /// A pod that protects it.
        pod: String,
    },
    /// The same is in force already.
    #[error("the same is turned off already: {0}")]
    Duplicate(Box<Already>),
    /// An empty list of pods.
    #[error("pods is empty: name at least one, or leave it out for all pods and those that join later")]
    NoPods,
    /// It has been withdrawn, or its time was over.
    #[error("rule {0} has ended already")]
    Ended(String),
    /// Too many rules are in force.
    #[error("service {0} has {RULES_MAX} rules in force, which is the limit: withdraw one first")]
    TooMany(String),
    /// There is no reason, or a book of it.
    #[error("a reason of 1 to {REASON_BYTES_MAX} bytes is needed: those who find the endpoint off will look for it")]
    Reason,
    /// The route of a pin is no pattern.
    #[error("{0}")]
    Pattern(#[from] BadPattern),
    /// The same paths are pinned already.
    #[error("rule {0} has pinned a pattern that recognises the same paths: withdraw it first")]
    PinnedAlready(String),
    /// There is no room.
    #[error("{PINS_MAX} patterns are pinned for this service, which is the limit: withdraw one first")]
    TooManyPins,
    /// An endpoint that is off would have another name, and its rule would not find it.
    #[error("{endpoint} is turned off by rule {rule}, and the pattern would give it another name: withdraw the rule first")]
    WouldTurnOn {
        /// The rule.
        rule: String,
        /// What it has turned off.
        endpoint: String,
    },
    /// The status is none of those allowed.
    #[error("the status must be one of {DISABLE_STATUSES:?}, not {0}")]
    Status(u16),
    /// The time limit is too short or too long.
    #[error("the time limit must be 1 s to 30 days; leave it out to turn the endpoint on by hand")]
    Ttl,
    /// A name is longer than names are.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// It could not be put on disk.
    #[error("the rules could not be written to disk: {0}")]
    Store(#[from] StoreError),
}
