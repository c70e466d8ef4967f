//! The state of one pod: its identity, whether it reports, its counts, and the rules that it has confirmed.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh::endpoint::Endpoint;
use mesh::report::{Resources, ServiceSigns};
use mesh::rule_totals::RuleTotals;
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;
use tokio_util::sync::CancellationToken;

use crate::counts::fleet::past_processes::PastProcesses;
use crate::counts::fleet::process_counts::ProcessCounts;
use crate::counts::fleet::process_counts::endpoint_counts::EndpointCounts;
use crate::counts::fleet::rate::Rate;
use crate::counts::fleet::receipts::ReceiptLog;
use crate::counts::fleet::resource_history::ResourceHistory;
use crate::counts::fleet::skew::Skew;
use crate::counts::timeline::recent_minutes::RecentTotals;
use crate::model::pod::PodState;

/// A pod without a message for this long is silent. Sidecars report every second.
pub const SILENT_AFTER: Duration = Duration::from_secs(5);

/// A pod without a message for this long is gone.
pub const GONE_AFTER: Duration = Duration::from_secs(60);

/// The history of pods that have not reported yet: one for all, because many may only attach.
static NO_HISTORY: LazyLock<Arc<ResourceHistory>> = LazyLock::new(Arc::default);

/// One pod. The lock is held for one report or one row at most, and never across an await.
#[derive(Debug)]
pub struct Pod(Mutex<PodFields>);

/// A pod as it was at one instant.
#[derive(Debug, Clone)]
pub struct PodView {
    /// Its identity.
    pub workload: Arc<Workload>,
    /// Whether it reports.
    pub state: PodState,
    /// Whether it has sent a Bye.
    pub has_left: bool,
    /// The epoch of the process that reports for it.
    pub epoch: u64,
    /// When its first known process started, milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When its present process started, by our clock, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The sidecar's version in the process that the present one has replaced; `None` if it replaced none.
    pub version_before: Option<String>,
    /// When its open stream began, milliseconds since the Unix epoch; `None` if there is none.
    pub connected_ms: Option<u64>,
    /// When its last message arrived, milliseconds since the Unix epoch.
    pub last_message_ms: u64,
    /// Memory and CPU, as last reported.
    pub resources: Option<Resources>,
    /// What the rules have done on it, as last reported.
    pub rules: Arc<[RuleTotals]>,
    /// Requests per second over the last ten seconds.
    pub rps: f64,
    /// Its clock skew; `None` until the present stream has brought a report.
    pub skew: Option<Skew>,
    /// Its last message that was refused, if any.
    pub refusal: Option<Arc<RefusedMessage>>,
    /// Its receipts for the rules that it was sent.
    pub receipts: Arc<ReceiptLog>,
    /// What last befell its service.
    pub service_events: ServiceEvents,
    /// Its CPU, memory and report gaps over the last minutes.
    pub resource_history: Arc<ResourceHistory>,
    /// The number of its service's shared series, if it has counted anything there.
    pub(crate) other: Option<usize>,
}

/// The mutable state of a pod.
#[derive(Debug)]
pub(crate) struct PodFields {
    pub(crate) workload: Arc<Workload>,
    pub(crate) protected: Arc<[String]>,
    /// When its first process started, milliseconds since the Unix epoch.
    pub(crate) began_ms: u64,
    /// When the present process started, as its first stream said; the same whenever it attaches again.
    pub(crate) started_ms: u64,
    /// The sidecar's version in the process before this one, if there was one.
    pub(crate) version_before: Option<String>,
    /// When the present process started, by our clock; `None` if it does not report its uptime.
    pub(crate) process_began_ms: Option<u64>,
    /// How far the pod's clock differs from ours.
    pub(crate) skew: Option<Skew>,
    /// The epoch of the present process.
    pub(crate) epoch: u64,
    /// How many streams of this process were refused as old, and the newest of them.
    pub(crate) refused: (u32, u32),
    /// The number of its newest stream; `None` before the first.
    pub(crate) session: Option<u32>,
    pub(crate) stream: Option<OpenStream>,
    pub(crate) last_message_ms: u64,
    /// Whether it has sent a Bye.
    pub(crate) has_left: bool,
    pub(crate) refusal: Option<Arc<RefusedMessage>>,
    pub(crate) resources: Option<Resources>,
    pub(crate) rules: Arc<[RuleTotals]>,
    pub(crate) service_events: ServiceEvents,
    pub(crate) counts: ProcessCounts,
    /// Recent counts of the processes before this one.
    pub(crate) past: PastProcesses,
    pub(crate) rate: Rate,
    /// Shared with readers, as is `resource_history`; a change copies it while a reader holds it.
    pub(crate) receipts: Arc<ReceiptLog>,
    pub(crate) resource_history: Arc<ResourceHistory>,
}

/// A message of a pod that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedMessage {
    /// How many messages were refused.
    pub times: u64,
    /// When the last one was refused, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Why the last one was refused.
    pub why: String,
}

/// When something last befell a service, milliseconds since the Unix epoch by our clock; `None` if it never did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceEvents {
    /// The service was restarted.
    pub restarted_ms: Option<u64>,
    /// A process was killed for lack of memory.
    pub oom_killed_ms: Option<u64>,
}

impl ServiceEvents {
    /// What a report says that arrives now.
    pub(crate) fn from_signs(signs: &ServiceSigns, now_ms: u64) -> Self {
        let at_ms = |times: u64, since_ms: u64| (times > 0).then(|| now_ms.saturating_sub(since_ms));
        Self {
            restarted_ms: at_ms(signs.restarts.into(), signs.since_restart_ms),
            oom_killed_ms: at_ms(signs.oom_kills, signs.since_oom_kill_ms),
        }
    }
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct OpenStream {
    pub(crate) connected_ms: u64,
    pub(crate) superseded: CancellationToken,
}

impl PodFields {
    /// Milliseconds to add to a time of the pod to get ours.
    pub(crate) fn correction_ms(&self) -> i64 {
        self.skew.map_or(0, Skew::correction_ms)
    }

    /// How long the process had run at the time of a report, by our clock; by the pod's own, if it
    /// does not report its uptime.
    pub(crate) fn age_ms(&self, at_ms: u64, now_ms: u64) -> u64 {
        let by_epoch = || at_ms.saturating_sub((self.epoch / 1_000_000).saturating_add_signed(self.correction_ms()));
        self.process_began_ms.map_or_else(by_epoch, |began_ms| now_ms.saturating_sub(began_ms))
    }

    /// Whether its stream is open and it reports.
    pub(crate) fn is_alive(&self, now_ms: u64) -> bool {
        self.stream.is_some() && self.state(now_ms) == PodState::Reporting
    }
}

impl Pod {
    /// A pod that is just attaching, with the known counts of its process.
    pub(crate) fn new(greeting: &Greeting, counts: ProcessCounts, now_ms: u64) -> Self {
        let began_ms = began_ms(greeting, now_ms);
        Self(Mutex::new(PodFields {
            workload: Arc::new(greeting.workload.clone()),
            protected: greeting.protected.clone().into(),
            began_ms,
            started_ms: began_ms,
            version_before: None,
            process_began_ms: None,
            skew: None,
            epoch: greeting.epoch,
            refused: (0, 0),
            session: None,
            stream: None,
            last_message_ms: now_ms,
            has_left: false,
            refusal: None,
            resources: None,
            rules: Arc::default(),
            service_events: ServiceEvents::default(),
            counts,
            past: PastProcesses::default(),
            rate: Rate::default(),
            receipts: Arc::default(),
            resource_history: Arc::clone(&NO_HISTORY),
        }))
    }

    /// Locks the state, even if it is poisoned: a panic concerned one frame, and the counts before
    /// it are good.
    pub(crate) fn lock(&self) -> MutexGuard<'_, PodFields> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its identity.
    pub(crate) fn workload(&self) -> Arc<Workload> {
        Arc::clone(&self.lock().workload)
    }

    /// Its namespace and service.
    pub(crate) fn service(&self) -> (String, String) {
        let workload = self.workload();
        (workload.namespace.clone(), workload.service.clone())
    }

    /// The routes that no rule may turn off on this pod.
    pub(crate) fn protected(&self) -> Arc<[String]> {
        Arc::clone(&self.lock().protected)
    }

    /// Milliseconds since the last message of a gone pod; `None` if it is not gone.
    pub(crate) fn gone_ms(&self, now_ms: u64) -> Option<u64> {
        let seen = self.view(now_ms);
        let is_gone = seen.state == PodState::Gone && seen.connected_ms.is_none();
        is_gone.then(|| now_ms.saturating_sub(seen.last_message_ms))
    }

    /// The process that is attached, or was recently and has not sent a Bye.
    pub(crate) fn attached_epoch(&self, now_ms: u64) -> Option<u64> {
        let fields = self.lock();
        let is_attached = fields.stream.is_some() || fields.state(now_ms) != PodState::Gone;
        is_attached.then_some(fields.epoch)
    }

    /// Frees the memory of counts that are no longer recent.
    pub(crate) fn expire(&self, now_ms: u64) {
        let mut fields = self.lock();
        fields.counts.expire(now_ms);
        fields.past.expire(now_ms);
    }

    /// Takes its counts out, and returns them with the epoch of their process.
    pub(crate) fn take_counts(&self) -> (u64, ProcessCounts) {
        let mut fields = self.lock();
        (fields.epoch, std::mem::take(&mut fields.counts))
    }

    /// The current state of the pod.
    pub fn view(&self, now_ms: u64) -> PodView {
        let fields = self.lock();
        PodView {
            workload: Arc::clone(&fields.workload),
            state: fields.state(now_ms),
            has_left: fields.has_left,
            epoch: fields.epoch,
            began_ms: fields.began_ms,
            started_ms: fields.started_ms,
            version_before: fields.version_before.clone(),
            connected_ms: fields.stream.as_ref().map(|link| link.connected_ms),
            last_message_ms: fields.last_message_ms,
            resources: fields.resources,
            rules: Arc::clone(&fields.rules),
            service_events: fields.service_events,
            skew: fields.skew,
            rps: fields.rate.per_second(now_ms),
            refusal: fields.refusal.clone(),
            receipts: Arc::clone(&fields.receipts),
            resource_history: Arc::clone(&fields.resource_history),
            other: fields.counts.other(),
        }
    }

    /// Its name, and when its last message arrived.
    pub(crate) fn name(&self) -> (String, u64) {
        let fields = self.lock();
        (fields.workload.pod.clone(), fields.last_message_ms)
    }

    /// Its name, and the recent counts of all its processes on an endpoint.
    pub fn recent(&self, endpoint: &Endpoint, now_ms: u64) -> Option<(String, RecentTotals)> {
        let fields = self.lock();
        let of_both = [fields.counts.recent(endpoint, now_ms), fields.past.recent(endpoint, now_ms)];
        let recent = of_both.into_iter().flatten().reduce(|mut recent, before| {
            recent.merge(&before);
            recent
        })?;
        Some((fields.workload.pod.clone(), recent))
    }

    /// The epoch of its present process.
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// The epoch of its present process, if its stream is open.
    pub(crate) fn connected_epoch(&self) -> Option<u64> {
        let fields = self.lock();
        fields.stream.is_some().then_some(fields.epoch)
    }

    /// Whether its stream is open.
    pub(crate) fn is_connected(&self) -> bool {
        self.lock().stream.is_some()
    }

    /// Visits each endpoint that its present process has counted.
    pub(crate) fn each_endpoint(&self, see: impl FnMut(&EndpointCounts)) {
        self.lock().counts.endpoints().for_each(see);
    }
}

impl PodFields {
    pub(crate) fn state(&self, now_ms: u64) -> PodState {
        let silent_for = Duration::from_millis(now_ms.saturating_sub(self.last_message_ms));
        match silent_for {
            _ if self.has_left && self.stream.is_none() => PodState::Gone,
            silent_for if silent_for >= GONE_AFTER => PodState::Gone,
            silent_for if silent_for >= SILENT_AFTER => PodState::Silent,
            _ => PodState::Reporting,
        }
    }
}

/// When a process started: by its uptime, or by its own clock, which may be ahead of ours.
pub(crate) fn began_ms(greeting: &Greeting, now_ms: u64) -> u64 {
    let by_uptime = greeting.uptime.map(|uptime| now_ms.saturating_sub(uptime.as_millis() as u64));
    by_uptime.unwrap_or((greeting.epoch / 1_000_000).min(now_ms))
}
