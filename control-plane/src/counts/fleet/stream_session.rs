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
use crate::counts::fleet::pod::{OpenStream, Pod, PodFields, RefusedMessage};
use crate::counts::fleet::process_counts::ProcessCounts;
use crate::counts::fleet::process_counts::apply_report::{Absorbed, Uncountable};
use crate::counts::fleet::process_counts::report_arrival::ReportArrival;
use crate::counts::fleet::receipts::{NeverSent, ReceiptTime};
use crate::counts::fleet::skew::Skew;
use crate::counts::timeline::Timeline;
use crate::counts::window_writer::durable_counts::DurableCounts;
use crate::counts::window_writer::pending_window::PendingRow;
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
    fence: CancellationToken,
}

impl StreamSession {
    /// Begins the session. Also returns the counts of the previous process, if this one replaces
    /// it.
    pub(crate) fn begin(pod: Arc<Pod>, greeting: Greeting, now_ms: u64) -> Result<(Self, Option<Replaced>), NotAttached> {
        let mut inside = pod.hold();
        let mut before = None;
        if greeting.epoch == inside.epoch {
            inside.may_begin(&greeting)?;
        } else if inside.is_living(now_ms) {
            return Err(NotAttached::Claimed(greeting.workload.pod));
        } else {
            // Another process counts from zero and has no rules. The timeline keeps the old counts.
            let process = Process { pod_uid: greeting.workload.pod_uid.clone(), epoch: inside.epoch };
            let mut ended = std::mem::take(&mut inside.tally);
            inside.before.add(ended.take_lately());
            before = Some((process, ended));
            inside.receipts = Arc::default();
        }
        inside.refused = (0, 0);
        if let Some(older) = inside.link.take() {
            older.fence.cancel();
        }
        let (workload, fence) = (Arc::new(greeting.workload), CancellationToken::new());
        inside.workload = Arc::clone(&workload);
        inside.protected = greeting.protected.into();
        inside.epoch = greeting.epoch;
        inside.process_began_ms = greeting.uptime.map(|uptime| now_ms.saturating_sub(uptime.as_millis() as u64));
        inside.skew = None;
        inside.session = Some(greeting.session);
        inside.link = Some(OpenStream { connected_ms: now_ms, fence: fence.clone() });
        inside.heard_ms = now_ms;
        inside.has_left = false;
        inside.tally.begin_stream();
        Arc::make_mut(&mut inside.receipts).begin_stream();
        drop(inside);
        let (epoch, session) = (greeting.epoch, greeting.session);
        Ok((Self { pod, workload, epoch, session, connected_ms: now_ms, fence }, before))
    }

    /// The process behind this stream.
    pub fn process(&self) -> Process {
        Process { pod_uid: self.workload.pod_uid.clone(), epoch: self.epoch }
    }

    /// Records the peer address of the stream.
    pub fn comes_from(&self, address: IpAddr) {
        let mut inside = self.pod.hold();
        if self.speaks_for(&inside) {
            inside.tally.comes_from(address);
        }
    }

    /// Restores the counts that this process had reported before it was taken for ended.
    pub(crate) fn recall(&self, mut tally: ProcessCounts) {
        tally.begin_stream();
        self.pod.hold().tally = tally;
    }

    /// Whether this process has reported before, on this stream or another.
    pub fn is_known(&self) -> bool {
        self.pod.hold().tally.is_known()
    }

    /// How much of this process is on disk, if known without reading the store: the mark in memory,
    /// or zero for a process that began after the store became unwritable.
    pub fn mark_at_hand(&self, not_durable_since_ms: Option<u64>) -> Option<u64> {
        let inside = self.pod.hold();
        if inside.tally.is_known() {
            return Some(inside.tally.account().mark());
        }
        let began_ms = inside.process_began_ms.unwrap_or(self.epoch / 1_000_000);
        not_durable_since_ms.filter(|since_ms| began_ms >= *since_ms).map(|_| 0)
    }

    /// Takes what is on disk of this process as counted; `None` if a newer stream has superseded
    /// this one.
    pub fn resume(&self, baseline: Window, ended_ms: Option<u64>, timeline: &Timeline) -> Option<()> {
        let mut inside = self.pod.hold();
        self.speaks_for(&inside).then(|| inside.tally.resume(baseline, ended_ms, &self.workload, timeline))
    }

    /// Whether the snapshot of the present stream has arrived.
    pub fn has_snapshot(&self) -> bool {
        self.pod.hold().tally.has_snapshot()
    }

    /// Assigns each row of a window to its series, and returns the process's durable counts; `None`
    /// if a newer stream has superseded this one.
    pub fn assign(&self, window: PackedWindow, timeline: &Timeline) -> Option<(Vec<PendingRow>, Arc<DurableCounts>)> {
        let mut inside = self.pod.hold();
        if !self.speaks_for(&inside) {
            return None;
        }
        Some((inside.tally.assign(window, &self.workload, timeline), Arc::clone(inside.tally.account())))
    }

    /// The attached workload.
    pub fn workload(&self) -> &Arc<Workload> {
        &self.workload
    }

    /// Cancelled when a newer stream supersedes this one.
    pub fn fence(&self) -> &CancellationToken {
        &self.fence
    }

    /// Measures the pod's clock skew from a report that has just arrived, and shifts the report to
    /// our clock, as far as the skew is known.
    pub fn measure(&self, report: &mut Report, control_ms: u64, now_ms: u64) {
        let mut inside = self.pod.hold();
        if !self.speaks_for(&inside) {
            return;
        }
        let newer = Skew::of_report(report.at_ms, control_ms, now_ms);
        inside.skew = Some(inside.skew.map_or(newer, |known| known.then(newer)));
        let correction_ms = inside.correction_ms();
        if correction_ms != 0 {
            report.shift(correction_ms);
            report.within(inside.process_began_ms.unwrap_or(0), now_ms);
        }
    }

    /// Milliseconds to add to a time of the pod to get ours.
    pub fn correction_ms(&self) -> i64 {
        self.pod.hold().correction_ms()
    }

    /// Adds a report to the pod's counts and to the timeline.
    pub fn absorb(&self, report: &Report, now_ms: u64, timeline: &Timeline) -> Result<Absorbed, Uncountable> {
        let mut inside = self.pod.hold();
        if !self.speaks_for(&inside) {
            return Ok(Absorbed::Fenced);
        }
        let gap_ms = now_ms.saturating_sub(inside.heard_ms);
        Arc::make_mut(&mut inside.strip).add(now_ms, report.resources, gap_ms);
        inside.heard_ms = now_ms;
        inside.resources = report.resources.or(inside.resources);
        let age_ms = inside.age_ms(report.at_ms, now_ms);
        let life_ms = age_ms.max(now_ms.saturating_sub(self.epoch / 1_000_000));
        let arrival = ReportArrival { now_ms, age_ms, life_ms };
        let absorbed = inside.tally.absorb(report, &self.workload, arrival, timeline)?;
        if let Absorbed::Counted(hits) = absorbed {
            inside.rate.add(now_ms, hits);
        }
        Ok(absorbed)
    }

    /// Records a rule set that is on its way to the pod.
    pub fn sent(&self, rules: ServiceRules) {
        let mut inside = self.pod.hold();
        if self.speaks_for(&inside) {
            inside.tally.pod_is_told(Arc::clone(&rules.pins));
            Arc::make_mut(&mut inside.receipts).sent(rules);
        }
    }

    /// Records the pod's receipt for a rule set that it was sent.
    pub fn file(&self, receipt: Receipt, now_ms: u64) -> Result<(), NeverSent> {
        let mut inside = self.pod.hold();
        if !self.speaks_for(&inside) {
            return Ok(());
        }
        inside.heard_ms = now_ms;
        let obeyed =
            Arc::make_mut(&mut inside.receipts).file(receipt, ReceiptTime { at_ms: now_ms, since_ms: self.connected_ms })?;
        if let Some(set) = obeyed {
            inside.tally.pod_obeys(&set.pins);
        }
        Ok(())
    }

    /// Whether the pod has confirmed this revision.
    pub fn has_confirmed(&self, revision: u64) -> bool {
        self.pod.hold().receipts.has_confirmed(revision)
    }

    /// Records that a message of the pod was refused and not counted.
    pub fn refused(&self, why: &str, now_ms: u64) {
        let mut inside = self.pod.hold();
        if self.speaks_for(&inside) {
            let times = inside.refusal.as_ref().map_or(0, |refusal| refusal.times).saturating_add(1);
            let why = why.chars().take(REFUSAL_CHARS_MAX).collect();
            inside.refusal = Some(Arc::new(RefusedMessage { times, at_ms: now_ms, why }));
        }
    }

    /// Records the pod's Bye.
    pub fn left(&self, now_ms: u64) {
        let mut inside = self.pod.hold();
        if self.speaks_for(&inside) {
            inside.heard_ms = now_ms;
            inside.has_left = true;
        }
    }

    fn speaks_for(&self, inside: &PodFields) -> bool {
        inside.epoch == self.epoch && inside.session == Some(self.session)
    }
}

impl PodFields {
    /// Whether a stream of the present process may take over: it is newer, or it was refused often
    /// enough.
    fn may_begin(&mut self, greeting: &Greeting) -> Result<(), NotAttached> {
        let Some(known) = self.session.filter(|known| greeting.session <= *known) else { return Ok(()) };
        let (refused, newest) = self.refused;
        if refused >= REFUSED_MAX && greeting.session > newest {
            return Ok(());
        }
        if refused == 0 || greeting.session > newest {
            self.refused = (refused + 1, greeting.session);
        }
        Err(NotAttached::OldSession { pod: greeting.workload.pod.clone(), session: greeting.session, known })
    }
}

impl Drop for StreamSession {
    fn drop(&mut self) {
        let mut inside = self.pod.hold();
        if self.speaks_for(&inside) {
            inside.link = None;
            inside.tally.rest();
        }
    }
}
