//! `/api/v1/pods`: the pods that report, and the revision of the rules that each has confirmed.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pods {
    /// The time of all numbers, RFC 3339.
    pub taken_at: String,
    /// The newest revision of the rules.
    pub revision: u64,
    /// The pods, sorted by name.
    pub pods: Vec<Pod>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub pod: String,
    /// Its unique id; a later pod of the same name has another one.
    pub pod_uid: String,
    /// Processes that report under this uid; 0 if the control plane does not send it. More than one
    /// is a misconfiguration or an attack.
    #[serde(default)]
    pub claimants: u32,
    /// Its namespace.
    pub namespace: String,
    /// The service of the pod.
    pub service: String,
    /// The node; empty if unknown.
    pub node: String,
    /// The sidecar's version.
    pub version: String,
    /// Whether it reports.
    pub state: State,
    /// Whether its stream is open.
    pub connected: bool,
    /// When the stream was opened, RFC 3339.
    pub connected_at: Option<String>,
    /// When its last message arrived, RFC 3339.
    pub heard_at: String,
    /// Requests per second over the last 10 s.
    pub rps: f64,
    /// Its resource use.
    pub resources: Option<Resources>,
    /// How far its clock is ahead of the control plane's; negative if it is behind; `None` if not known.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// The maximum error of `clock_offset_ms`, if it is measured.
    #[serde(default)]
    pub clock_error_ms: Option<u64>,
    /// The last revision with a change of its service's rules, which it should have confirmed; 0 if there is none.
    pub revision_wanted: u64,
    /// The newest revision that it has confirmed.
    pub confirmed: Option<Confirmed>,
    /// The last message of it that was refused; an older control plane does not send this.
    pub refused: Option<Refused>,
}

/// Messages of a pod that were refused and not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The number of refused messages.
    pub times: u64,
    /// When the last one was refused, RFC 3339.
    pub at: String,
    /// Why the last one was refused.
    pub why: String,
}

impl Pod {
    /// Its resource use, if measured: every process uses memory.
    pub fn measured(&self) -> Option<Resources> {
        self.resources.filter(|used| used.memory_bytes > 0)
    }

    /// Whether it is connected but has not confirmed the newest rules of its service.
    pub fn is_behind(&self) -> bool {
        self.connected && self.confirmed.map_or(0, |confirmed| confirmed.revision) < self.revision_wanted
    }
}

/// Whether a pod reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its last message is at most five seconds old.
    Reporting,
    /// Its last message is older.
    Silent,
    /// It has signed off, or was silent for a minute.
    Gone,
    /// A state that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

/// Resource use of a pod, from its control group or its service's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Memory used; 0 if not known, and then the CPU time is not known either.
    pub memory_bytes: u64,
    /// Memory limit; 0 if there is none.
    pub memory_limit_bytes: u64,
    /// CPU use in thousandths of a core.
    pub cpu_milli: u64,
    /// CPU limit in thousandths of a core; 0 if there is none.
    pub cpu_limit_milli: u64,
    /// Thousandths of each second in which it was throttled.
    pub throttled_milli: u64,
    /// Open connections.
    pub connections: u64,
}

/// A revision that a pod has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The revision number.
    pub revision: u64,
    /// Time from the command to the confirmation.
    pub took_ms: u64,
}

impl Client {
    /// Lists the pods.
    pub async fn pods(&self) -> Result<Pods, Failure> {
        self.get(&Question { what: "list the pods", path: &["api", "v1", "pods"], query: &[] }).await
    }
}
