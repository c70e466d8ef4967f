//! What a person asks for, and every way in which it can be refused.

use std::time::Duration;

use mesh::endpoint::BadEndpoint;
use mesh::routes::pins::{BadPattern, PINS_MAX};
use mesh::rule::{Action, DISABLE_STATUSES, REASON_BYTES_MAX, RULES_MAX};

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
    /// The endpoint's route, as it is counted: `/users/{id}`.
    pub route: String,
    /// What callers get.
    pub action: Action,
    /// The pods by name; empty for all of them, those that join later too.
    pub pods: Vec<String>,
    /// For how long; `None` until a person ends it.
    pub ttl: Option<Duration>,
    /// Why.
    pub reason: String,
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
    /// A pod needs the path for its health.
    #[error("{route} is a health path of pod {pod}: no rule may turn it off")]
    Protected {
        /// The route.
        route: String,
        /// A pod that protects it.
        pod: String,
    },
    /// The same is in force already.
    #[error("rule {0} has turned this endpoint off already")]
    Duplicate(String),
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
