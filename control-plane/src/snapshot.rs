//! Everything that a page shows, taken at one instant, so that no two numbers on it disagree.

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

/// Number of points of a traffic sparkline.
pub const SPARK_POINTS: usize = 60;

/// The time range that a snapshot covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Everything that the store keeps, and what the pods have reported since.
    All,
    /// The last seconds: 60, 300, 900 or 3600 on the page, any from 1 s to 90 days by the API.
    Last(Duration),
    /// From one instant to another.
    Between(Range),
}

/// A time range between two instants, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// Its first millisecond.
    pub from_ms: u64,
    /// The first millisecond after it.
    pub to_ms: u64,
}

impl Range {
    /// Its length in milliseconds.
    pub fn length_ms(self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms)
    }
}

/// The mesh as it was at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The instant, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// What the numbers cover. A range between two instants consists of whole slots, so it may
    /// begin earlier and end later than requested.
    pub window: Window,
    /// How many seconds of the window are known: less than the window just after the start.
    pub covered_s: f64,
    /// Since when anything is known, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// When the previous window began; `None` if not all of it is known, so that there is nothing
    /// to compare with.
    pub before_ms: Option<u64>,
    /// One row for each endpoint that was ever reported, in no particular order.
    pub endpoints: Vec<EndpointRow>,
    /// One row for each pod that has attached and was not forgotten, by name.
    pub pods: Vec<PodRow>,
    /// Whether counts reach the disk.
    pub standing: Standing,
    /// Why the store is not the expected one, as a message for users; `None` if it is.
    pub store_replaced: Option<String>,
    /// The recovery after a restart, if pods are awaited: totals and rates are too low.
    pub recovery: Option<Waiting>,
    /// The newest revision of the rules.
    pub revision: u64,
    /// Number of audit entries.
    pub audit_entries: u64,
}

impl Snapshot {
    /// The length of the window in milliseconds; what is known, if it is all time.
    pub fn window_ms(&self) -> u64 {
        match self.window {
            Window::All => (self.covered_s * 1000.0) as u64,
            Window::Last(window) => window.as_millis() as u64,
            Window::Between(range) => range.length_ms(),
        }
    }
}

/// One endpoint of one service, summed over its pods.
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
    /// The counts of the window.
    pub now: GoldenMetrics,
    /// The counts of the previous window, if all of it is known: see [`Snapshot::before_ms`].
    pub before: GoldenMetrics,
    /// Requests per second over the window (over the last 10 s for `Window::All`), also those that
    /// a rule has answered.
    pub rps: f64,
    /// Of those, answered by a rule.
    pub blocked_rps: f64,
    /// Requests in flight.
    pub in_flight: u32,
    /// When the first request was seen, milliseconds since the Unix epoch.
    pub first_seen_ms: Option<u64>,
    /// When the last request was seen, milliseconds since the Unix epoch.
    pub last_seen_ms: Option<u64>,
    /// The window in [`SPARK_POINTS`] steps, oldest first.
    pub traffic: Arc<[Traffic]>,
    /// Results of the last hour's requests, whatever the window's length. Empty if none failed in
    /// the window or in the one before, and for a range.
    pub outcomes: Outcomes,
    /// The median of its p95 over the last hour, in microseconds: the usual value.
    pub usual_p95_us: Option<f64>,
    /// Every pod that serves it, by name.
    pub pods: Arc<[Serving]>,
    /// The state of its switch.
    pub switch: Switch,
}

/// How many requests were served and failed in each slot of the last hour. The slots begin at whole
/// tens of seconds, so what is found in them has the same time in every window and at every
/// instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// When the first slot begins, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// When counting began, milliseconds since the Unix epoch; it may be before the first slot.
    pub began_ms: u64,
    /// By slot, oldest first.
    pub slots: Arc<[Outcome]>,
}

/// Length of a slot of [`Outcomes`] in milliseconds.
pub const OUTCOME_MS: u64 = 10_000;

/// Results of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests that were passed to the service.
    pub served: u64,
    /// Of those, failed.
    pub failures: u64,
}

impl Outcome {
    /// The results of these requests.
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
    /// Bytes of response bodies.
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
    /// Was sent a change, and has not confirmed it.
    Waiting,
    /// Is silent or gone.
    Lost,
}

/// The state of an endpoint's switch: only what pods have confirmed.
#[derive(Debug, Clone)]
pub enum Switch {
    /// No rule.
    On,
    /// Every pod has confirmed that it is off.
    Off(Arc<RuleStatus>),
    /// Every pod that the rule selects has confirmed it, and other pods still serve.
    PartlyOff {
        /// The rule.
        status: Arc<RuleStatus>,
        /// Pods on which it is off.
        off: usize,
        /// Connected pods.
        of: usize,
    },
    /// A rule exists, and some pods have not confirmed it, or none is present that could.
    TurningOff(Arc<RuleStatus>),
    /// A rule was withdrawn or has expired, and `applied` of `of` pods have confirmed that.
    TurningOn {
        /// Pods that have confirmed.
        applied: usize,
        /// Connected pods.
        of: usize,
    },
    /// A health path: no rule may turn it off.
    Protected,
    /// The shared row for endpoints over the limit: it is not a single endpoint.
    Unavailable,
}

impl Switch {
    /// The rule that is in force, if any.
    pub fn rule(&self) -> Option<&Arc<RuleStatus>> {
        match self {
            Self::Off(status) | Self::TurningOff(status) | Self::PartlyOff { status, .. } => Some(status),
            Self::On | Self::TurningOn { .. } | Self::Protected | Self::Unavailable => None,
        }
    }
}

/// A rule with the receipt of each pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus {
    /// The rule.
    pub rule: mesh::rule::Rule,
    /// The revision that added it.
    pub revision: u64,
    /// When it was created, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// How it ended; `None` while it is in force.
    pub ended: Option<Ended>,
    /// The receipt of each selected pod, by name.
    pub pods: Vec<PodReceipt>,
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who withdrew it; `None` if it expired.
    pub by: Option<String>,
}

/// The receipt of one pod for a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodReceipt {
    /// The pod's name.
    pub pod: String,
    /// The state of the rule on this pod.
    pub state: ReceiptState,
    /// When its last message arrived, milliseconds since the Unix epoch.
    pub heard_ms: u64,
}

/// The state of a rule on one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptState {
    /// No receipt yet.
    Pending,
    /// In force; with the time from the command to the receipt's arrival.
    Applied {
        /// That time in milliseconds.
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
    /// Its identity.
    pub workload: Arc<mesh::workload::Workload>,
    /// The epoch of the process that reports for it.
    pub epoch: u64,
    /// Number of processes that report under its uid, this one included if it does.
    pub claimants: u32,
    /// Whether it reports.
    pub state: PodState,
    /// When its stream began, milliseconds since the Unix epoch; `None` if it has none now.
    pub connected_ms: Option<u64>,
    /// When its last message arrived, milliseconds since the Unix epoch.
    pub heard_ms: u64,
    /// Memory and CPU, as last reported.
    pub resources: Option<Resources>,
    /// Requests per second over the last 10 s.
    pub rps: f64,
    /// Its clock skew; `None` if it has not reported on its present stream.
    pub skew: Option<Skew>,
    /// The revision that last changed the rules of its service, which it should have confirmed; 0 if none has.
    pub revision_wanted: u64,
    /// The last revision that it confirmed, and how long the receipt took in milliseconds.
    pub confirmed: Option<(u64, u64)>,
    /// When it confirmed that, milliseconds since the Unix epoch.
    pub confirmed_ms: Option<u64>,
    /// Its CPU, memory and report gaps over the last minutes.
    pub strip: Arc<Strip>,
    /// Its last message that was refused, if any.
    pub refusal: Option<Arc<Refusal>>,
}

/// Whether a pod reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    /// Its last message arrived within the last five seconds.
    Reporting,
    /// Its last message is older, and it has not sent a Bye.
    Silent,
    /// It has sent a Bye, or was silent for a minute.
    Gone,
}
