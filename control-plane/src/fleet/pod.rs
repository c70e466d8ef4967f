//! One pod: who it is, whether it reports, what it counted, and what it has confirmed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh::endpoint::Endpoint;
use mesh::report::Resources;
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;
use tokio_util::sync::CancellationToken;

use crate::fleet::before::Before;
use crate::fleet::rate::Rate;
use crate::fleet::receipts::Receipts;
use crate::fleet::skew::Skew;
use crate::fleet::strip::Strip;
use crate::fleet::tally::Tally;
use crate::fleet::tally::counted::Counted;
use crate::snapshot::PodState;
use crate::timeline::lately::Recent;

/// A pod that was not heard for so long is silent. Sidecars report every second.
pub const SILENT_AFTER: Duration = Duration::from_secs(5);

/// A silent pod is taken for gone after so long.
pub const GONE_AFTER: Duration = Duration::from_secs(60);

/// One pod. It is locked for the length of one report or one row at most, and never across an await.
#[derive(Debug)]
pub struct Pod(Mutex<Inside>);

/// A pod as it was at one instant.
#[derive(Debug, Clone)]
pub struct SeenPod {
    /// Who it is.
    pub workload: Arc<Workload>,
    /// Whether it reports.
    pub state: PodState,
    /// Whether it has said goodbye.
    pub has_left: bool,
    /// The process that reports for it.
    pub epoch: u64,
    /// When its first process began that we know, milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When its open stream began, milliseconds since the Unix epoch; `None` if there is none.
    pub connected_ms: Option<u64>,
    /// When it was last heard, milliseconds since the Unix epoch.
    pub heard_ms: u64,
    /// Memory and processor, as last told.
    pub resources: Option<Resources>,
    /// Requests per second over the last ten seconds.
    pub rps: f64,
    /// How far its clock differs from ours; `None` until the present stream has brought a report.
    pub skew: Option<Skew>,
    /// The last thing that it sent and that was refused, if anything was.
    pub refusal: Option<Arc<Refusal>>,
    /// What became of the rules that it was sent.
    pub receipts: Arc<Receipts>,
    /// Its last minutes.
    pub strip: Arc<Strip>,
    /// The number of the shared series of its service, if it has counted anything there.
    pub(crate) other: Option<usize>,
}

/// What is known of it.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) workload: Arc<Workload>,
    pub(crate) protected: Arc<[String]>,
    /// When its first process began, milliseconds since the Unix epoch.
    pub(crate) began_ms: u64,
    /// When the process began that speaks for the pod, by our clock; `None` if it does not report how long it has run.
    pub(crate) process_began_ms: Option<u64>,
    /// How far the pod's clock differs from ours.
    pub(crate) skew: Option<Skew>,
    /// The process that this is.
    pub(crate) epoch: u64,
    /// Streams of this process that were refused as old ones, and the newest of them.
    pub(crate) refused: (u32, u32),
    /// Its newest stream; `None` before the first.
    pub(crate) session: Option<u32>,
    pub(crate) link: Option<Link>,
    pub(crate) heard_ms: u64,
    /// Whether it has said goodbye.
    pub(crate) has_left: bool,
    pub(crate) refusal: Option<Arc<Refusal>>,
    pub(crate) resources: Option<Resources>,
    pub(crate) tally: Tally,
    /// What the processes before this one did lately.
    pub(crate) before: Before,
    pub(crate) rate: Rate,
    /// Shared with whoever looks at the pod, as is the strip; a change makes a copy if somebody does.
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) strip: Arc<Strip>,
}

/// Something that a pod sent was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How often that was.
    pub times: u64,
    /// When it was last, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Why.
    pub why: String,
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connected_ms: u64,
    pub(crate) fence: CancellationToken,
}

impl Inside {
    /// What has to be added to a time of the pod to get ours, in milliseconds.
    pub(crate) fn correction_ms(&self) -> i64 {
        self.skew.map_or(0, Skew::correction_ms)
    }

    /// How long the process had run at an instant of a report, by our clock; by the pod's own, if it does not report how
    /// long it has run.
    pub(crate) fn age_ms(&self, at_ms: u64, now_ms: u64) -> u64 {
        let by_epoch = || at_ms.saturating_sub((self.epoch / 1_000_000).saturating_add_signed(self.correction_ms()));
        self.process_began_ms.map_or_else(by_epoch, |began_ms| now_ms.saturating_sub(began_ms))
    }

    /// Whether a process is attached and reports.
    pub(crate) fn is_living(&self, now_ms: u64) -> bool {
        self.link.is_some() && self.state(now_ms) == PodState::Reporting
    }
}

impl Pod {
    /// A pod that has just been heard, of whose process this is known.
    pub(crate) fn new(greeting: &Greeting, tally: Tally, now_ms: u64) -> Self {
        Self(Mutex::new(Inside {
            workload: Arc::new(greeting.workload.clone()),
            protected: greeting.protected.clone().into(),
            began_ms: began_ms(greeting, now_ms),
            process_began_ms: None,
            skew: None,
            epoch: greeting.epoch,
            refused: (0, 0),
            session: None,
            link: None,
            heard_ms: now_ms,
            has_left: false,
            refusal: None,
            resources: None,
            tally,
            before: Before::default(),
            rate: Rate::default(),
            receipts: Arc::default(),
            strip: Arc::default(),
        }))
    }

    /// A panic while it was held concerns one frame; the counts before it are still good.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who it is.
    pub(crate) fn workload(&self) -> Arc<Workload> {
        Arc::clone(&self.hold().workload)
    }

    /// The namespace and the service that it is a copy of.
    pub(crate) fn service(&self) -> (String, String) {
        let workload = self.workload();
        (workload.namespace.clone(), workload.service.clone())
    }

    /// The routes that it lets no rule turn off.
    pub(crate) fn protected(&self) -> Arc<[String]> {
        Arc::clone(&self.hold().protected)
    }

    /// How long ago a pod that is gone was heard, in milliseconds; `None` if it is not gone.
    pub(crate) fn gone_ms(&self, now_ms: u64) -> Option<u64> {
        let seen = self.seen(now_ms);
        let is_gone = seen.state == PodState::Gone && seen.connected_ms.is_none();
        is_gone.then(|| now_ms.saturating_sub(seen.heard_ms))
    }

    /// The process that is attached, or was lately and has not said goodbye.
    pub(crate) fn attached_epoch(&self, now_ms: u64) -> Option<u64> {
        let inside = self.hold();
        let is_attached = inside.link.is_some() || inside.state(now_ms) != PodState::Gone;
        is_attached.then_some(inside.epoch)
    }

    /// Gives back the room of what was a while ago.
    pub(crate) fn let_go(&self, now_ms: u64) {
        let mut inside = self.hold();
        inside.tally.let_go(now_ms);
        inside.before.let_go(now_ms);
    }

    /// Gives up what it has counted, and which process of it has.
    pub(crate) fn retire(&self) -> (u64, Tally) {
        let mut inside = self.hold();
        (inside.epoch, std::mem::take(&mut inside.tally))
    }

    /// The pod as it is at this instant.
    pub fn seen(&self, now_ms: u64) -> SeenPod {
        let inside = self.hold();
        SeenPod {
            workload: Arc::clone(&inside.workload),
            state: inside.state(now_ms),
            has_left: inside.has_left,
            epoch: inside.epoch,
            began_ms: inside.began_ms,
            connected_ms: inside.link.as_ref().map(|link| link.connected_ms),
            heard_ms: inside.heard_ms,
            resources: inside.resources,
            skew: inside.skew,
            rps: inside.rate.per_second(now_ms),
            refusal: inside.refusal.clone(),
            receipts: Arc::clone(&inside.receipts),
            strip: Arc::clone(&inside.strip),
            other: inside.tally.other(),
        }
    }

    /// Its name, and when it was last heard.
    pub(crate) fn name(&self) -> (String, u64) {
        let inside = self.hold();
        (inside.workload.pod.clone(), inside.heard_ms)
    }

    /// Its name, and what all its processes did lately on an endpoint.
    pub fn lately(&self, endpoint: &Endpoint, now_ms: u64) -> Option<(String, Recent)> {
        let inside = self.hold();
        let of_both = [inside.tally.lately(endpoint, now_ms), inside.before.lately(endpoint, now_ms)];
        let recent = of_both.into_iter().flatten().reduce(|mut recent, before| {
            recent.merge(&before);
            recent
        })?;
        Some((inside.workload.pod.clone(), recent))
    }

    /// The process that speaks for it now.
    pub(crate) fn epoch(&self) -> u64 {
        self.hold().epoch
    }

    /// The same, if its stream is open.
    pub(crate) fn linked_epoch(&self) -> Option<u64> {
        let inside = self.hold();
        inside.link.is_some().then_some(inside.epoch)
    }

    /// Whether its stream is open.
    pub(crate) fn is_linked(&self) -> bool {
        self.hold().link.is_some()
    }

    /// Shows each endpoint that it has counted in its present process.
    pub(crate) fn each_endpoint(&self, see: impl FnMut(&Counted)) {
        self.hold().tally.endpoints().for_each(see);
    }
}

impl Inside {
    pub(crate) fn state(&self, now_ms: u64) -> PodState {
        let silent_for = Duration::from_millis(now_ms.saturating_sub(self.heard_ms));
        match silent_for {
            _ if self.has_left && self.link.is_none() => PodState::Gone,
            silent_for if silent_for >= GONE_AFTER => PodState::Gone,
            silent_for if silent_for >= SILENT_AFTER => PodState::Silent,
            _ => PodState::Reporting,
        }
    }
}

/// When a process began: by how long it has run, or by its own clock, which may be ahead of ours.
fn began_ms(greeting: &Greeting, now_ms: u64) -> u64 {
    let by_uptime = greeting.uptime.map(|uptime| now_ms.saturating_sub(uptime.as_millis() as u64));
    by_uptime.unwrap_or((greeting.epoch / 1_000_000).min(now_ms))
}
