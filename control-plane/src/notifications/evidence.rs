//! What is wrong now: the conditions of all services, from what sidecars report and from what was counted.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use format::health::{FAILING_RED, REQUESTS_MIN, is_memory_near, ratio};
use format::number;
use mesh::exchange::Outcome;
use mesh::report::ListenerState;

use crate::counts::fleet::Fleet;
use crate::counts::fleet::pod::PodView;
use crate::counts::timeline::Timeline;
use crate::counts::timeline::time_range::TimeRange;
use crate::history::pushed_failures::PushedFailures;
use crate::model::notice::{NoticeCondition, NoticePod, NoticeSubject};
use crate::model::pod::PodState;
use crate::notifications::timing::NoticeTiming;

/// The time over which the share of failures is measured.
const FAILING_OVER: Duration = Duration::from_secs(60);

/// A service that has not listened for this long after the start of its sidecar is not starting any more.
const STARTING_MS_MAX: u64 = 5 * 60 * 1000;

/// How long a refused connection counts, where the sidecar does not see whether its service listens.
const REFUSED_MS: u64 = 30_000;

/// A condition that is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What it is about.
    pub subject: NoticeSubject,
    /// The pods that are known to be concerned.
    pub pods: Vec<NoticePod>,
    /// When it began, as far as this observation shows, milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Until when it counts as present.
    pub until_ms: u64,
    /// What was seen, as a sentence with numbers.
    pub detail: String,
}

/// From which share of 5xx, and of how many requests, a service fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailingLimit {
    /// The share, 0 to 1.
    pub share: f64,
    /// The fewest requests.
    pub requests_min: u64,
}

impl Default for FailingLimit {
    /// From which an endpoint is red on the dashboard.
    fn default() -> Self {
        Self { share: FAILING_RED, requests_min: REQUESTS_MIN }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The pods.
    pub fleet: &'a Fleet,
    /// What was counted.
    pub timeline: &'a Timeline,
    /// The exchanges that pods have sent because they failed.
    pub pushed: &'a PushedFailures,
}

type Service = (String, String);

/// Returns what is present now, in the order of services.
pub fn gather(sources: Sources<'_>, timing: &NoticeTiming, limit: FailingLimit, now_ms: u64) -> Vec<Evidence> {
    let refused = refused_lately(sources.pushed, now_ms);
    let mut services: BTreeMap<Service, Vec<PodView>> = BTreeMap::new();
    for pod in sources.fleet.pods().iter() {
        let view = pod.view(now_ms);
        services.entry((view.workload.namespace.clone(), view.workload.service.clone())).or_default().push(view);
    }
    let mut evidence = Vec::new();
    for (service, pods) in &services {
        let of_service = |condition| of_pods(service, pods, condition, (timing, &refused), now_ms);
        evidence.extend(NoticeCondition::EACH.into_iter().filter_map(of_service));
    }
    evidence.extend(failing(sources, limit, now_ms));
    evidence
}

/// The pods, by namespace, service and name, that could not connect to their services lately.
fn refused_lately(pushed: &PushedFailures, now_ms: u64) -> HashMap<(String, String, String), u64> {
    let mut refused = HashMap::new();
    pushed.each_since(now_ms.saturating_sub(REFUSED_MS), |(namespace, service, _), remembered| {
        if remembered.exchange.outcome == Outcome::UpstreamConnect {
            let last = refused.entry((namespace.to_owned(), service.to_owned(), remembered.pod.to_string())).or_default();
            *last = remembered.exchange.started_ms.max(*last);
        }
    });
    refused
}

/// A condition of a service that is seen at its pods.
fn of_pods(
    (namespace, service): &Service,
    pods: &[PodView],
    condition: NoticeCondition,
    (timing, refused): (&NoticeTiming, &HashMap<(String, String, String), u64>),
    now_ms: u64,
) -> Option<Evidence> {
    let lasts_ms = timing.lasts_ms(condition);
    let last_refused = |pod: &PodView| refused.get(&(namespace.clone(), service.clone(), pod.workload.pod.clone())).copied();
    let concerned = |pod: &PodView| {
        let span = span_ms(pod, condition, last_refused(pod), now_ms)?;
        let until_ms = if lasts_ms > 0 { span.saturating_add(lasts_ms) } else { now_ms };
        let pod = NoticePod { name: pod.workload.pod.clone(), since_ms: span, until_ms };
        (until_ms >= now_ms).then_some(pod)
    };
    let concerned: Vec<NoticePod> = pods.iter().filter_map(concerned).collect();
    let (since_ms, until_ms) =
        concerned.iter().map(|pod| (pod.since_ms, pod.until_ms)).reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))?;
    let present = pods.iter().filter(|pod| pod.state != PodState::Gone).count();
    let detail = detail(condition, &concerned, pods, present);
    let subject = NoticeSubject { condition, namespace: namespace.clone(), service: service.clone() };
    Some(Evidence { subject, pods: concerned, since_ms, until_ms, detail })
}

/// Since when a pod is in a condition, or when it last happened to it; `None` if it is not.
fn span_ms(pod: &PodView, condition: NoticeCondition, last_refused_ms: Option<u64>, now_ms: u64) -> Option<u64> {
    let is_there = pod.state != PodState::Gone;
    match condition {
        NoticeCondition::Refusing => {
            let listener = pod.resources.map(|resources| resources.service.listener).unwrap_or_default();
            let refuses = match listener {
                ListenerState::Gone => true,
                ListenerState::NotYet => now_ms.saturating_sub(pod.began_ms) >= STARTING_MS_MAX,
                ListenerState::Unknown => last_refused_ms.is_some(),
                ListenerState::Listening => false,
            };
            (is_there && refuses).then_some(now_ms)
        }
        NoticeCondition::Vanished => (pod.state == PodState::Gone && !pod.has_left).then_some(pod.last_message_ms),
        NoticeCondition::OomKilled => pod.service_events.oom_killed_ms,
        NoticeCondition::Restarted => pod.service_events.restarted_ms,
        NoticeCondition::MemoryNear => {
            let used = pod.resources.filter(|used| is_memory_near(used.memory_bytes, used.memory_limit_bytes));
            used.filter(|_| is_there).map(|_| now_ms)
        }
        // It is counted for the whole service.
        NoticeCondition::Failing => None,
    }
}

fn detail(condition: NoticeCondition, concerned: &[NoticePod], pods: &[PodView], present: usize) -> String {
    let of = |all: usize| format!("{} of {}", concerned.len(), number::plural(all.max(concerned.len()), "pod", "pods"));
    match condition {
        NoticeCondition::Refusing => format!("No program accepts connections on the service's port, on {}", of(present)),
        NoticeCondition::Vanished => {
            let gone = number::plural(concerned.len(), "pod has", "pods have");
            format!("{gone} gone without signing off; {} left", number::plural(present, "pod is", "pods are"))
        }
        NoticeCondition::OomKilled => format!("The kernel has killed a process for lack of memory, on {}", of(present)),
        NoticeCondition::Restarted => format!("The service was restarted on {}", of(present)),
        NoticeCondition::MemoryNear => {
            let is_concerned = |pod: &&PodView| concerned.iter().any(|one| one.name == pod.workload.pod);
            let used = pods.iter().filter(is_concerned).filter_map(|pod| pod.resources).max_by_key(|used| used.memory_bytes);
            let used = used.unwrap_or_default();
            let words = |bytes| number::memory(bytes).words();
            let (bytes, limit) = (words(used.memory_bytes), words(used.memory_limit_bytes));
            format!("Memory is at {bytes} of {limit}, on {}", of(present))
        }
        NoticeCondition::Failing => String::new(),
    }
}

/// The services whose share of 5xx is over the limit, with the pods that have sent failures.
fn failing(sources: Sources<'_>, limit: FailingLimit, now_ms: u64) -> Vec<Evidence> {
    let range = TimeRange::last(FAILING_OVER, now_ms);
    let mut counted: BTreeMap<Service, (u64, u64)> = BTreeMap::new();
    for series in sources.timeline.all() {
        if series.seen().is_none_or(|seen| seen.last_ms < range.from_ms) {
            continue;
        }
        let golden = series.between(range);
        let sum = counted.entry((series.namespace().to_owned(), series.service().to_owned())).or_default();
        (sum.0, sum.1) = (sum.0.saturating_add(golden.failures()), sum.1.saturating_add(golden.served()));
    }
    counted.retain(|_, (failed, served)| *served >= limit.requests_min && ratio(*failed, *served) >= limit.share);
    if counted.is_empty() {
        return Vec::new();
    }
    let mut pods: HashMap<Service, BTreeMap<String, u64>> = HashMap::new();
    sources.pushed.each_since(range.from_ms, |(namespace, service, _), remembered| {
        let pods = pods.entry((namespace.to_owned(), service.to_owned())).or_default();
        let first = pods.entry(remembered.pod.to_string()).or_insert(u64::MAX);
        *first = remembered.exchange.started_ms.min(*first);
    });
    let evidence = |(service, (failed, served)): (Service, (u64, u64))| {
        let pods = pods.remove(&service).unwrap_or_default().into_iter();
        let pods = pods.map(|(name, since_ms)| NoticePod { name, since_ms, until_ms: now_ms }).collect();
        let share = number::percent(ratio(failed, served)).words();
        let detail =
            format!("{failed} of {} failed in the last minute ({share})", number::plural(served as usize, "request", "requests"));
        let (namespace, service) = service;
        let subject = NoticeSubject { condition: NoticeCondition::Failing, namespace, service };
        Evidence { subject, pods, since_ms: now_ms, until_ms: now_ms, detail }
    };
    counted.into_iter().map(evidence).collect()
}
