//! The session of one sidecar stream: while it is the newest of its pod, it is the only way to change the pod's state.

use std::net::IpAddr;
use std::sync::Arc;

use mesh::report::Report;
use mesh::rule::Receipt;
use mesh::window::Window;
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;
use proto::convert::windows::PackedWindow;
use tokio_util::sync::CancellationToken;

use crate::counts::fleet::not_attached::NotAttached;
use crate::counts::fleet::pod::{OpenStream, Pod, PodFields, RefusedMessage, ServiceEvents, began_ms};
use crate::counts::fleet::process_counts::ProcessCounts;
use crate::counts::fleet::process_counts::apply_report::{Absorbed, Uncountable};
use crate::counts::fleet::process_counts::rate_check::ReportArrival;
use crate::counts::fleet::receipts::{NeverSent, ReceiptTime};
use crate::counts::fleet::skew::Skew;
use crate::counts::timeline::Timeline;
use crate::counts::window_writer::durable_counts::DurableCounts;
use crate::counts::window_writer::pending_row::PendingRow;
use crate::model::rules_state::ServiceRules;
use crate::store::metrics_store::Process;

/// A replaced process, and what it had reported.
pub(crate) type Replaced = (Process, ProcessCounts);

/// Refused streams with growing numbers before the next one is accepted. Late frames of an ended
/// stream arrive once. A sidecar that dials again and again is alive, and another client has used
/// its name with a higher number.
const REFUSED_MAX: u32 = 8;
/// Characters of a refusal's reason that are kept: a reason names one endpoint, whose path may be
/// long.
const REFUSAL_CHARS_MAX: usize = 240;

/// A pod's stream session. Dropping it ends the pod's connection, but keeps what is known of the
/// pod.
#[derive(Debug)]
pub struct StreamSession {
    pod: Arc<Pod>,
    workload: Arc<Workload>,
    epoch: u64,
    session: u32,
    connected_ms: u64,
    superseded: CancellationToken,
}

impl StreamSession {
    /// Begins the session. Also returns the counts of the previous process, if this one replaces
    /// it.
    pub(crate) fn begin(pod: Arc<Pod>, greeting: Greeting, now_ms: u64) -> Result<(Self, Option<Replaced>), NotAttached> {
        let mut fields = pod.lock();
        let mut before = None;
        if greeting.epoch == fields.epoch {
            check_session(&mut fields, &greeting)?;
        } else if fields.is_alive(now_ms) {
            return Err(NotAttached::Claimed(greeting.workload.pod));
        } else {
            // Another process counts from zero and has no rules. The timeline keeps the old counts.
            let process = Process { pod_uid: greeting.workload.pod_uid.clone(), epoch: fields.epoch };
            let mut ended = std::mem::take(&mut fields.counts);
            fields.past.add(ended.take_recent());
            before = Some((process, ended));
            fields.receipts = Arc::default();
            fields.started_ms = began_ms(&greeting, now_ms);
            fields.version_before = Some(fields.workload.version.clone());
        }
        fields.refused = (0, 0);
        if let Some(older) = fields.stream.take() {
            older.superseded.cancel();
        }
        let (workload, fence) = (Arc::new(greeting.workload), CancellationToken::new());
        fields.workload = Arc::clone(&workload);
        fields.protected = greeting.protected.into();
        fields.epoch = greeting.epoch;
        fields.process_began_ms = greeting.uptime.map(|uptime| now_ms.saturating_sub(uptime.as_millis() as u64));
        fields.skew = None;
        fields.session = Some(greeting.session);
        fields.stream = Some(OpenStream { connected_ms: now_ms, superseded: fence.clone() });
        fields.last_message_ms = now_ms;
        fields.has_left = false;
        fields.counts.begin_stream();
        Arc::make_mut(&mut fields.receipts).begin_stream();
        drop(fields);
        let (epoch, session) = (greeting.epoch, greeting.session);
        Ok((Self { pod, workload, epoch, session, connected_ms: now_ms, superseded: fence }, before))
    }

    /// The process behind this stream.
    pub fn process(&self) -> Process {
        Process { pod_uid: self.workload.pod_uid.clone(), epoch: self.epoch }
    }

    /// Records the peer address of the stream.
    pub fn set_peer_address(&self, address: IpAddr) {
        let mut fields = self.pod.lock();
        if self.is_current(&fields) {
            fields.counts.set_origin(address);
        }
    }

    /// Restores the counts that this process had reported before it was taken for ended.
    pub(crate) fn restore_counts(&self, mut counts: ProcessCounts) {
        counts.begin_stream();
        self.pod.lock().counts = counts;
    }

    /// Whether this process has reported before, on this stream or another.
    pub fn is_known(&self) -> bool {
        self.pod.lock().counts.is_known()
    }

    /// How much of this process is on disk, if known without reading the store: the mark in memory,
    /// or zero for a process that began after the store became unwritable.
    pub fn known_mark(&self, not_durable_since_ms: Option<u64>) -> Option<u64> {
        let fields = self.pod.lock();
        if fields.counts.is_known() {
            return Some(fields.counts.durable_counts().mark());
        }
        let began_ms = fields.process_began_ms.unwrap_or(self.epoch / 1_000_000);
        not_durable_since_ms.filter(|since_ms| began_ms >= *since_ms).map(|_| 0)
    }

    /// Takes what is on disk of this process as counted; `None` if a newer stream has superseded
    /// this one.
    pub fn resume(&self, baseline: Window, ended_ms: Option<u64>, timeline: &Timeline) -> Option<()> {
        let mut fields = self.pod.lock();
        self.is_current(&fields).then(|| fields.counts.resume(baseline, ended_ms, &self.workload, timeline))
    }

    /// Whether the snapshot of the present stream has arrived.
    pub fn has_snapshot(&self) -> bool {
        self.pod.lock().counts.has_snapshot()
    }

    /// Assigns each row of a window to its series, and returns the process's durable counts; `None`
    /// if a newer stream has superseded this one.
    pub fn assign(&self, window: PackedWindow, timeline: &Timeline) -> Option<(Vec<PendingRow>, Arc<DurableCounts>)> {
        let mut fields = self.pod.lock();
        if !self.is_current(&fields) {
            return None;
        }
        Some((fields.counts.assign(window, &self.workload, timeline), Arc::clone(fields.counts.durable_counts())))
    }

    /// The attached workload.
    pub fn workload(&self) -> &Arc<Workload> {
        &self.workload
    }

    /// Cancelled when a newer stream supersedes this one.
    pub fn superseded(&self) -> &CancellationToken {
        &self.superseded
    }

    /// Measures the pod's clock skew from a report that has just arrived, and shifts the report to
    /// our clock, as far as the skew is known.
    pub fn measure_skew(&self, report: &mut Report, control_ms: u64, now_ms: u64) {
        let mut fields = self.pod.lock();
        if !self.is_current(&fields) {
            return;
        }
        let newer = Skew::from_report(report.at_ms, control_ms, now_ms);
        fields.skew = Some(fields.skew.map_or(newer, |known| known.intersect(newer)));
        let correction_ms = fields.correction_ms();
        if correction_ms != 0 {
            report.shift(correction_ms);
            report.within(fields.process_began_ms.unwrap_or(0), now_ms);
        }
    }

    /// Milliseconds to add to a time of the pod to get ours.
    pub fn correction_ms(&self) -> i64 {
        self.pod.lock().correction_ms()
    }

    /// Adds a report to the pod's counts and to the timeline.
    pub fn absorb(&self, report: &Report, now_ms: u64, timeline: &Timeline) -> Result<Absorbed, Uncountable> {
        let mut fields = self.pod.lock();
        if !self.is_current(&fields) {
            return Ok(Absorbed::Superseded);
        }
        let gap_ms = now_ms.saturating_sub(fields.last_message_ms);
        Arc::make_mut(&mut fields.resource_history).add(now_ms, report.resources, gap_ms);
        fields.last_message_ms = now_ms;
        fields.resources = report.resources.or(fields.resources);
        if let Some(resources) = &report.resources {
            fields.service_events = ServiceEvents::from_signs(&resources.service, now_ms);
        }
        let age_ms = fields.age_ms(report.at_ms, now_ms);
        let life_ms = age_ms.max(now_ms.saturating_sub(self.epoch / 1_000_000));
        let arrival = ReportArrival { now_ms, age_ms, life_ms };
        let absorbed = fields.counts.absorb(report, &self.workload, arrival, timeline)?;
        if let Absorbed::Counted(hits) = absorbed {
            fields.rate.add(now_ms, hits);
            if *fields.rules != *report.rules {
                fields.rules = report.rules.as_slice().into();
            }
        }
        Ok(absorbed)
    }

    /// Records a rule set that is on its way to the pod.
    pub fn record_sent(&self, rules: ServiceRules) {
        let mut fields = self.pod.lock();
        if self.is_current(&fields) {
            fields.counts.pins_sent(Arc::clone(&rules.pins));
            Arc::make_mut(&mut fields.receipts).record_sent(rules);
        }
    }

    /// Records the pod's receipt for a rule set that it was sent.
    pub fn record_receipt(&self, receipt: Receipt, now_ms: u64) -> Result<(), NeverSent> {
        let mut fields = self.pod.lock();
        if !self.is_current(&fields) {
            return Ok(());
        }
        fields.last_message_ms = now_ms;
        let obeyed =
            Arc::make_mut(&mut fields.receipts).record(receipt, ReceiptTime { at_ms: now_ms, since_ms: self.connected_ms })?;
        if let Some(set) = obeyed {
            fields.counts.pins_applied(&set.pins);
        }
        Ok(())
    }

    /// Whether the pod has confirmed this revision.
    pub fn has_confirmed(&self, revision: u64) -> bool {
        self.pod.lock().receipts.has_confirmed(revision)
    }

    /// Records that a message of the pod was refused and not counted.
    pub fn record_refusal(&self, why: &str, now_ms: u64) {
        let mut fields = self.pod.lock();
        if self.is_current(&fields) {
            let times = fields.refusal.as_ref().map_or(0, |refusal| refusal.times).saturating_add(1);
            let why = why.chars().take(REFUSAL_CHARS_MAX).collect();
            fields.refusal = Some(Arc::new(RefusedMessage { times, at_ms: now_ms, why }));
        }
    }

    /// Records the pod's Bye.
    pub fn record_bye(&self, now_ms: u64) {
        let mut fields = self.pod.lock();
        if self.is_current(&fields) {
            fields.last_message_ms = now_ms;
            fields.has_left = true;
        }
    }

    fn is_current(&self, fields: &PodFields) -> bool {
        fields.epoch == self.epoch && fields.session == Some(self.session)
    }
}

/// Whether a stream of the present process may take over: it is newer, or it was refused often
/// enough. A refusal is counted.
fn check_session(fields: &mut PodFields, greeting: &Greeting) -> Result<(), NotAttached> {
    let Some(known) = fields.session.filter(|known| greeting.session <= *known) else { return Ok(()) };
    let (refused, newest) = fields.refused;
    if refused >= REFUSED_MAX && greeting.session > newest {
        return Ok(());
    }
    if refused == 0 || greeting.session > newest {
        fields.refused = (refused + 1, greeting.session);
    }
    Err(NotAttached::OldSession { pod: greeting.workload.pod.clone(), session: greeting.session, known })
}

impl Drop for StreamSession {
    fn drop(&mut self) {
        let mut fields = self.pod.lock();
        if self.is_current(&fields) {
            fields.stream = None;
            fields.counts.reset_in_flight();
        }
    }
}
