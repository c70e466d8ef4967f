//! `/api/v1/pods`: the pods that report, and the revision of the rules that each has confirmed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::words;

/// The pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pods {
    /// The time of all numbers.
    #[schema(format = DateTime)]
    pub taken_at: String,
    /// The newest revision of the rules.
    pub revision: u64,
    /// The pods, sorted by name.
    pub pods: Vec<Pod>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pod {
    /// Its name.
    pub pod: String,
    /// Its unique id; a later pod of the same name has another one.
    pub pod_uid: String,
    /// Processes that report under this uid now. More than one means that two pods have the same `POD_UID`, or that one
    /// pretends to be the other: each is counted and listed. A control plane that is older than this field sends none.
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
    pub state: PodState,
    /// Whether its stream is open.
    pub connected: bool,
    /// When the stream was opened.
    #[schema(format = DateTime)]
    pub connected_at: Option<String>,
    /// When its last message arrived.
    #[schema(format = DateTime)]
    pub heard_at: String,
    /// Requests per second over the last 10 s.
    pub rps: f64,
    /// Its resource use.
    pub resources: Option<PodResources>,
    /// How far its clock is ahead of the control plane's; negative if it is behind, null before the stream's first report.
    pub clock_offset_ms: Option<i64>,
    /// The maximum error of `clock_offset_ms`, half a round trip; null if an older sidecar does not measure it.
    pub clock_error_ms: Option<u64>,
    /// The last revision with a change of its service's rules, which it should have confirmed; 0 if there is none.
    pub revision_wanted: u64,
    /// The newest revision that it has confirmed.
    pub confirmed: Option<ConfirmedRevision>,
    /// Whether a program listens on the service's port; null if the service is on another machine, or the kernel does not
    /// show its sockets.
    #[serde(default)]
    pub service_listens: Option<ServiceListener>,
    /// Restarts of the service since the start of its sidecar, as far as the sidecar sees them.
    #[serde(default)]
    pub service_restarts: u64,
    /// Processes of the pod that the kernel has killed for lack of memory since the start of its sidecar.
    #[serde(default)]
    pub oom_kills: u64,
    /// The messages of its sidecar that were refused and not counted: their numbers contradicted each other, or were
    /// impossible.
    pub refused: Option<RefusedMessages>,
}

impl Pod {
    /// Its resource use, if measured: every process uses memory.
    pub fn measured(&self) -> Option<PodResources> {
        self.resources.filter(|used| used.memory_bytes > 0)
    }

    /// Whether it is connected but has not confirmed the newest rules of its service.
    pub fn is_behind(&self) -> bool {
        self.connected && self.confirmed.map_or(0, |confirmed| confirmed.revision) < self.revision_wanted
    }
}

words! {
    /// Whether a pod reports.
    pub enum PodState {
        /// Its last message is at most five seconds old.
        Reporting,
        /// Its last message is older.
        Silent,
        /// It has signed off, or was silent for a minute.
        Gone,
    }
}

words! {
    /// Whether a program listens on the service's port.
    pub enum ServiceListener {
        /// None has listened since the start of the sidecar.
        NotYet,
        /// One listens.
        Listening,
        /// One has listened, and none does now.
        Gone,
    }
}

/// Resource use of a pod, from its control group or its service's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PodResources {
    /// Memory used. 0 if it is not known, and then the CPU use is not known either: no control group is the pod's own, and
    /// the processes of its service are not visible.
    pub memory_bytes: u64,
    /// Memory limit; 0 if there is none.
    pub memory_limit_bytes: u64,
    /// CPU use in thousandths of a core.
    pub cpu_milli: u64,
    /// CPU limit in thousandths of a core; 0 if there is none.
    pub cpu_limit_milli: u64,
    /// Thousandths of each second in which it had to wait because its CPU limit was used up.
    pub throttled_milli: u64,
    /// Open connections to the sidecar.
    pub connections: u64,
}

/// A revision that a pod has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmedRevision {
    /// The revision.
    pub revision: u64,
    /// Time from the command to the confirmation.
    pub took_ms: u64,
}

/// Messages of a pod that were refused and not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedMessages {
    /// The number of refused messages.
    pub times: u64,
    /// When the last one was refused.
    #[schema(format = DateTime)]
    pub at: String,
    /// Why the last one was refused.
    pub why: String,
}
