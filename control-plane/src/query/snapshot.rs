//! Everything that a page shows, taken at one instant, so that no two numbers on it disagree.

use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Resources;

use crate::counts::fleet::pod::RefusedMessage;
use crate::counts::fleet::resource_history::ResourceHistory;
use crate::counts::fleet::skew::Skew;
use crate::model::durability::Durability;
use crate::model::notice::Notice;
use crate::model::pod::{PodState, Serving};
use crate::model::recovery_progress::RecoveryWaiting;
use crate::model::replicas::Replicas;
use crate::model::slot_outcomes::SlotOutcomes;
use crate::model::switch::Switch;
use crate::model::traffic::TrafficPoint;
use crate::model::window::QueryWindow;

mod pods;
pub mod range;
mod switches;
pub(in crate::query) mod take;

/// The mesh as it was at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The instant, milliseconds since the Unix epoch.
    pub taken_ms: u64,
    /// What the numbers cover. A range between two instants consists of whole slots, so it may
    /// begin earlier and end later than requested.
    pub window: QueryWindow,
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
    /// The notices that fire, the newest first.
    pub notices: Vec<Notice>,
    /// Whether counts reach the disk.
    pub standing: Durability,
    /// Why the store is not the expected one, as a message for users; `None` if it is.
    pub store_replaced: Option<String>,
    /// The control planes that share this state; `None` if this is the only one.
    pub replicas: Option<Replicas>,
    /// The recovery after a restart, if pods are awaited: totals and rates are too low.
    pub recovery: Option<RecoveryWaiting>,
    /// The newest revision of the rules.
    pub revision: u64,
    /// Number of audit entries.
    pub audit_entries: u64,
}

impl Snapshot {
    /// The length of the window in milliseconds; what is known, if it is all time.
    pub fn window_ms(&self) -> u64 {
        match self.window {
            QueryWindow::All => (self.covered_s * 1000.0) as u64,
            QueryWindow::Last(window) => window.as_millis() as u64,
            QueryWindow::Between(range) => range.length_ms(),
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
    /// The window in [`SPARK_POINTS`](crate::model::traffic::SPARK_POINTS) steps, oldest first.
    pub traffic: Arc<[TrafficPoint]>,
    /// Results of the last hour's requests, whatever the window's length. Empty if none failed in
    /// the window or in the one before, and for a range.
    pub outcomes: SlotOutcomes,
    /// The median of its p95 over the last hour, in microseconds: the usual value.
    pub usual_p95_us: Option<f64>,
    /// Every pod that serves it, by name.
    pub pods: Arc<[Serving]>,
    /// The state of its switch.
    pub switch: Switch,
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
    /// When its present process started, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The sidecar's version in the process that the present one has replaced; `None` if it replaced none.
    pub version_before: Option<String>,
    /// When its stream began, milliseconds since the Unix epoch; `None` if it has none now.
    pub connected_ms: Option<u64>,
    /// When its last message arrived, milliseconds since the Unix epoch.
    pub last_message_ms: u64,
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
    pub resource_history: Arc<ResourceHistory>,
    /// Its last message that was refused, if any.
    pub refusal: Option<Arc<RefusedMessage>>,
}
