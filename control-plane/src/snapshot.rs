//! Everything a page shows, taken at one instant, so that no two numbers on it disagree.

use std::sync::Arc;
use std::time::Duration;

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Resources;

use crate::fleet::pod::Refusal;
use crate::fleet::skew::Skew;
use crate::fleet::strip::Strip;
use crate::keeper::Standing;
use crate::recovery::Waiting;

mod pods;
pub mod range;
mod switches;
pub(crate) mod take;

/// Points of a traffic sparkline.
pub const SPARK_POINTS: usize = 60;

/// The stretch of time that a snapshot covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Everything that the store keeps, and what the pods have said since.
    All,
    /// The last so many seconds: 60, 300, 900 or 3600 on the page, any from 1 s to 90 days by the API.
    Last(Duration),
    /// From one instant to another.
    Between(Range),
}

/// A stretch of time between two instants, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// Its first millisecond.
    pub from_ms: u64,
    /// The first millisecond after it.
    pub to_ms: u64,
}

impl Range {
    /// How long it is.
    pub fn length_ms(self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms)
    }
}

/// The mesh as it was at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The instant, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// What the numbers cover. A range between two instants is one of whole slots, and so may begin earlier and end later
    /// than what was asked for.
    pub window: Window,
    /// How many seconds of the window there really are: less than the window just after the start.
    pub covered_s: f64,
    /// Since when anything is known, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// When the window before began; `None` if not all of it is known, so that there is nothing to compare with.
    pub before_ms: Option<u64>,
    /// One for each endpoint ever heard of, in no particular order.
    pub endpoints: Vec<EndpointRow>,
    /// One for each pod ever heard of (that was not forgotten), by name.
    pub pods: Vec<PodRow>,
    /// Whether what is counted is on disk.
    pub standing: Standing,
    /// Why the store is not the one that was expected, in words for people; `None` if it is.
    pub store_replaced: Option<String>,
    /// The pods that have not reported since the restart, if any are waited for: totals and rates are too low.
    pub recovery: Option<Waiting>,
    /// The newest revision of the rules.
    pub revision: u64,
    /// Audit entries there are.
    pub audit_entries: u64,
}

impl Snapshot {
    /// How long the window is, in milliseconds; what there is, if it is all time.
    pub fn window_ms(&self) -> u64 {
        match self.window {
            Window::All => (self.covered_s * 1000.0) as u64,
            Window::Last(window) => window.as_millis() as u64,
            Window::Between(range) => range.length_ms(),
        }
    }
}

/// One endpoint of one service, added up over its pods.
#[derive(Debug, Clone)]
pub struct EndpointRow {
    /// A stable name for URLs and element ids: `e` and 12 hex digits.
    pub id: String,
    /// The namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether its path names a file.
    pub is_file: bool,
    /// What happened in the window.
    pub now: GoldenMetrics,
    /// What happened in the window before it, if all of that is known: see [`Snapshot::before_ms`].
    pub before: GoldenMetrics,
    /// Requests per second over the window (over the last 10 s for `Window::All`): all that came, whoever has answered.
    pub rps: f64,
    /// Of those, answered by a rule.
    pub blocked_rps: f64,
    /// Requests under way.
    pub in_flight: u32,
    /// When the first request was seen, milliseconds since the Unix epoch.
    pub first_seen_ms: Option<u64>,
    /// When the last request was seen, milliseconds since the Unix epoch.
    pub last_seen_ms: Option<u64>,
    /// The window in [`SPARK_POINTS`] steps, oldest first.
    pub traffic: Arc<[Traffic]>,
    /// What became of the last hour's requests, whatever the window; empty if none failed in it or in the one before.
    pub outcomes: Outcomes,
    /// The median of its p95 over the last hour, microseconds; what is usual.
    pub usual_p95_us: Option<f64>,
    /// Every pod that serves it, by name.
    pub pods: Arc<[Serving]>,
    /// What the switch shows.
    pub switch: Switch,
}

/// How many requests were served and failed in each slot of the last hour. The slots begin at whole tens of seconds, so that
/// what is found in them has the same time in every window and at every instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// When the first slot begins, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// When counting began, milliseconds since the Unix epoch; it may be before the first slot.
    pub began_ms: u64,
    /// By slot, oldest first.
    pub slots: Arc<[Outcome]>,
}

/// How long a slot of [`Outcomes`] is, in milliseconds.
pub const OUTCOME_MS: u64 = 10_000;

/// What became of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests that the service was given.
    pub served: u64,
    /// Of those, failed.
    pub failures: u64,
}

impl Outcome {
    /// What became of these.
    pub fn of(golden: &GoldenMetrics) -> Self {
        Self { served: golden.served(), failures: golden.failures() }
    }
}

/// One step of a sparkline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests.
    pub hits: u64,
    /// Of those, 5xx of the service.
    pub failures: u64,
    /// Bytes of responses' bodies.
    pub bytes_out: u64,
}

/// One pod behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The pod's name.
    pub pod: String,
    /// What it does with requests for this endpoint.
    pub state: ServingState,
}

/// What a pod does with requests for an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServingState {
    /// Passes them to the service.
    Serving,
    /// Answers them by a rule.
    Off,
    /// Was told to change, and has not confirmed.
    Waiting,
    /// Is silent or gone.
    Lost,
}

/// What the switch of an endpoint shows: only ever what pods have confirmed.
#[derive(Debug, Clone)]
pub enum Switch {
    /// No rule.
    On,
    /// Every pod has confirmed that it is off.
    Off(Arc<RuleStatus>),
    /// Every pod that the rule is for has confirmed it, and others go on serving.
    PartlyOff {
        /// The rule.
        status: Arc<RuleStatus>,
        /// Pods on which it is off.
        off: usize,
        /// Pods connected.
        of: usize,
    },
    /// A rule is there, and some pods have not confirmed it, or none is there that could.
    TurningOff(Arc<RuleStatus>),
    /// A rule was withdrawn or has lapsed, and this many of `of` pods have confirmed that.
    TurningOn {
        /// Confirmed.
        applied: usize,
        /// Pods connected.
        of: usize,
    },
    /// A health path: no rule may turn it off.
    Protected,
    /// The shared row for everything over the limit: it names no single endpoint.
    Unavailable,
}

impl Switch {
    /// The rule that is in force.
    pub fn rule(&self) -> Option<&Arc<RuleStatus>> {
        match self {
            Self::Off(status) | Self::TurningOff(status) | Self::PartlyOff { status, .. } => Some(status),
            Self::On | Self::TurningOn { .. } | Self::Protected | Self::Unavailable => None,
        }
    }
}

/// A rule with what became of it, pod by pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus {
    /// The rule.
    pub rule: mesh::rule::Rule,
    /// The revision that brought it.
    pub revision: u64,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Whether it is in force, and if not, how it ended.
    pub ended: Option<Ended>,
    /// Each pod meant, by name.
    pub pods: Vec<PodReceipt>,
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who withdrew it; `None` if its time was over.
    pub by: Option<String>,
}

/// What one pod has said about a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodReceipt {
    /// The pod's name.
    pub pod: String,
    /// What it said.
    pub state: ReceiptState,
    /// When it was last heard, milliseconds since the Unix epoch.
    pub heard_ms: u64,
}

/// What became of a rule on one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptState {
    /// No word yet.
    Pending,
    /// In force; from the command to the receipt's arrival, in milliseconds.
    Applied {
        /// Milliseconds.
        took_ms: u64,
    },
    /// Not in force, and why.
    Refused(String),
    /// The pod is gone.
    Gone,
}

/// One pod.
#[derive(Debug, Clone)]
pub struct PodRow {
    /// Who it is.
    pub workload: Arc<mesh::workload::Workload>,
    /// The process that reports for it.
    pub epoch: u64,
    /// Processes that report under its uid, this one included if it does.
    pub claimants: u32,
    /// Whether it reports.
    pub state: PodState,
    /// When its stream began, milliseconds since the Unix epoch; `None` if it has none now.
    pub connected_ms: Option<u64>,
    /// When it was last heard, milliseconds since the Unix epoch.
    pub heard_ms: u64,
    /// Memory and processor, as last told.
    pub resources: Option<Resources>,
    /// Requests per second over the last 10 s.
    pub rps: f64,
    /// How far its clock differs from ours; `None` if it has not reported on its present stream.
    pub skew: Option<Skew>,
    /// The revision that last changed the rules of its service, which it should have confirmed; 0 if none has.
    pub revision_wanted: u64,
    /// The last revision it confirmed, with how long the receipt took in milliseconds.
    pub confirmed: Option<(u64, u64)>,
    /// When it confirmed that, milliseconds since the Unix epoch.
    pub confirmed_ms: Option<u64>,
    /// Its last minutes.
    pub strip: Arc<Strip>,
    /// The last thing that it sent and that was refused, if anything was.
    pub refusal: Option<Arc<Refusal>>,
}

/// Whether a pod reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    /// Heard within the last five seconds.
    Reporting,
    /// Not heard for longer, and has not said goodbye.
    Silent,
    /// Has said goodbye, or was silent for a minute.
    Gone,
}
