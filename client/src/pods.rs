//! `/api/v1/pods`: who reports, and which revision of the rules each has confirmed.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pods {
    /// The instant of all its numbers, RFC 3339.
    pub taken_at: String,
    /// The newest revision of the rules.
    pub revision: u64,
    /// By name.
    pub pods: Vec<Pod>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub pod: String,
    /// What tells it from every other there ever was.
    pub pod_uid: String,
    /// Processes that report under this uid; 0 if the control plane does not say. More than one is a mistake or an attack.
    #[serde(default)]
    pub claimants: u32,
    /// Its namespace.
    pub namespace: String,
    /// The service that it is a copy of.
    pub service: String,
    /// Where it runs; empty if unknown.
    pub node: String,
    /// The sidecar's version.
    pub version: String,
    /// Whether it reports.
    pub state: State,
    /// Whether its stream is open.
    pub connected: bool,
    /// Since when, RFC 3339.
    pub connected_at: Option<String>,
    /// When it was last heard, RFC 3339.
    pub heard_at: String,
    /// Requests per second over the last 10 s.
    pub rps: f64,
    /// What it uses.
    pub resources: Option<Resources>,
    /// How far its clock is ahead of the control plane's, negative if it is behind; `None` if that is not known.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// By how much that may be wrong, if it is measured.
    #[serde(default)]
    pub clock_error_ms: Option<u64>,
    /// The revision that last changed the rules of its service, which it should have confirmed; 0 if none has.
    pub revision_wanted: u64,
    /// The newest revision that it has confirmed.
    pub confirmed: Option<Confirmed>,
    /// The last thing that it sent and that was refused; an older control plane does not say so.
    pub refused: Option<Refused>,
}

/// Something that a pod sent was refused, and not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// How often that was.
    pub times: u64,
    /// When it was last, RFC 3339.
    pub at: String,
    /// Why.
    pub why: String,
}

impl Pod {
    /// What it uses, if that is known: every process uses memory.
    pub fn measured(&self) -> Option<Resources> {
        self.resources.filter(|used| used.memory_bytes > 0)
    }

    /// Whether it is attached and has not confirmed the newest rules of its service.
    pub fn is_behind(&self) -> bool {
        self.connected && self.confirmed.map_or(0, |confirmed| confirmed.revision) < self.revision_wanted
    }
}

/// Whether a pod reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Heard within five seconds.
    Reporting,
    /// Not heard for longer.
    Silent,
    /// Has said goodbye, or was silent for a minute.
    Gone,
    /// A word that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

/// What a pod uses, by its control group or its service's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Memory used; 0 if it is not known, and then nor is the processor time.
    pub memory_bytes: u64,
    /// Its limit; 0 if there is none.
    pub memory_limit_bytes: u64,
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Their limit; 0 if there is none.
    pub cpu_limit_milli: u64,
    /// Thousandths of each second in which it had to wait.
    pub throttled_milli: u64,
    /// Connections open.
    pub connections: u64,
}

/// A revision that a pod has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Its number.
    pub revision: u64,
    /// From the command to the confirmation.
    pub took_ms: u64,
}

impl Client {
    /// Lists the pods.
    pub async fn pods(&self) -> Result<Pods, Failure> {
        self.get(&Question { what: "list the pods", path: &["api", "v1", "pods"], query: &[] }).await
    }
}
