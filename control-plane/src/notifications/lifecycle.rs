//! The life of a notice: pending until the condition has lasted, firing until it has been over for a while, resolved.
//!
//! A condition that comes and goes is one notice. It fires once it has been present for long enough in sum, and it ends
//! only after it has been absent for `resolve_after` without a break.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::notice::{Notice, NoticeCondition, NoticeEvent, NoticeExchange, NoticePod, NoticeSubject, PODS_MAX};
use crate::notifications::evidence::Evidence;
use crate::notifications::timing::NoticeTiming;

/// Notices that fire at a time. A mesh in which more services fail has one cause, and these are enough to see it.
pub const FIRING_MAX: usize = 500;

/// Ended notices that are kept.
pub const RESOLVED_MAX: usize = 200;

/// The longest time between two looks that counts as one: over it, the program was stopped, and nothing is known.
const OBSERVATION_MS_MAX: u64 = 5_000;

/// A condition that was absent for longer has begun again: sidecars report once a second, and one report may be late.
const BEGINS_AGAIN_MS: u64 = 3_000;

/// All notices.
#[derive(Debug, Default)]
pub struct Lifecycle {
    pending: BTreeMap<NoticeSubject, Pending>,
    firing: BTreeMap<NoticeSubject, Firing>,
    /// Newest last.
    resolved: VecDeque<Notice>,
    observed_ms: Option<u64>,
    /// Notices that were not made because [`FIRING_MAX`] fire.
    pub no_room: u64,
}

/// A condition that has not lasted for long enough yet.
#[derive(Debug)]
struct Pending {
    since_ms: u64,
    last_seen_ms: u64,
    /// How long it was present in sum.
    present: Duration,
}

/// A notice that fires.
#[derive(Debug, Clone)]
struct Firing {
    notice: Notice,
    /// When the condition was last present.
    present_ms: u64,
    /// When it was last reported.
    reported_ms: u64,
}

/// What happened to a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// What happened; `None` if only its pods or its words have changed.
    pub event: Option<NoticeEvent>,
    /// The notice.
    pub notice: Notice,
    /// The id of an ended notice that is forgotten in its place.
    pub forgotten: Option<String>,
}

/// Whether an absent condition proves that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// All pods have reported.
    Known,
    /// Some pods have not reported since a restart of the control plane.
    Unknown,
}

/// Whether the pod of this name reports.
pub type IsBack<'a> = &'a dyn Fn(&NoticeSubject, &str) -> bool;

/// What is seen of the mesh at one moment.
pub struct Observation<'a> {
    /// What is present.
    pub evidence: Vec<Evidence>,
    /// What its absence means.
    pub absence: Absence,
    /// Whether the pod of this name reports; asked for pods that had vanished.
    pub is_back: IsBack<'a>,
    /// The time, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

impl Lifecycle {
    /// Continues with the notices of the store, which are as old as they are. A condition counts as present until now,
    /// because nothing was seen while there was no control plane.
    pub fn restore(stored: impl IntoIterator<Item = (Notice, u64)>, now_ms: u64) -> Self {
        let mut lifecycle = Self::default();
        let mut resolved = Vec::new();
        for (notice, reported_ms) in stored {
            if notice.resolved_ms.is_some() {
                resolved.push(notice);
            } else {
                lifecycle.firing.insert(notice.subject.clone(), Firing { notice, present_ms: now_ms, reported_ms });
            }
        }
        resolved.sort_unstable_by_key(|notice| notice.resolved_ms);
        lifecycle.resolved = resolved.into();
        lifecycle
    }

    /// The notices that fire, the newest first.
    pub fn firing(&self) -> Vec<&Notice> {
        let mut firing: Vec<&Notice> = self.firing.values().map(|firing| &firing.notice).collect();
        firing.sort_by_key(|notice| std::cmp::Reverse(notice.since_ms));
        firing
    }

    /// The notices that have ended, the newest first.
    pub fn resolved(&self) -> impl Iterator<Item = &Notice> {
        self.resolved.iter().rev()
    }

    /// Takes in what is present now, and returns what has happened.
    pub fn observe(&mut self, observation: Observation<'_>, timing: &NoticeTiming) -> Vec<Transition> {
        let passed_ms =
            self.observed_ms.map_or(0, |before_ms| observation.now_ms.saturating_sub(before_ms).min(OBSERVATION_MS_MAX));
        self.observed_ms = Some(observation.now_ms);
        let evidence = self.suppress_consequences(observation.evidence);
        let mut transitions = Vec::new();
        for evidence in evidence {
            if let Some(firing) = self.firing.get_mut(&evidence.subject) {
                let has_changed = firing.observe(evidence, observation.now_ms);
                transitions.extend(has_changed.then(|| Transition::change(&firing.notice)));
            } else {
                transitions.extend(self.advance(evidence, passed_ms, timing, observation.now_ms));
            }
        }
        self.pending.retain(|_, pending| observation.now_ms.saturating_sub(pending.last_seen_ms) < timing.resolve_after_ms);
        transitions.extend(self.ended((observation.absence, observation.is_back), timing, observation.now_ms));
        transitions.extend(self.repeated(timing, observation.now_ms));
        transitions
    }

    /// Sets the exchanges of a notice that fires.
    pub fn attach(&mut self, subject: &NoticeSubject, exchanges: Vec<NoticeExchange>) -> Option<&Notice> {
        let firing = self.firing.get_mut(subject)?;
        firing.notice.exchanges = exchanges;
        Some(&firing.notice)
    }

    /// Leaves out what another condition of the same service explains, so that one cause is one notice: a service that
    /// refuses connections fails requests, and is restarted at the end; so is one that ran out of memory.
    fn suppress_consequences(&self, evidence: Vec<Evidence>) -> Vec<Evidence> {
        let present: Vec<NoticeSubject> = evidence.iter().map(|evidence| evidence.subject.clone()).collect();
        let is_there = |subject: &NoticeSubject, condition| {
            let cause = NoticeSubject { condition, ..subject.clone() };
            present.contains(&cause) || self.firing.contains_key(&cause)
        };
        let ended_ms = |subject: &NoticeSubject, condition| {
            let cause = NoticeSubject { condition, ..subject.clone() };
            self.resolved.iter().rev().find(|notice| notice.subject == cause).and_then(|notice| notice.resolved_ms)
        };
        let mut left = evidence;
        left.retain_mut(|evidence| match evidence.subject.condition {
            _ if self.firing.contains_key(&evidence.subject) => true,
            NoticeCondition::Failing => !is_there(&evidence.subject, NoticeCondition::Refusing),
            NoticeCondition::Restarted => {
                let causes = [NoticeCondition::Refusing, NoticeCondition::OomKilled];
                let explained_ms = causes.iter().filter_map(|cause| ended_ms(&evidence.subject, *cause)).max().unwrap_or(0);
                // The ended notice has seen the service a moment before it was restarted.
                evidence.pods.retain(|pod| pod.since_ms > explained_ms.saturating_add(OBSERVATION_MS_MAX));
                !evidence.pods.is_empty() && !causes.iter().any(|cause| is_there(&evidence.subject, *cause))
            }
            _ => true,
        });
        left
    }

    fn advance(&mut self, evidence: Evidence, passed_ms: u64, timing: &NoticeTiming, now_ms: u64) -> Option<Transition> {
        let begin = Pending { since_ms: evidence.since_ms, last_seen_ms: now_ms, present: Duration::ZERO };
        let pending = self.pending.entry(evidence.subject.clone()).or_insert(begin);
        if now_ms.saturating_sub(pending.last_seen_ms) <= OBSERVATION_MS_MAX && pending.last_seen_ms != now_ms {
            pending.present += Duration::from_millis(passed_ms);
        }
        pending.last_seen_ms = now_ms;
        if pending.present.as_millis() < u128::from(timing.after_ms(evidence.subject.condition)) {
            return None;
        }
        let pending = self.pending.remove(&evidence.subject)?;
        if self.firing.len() >= FIRING_MAX {
            self.no_room += 1;
            return None;
        }
        let mut notice = Notice {
            id: uuid::Uuid::new_v4().simple().to_string(),
            subject: evidence.subject.clone(),
            since_ms: pending.since_ms,
            resolved_ms: None,
            detail: evidence.detail,
            times: 1,
            pods: Vec::new(),
            pods_total: 0,
            exchanges: Vec::new(),
        };
        let mut pods = evidence.pods;
        for pod in &mut pods {
            pod.since_ms = pod.since_ms.min(pending.since_ms);
        }
        merge_pods(&mut notice, pods);
        let firing = Firing { notice: notice.clone(), present_ms: evidence.until_ms.max(now_ms), reported_ms: now_ms };
        self.firing.insert(evidence.subject, firing);
        Some(Transition { event: Some(NoticeEvent::Firing), notice, forgotten: None })
    }

    /// Ends the notices whose condition has been absent for long enough.
    fn ended(&mut self, (absence, is_back): (Absence, IsBack<'_>), timing: &NoticeTiming, now_ms: u64) -> Vec<Transition> {
        let mut over = Vec::new();
        for (subject, firing) in &mut self.firing {
            firing.keep_lasting(|pod| subject.condition == NoticeCondition::Vanished && is_back(subject, pod), now_ms);
            if absence == Absence::Unknown {
                firing.present_ms = firing.present_ms.max(now_ms);
            }
            let absent_ms = now_ms.saturating_sub(firing.present_ms);
            if absent_ms > 0 && absent_ms >= timing.absent_ms(subject.condition) {
                over.push(subject.clone());
            }
        }
        let mut transitions = Vec::new();
        for firing in over.iter().filter_map(|subject| self.firing.remove(subject)) {
            let notice = Notice { resolved_ms: Some(firing.present_ms.min(now_ms)), ..firing.notice };
            self.resolved.push_back(notice.clone());
            let forgotten = (self.resolved.len() > RESOLVED_MAX).then(|| self.resolved.pop_front()).flatten();
            let forgotten = forgotten.map(|notice| notice.id);
            transitions.push(Transition { event: Some(NoticeEvent::Resolved), notice, forgotten });
        }
        transitions
    }

    fn repeated(&mut self, timing: &NoticeTiming, now_ms: u64) -> Vec<Transition> {
        let due = self.firing.values_mut().filter(|firing| now_ms.saturating_sub(firing.reported_ms) >= timing.repeat_ms);
        let again = |firing: &mut Firing| {
            firing.reported_ms = now_ms;
            Transition { event: Some(NoticeEvent::Repeated), notice: firing.notice.clone(), forgotten: None }
        };
        due.map(again).collect()
    }
}

impl Firing {
    /// Takes in that the condition is present, and returns whether the notice has changed.
    fn observe(&mut self, evidence: Evidence, now_ms: u64) -> bool {
        let began_again = now_ms.saturating_sub(self.present_ms) > BEGINS_AGAIN_MS;
        self.present_ms = self.present_ms.max(evidence.until_ms).max(now_ms);
        let before: Vec<String> = self.notice.pods.iter().map(|pod| pod.name.clone()).collect();
        let total = self.notice.pods_total;
        merge_pods(&mut self.notice, evidence.pods);
        let has_pods = total != self.notice.pods_total || self.notice.pods.iter().map(|pod| &pod.name).ne(&before);
        if began_again {
            self.notice.times = self.notice.times.saturating_add(1);
        }
        if began_again || has_pods {
            self.notice.detail = evidence.detail;
        }
        began_again || has_pods
    }

    /// Something that happened once lasts until its time is over, unless the pod is back.
    fn keep_lasting(&mut self, is_back: impl Fn(&str) -> bool, now_ms: u64) {
        let lasting = self.notice.pods.iter_mut().filter(|pod| pod.until_ms > now_ms);
        let back = lasting.filter(|pod| is_back(&pod.name));
        back.for_each(|pod| pod.until_ms = now_ms);
        let until_ms = self.notice.pods.iter().map(|pod| pod.until_ms).max().unwrap_or(0);
        if until_ms >= now_ms {
            self.present_ms = now_ms;
        } else {
            self.present_ms = self.present_ms.min(now_ms);
        }
    }
}

impl Transition {
    fn change(notice: &Notice) -> Self {
        Self { event: None, notice: notice.clone(), forgotten: None }
    }
}

/// Adds pods, and prolongs those that are listed.
fn merge_pods(notice: &mut Notice, pods: Vec<NoticePod>) {
    let listed = pods.len();
    for pod in pods {
        match notice.pods.iter().position(|known| known.name == pod.name) {
            Some(at) => notice.pods[at].until_ms = notice.pods[at].until_ms.max(pod.until_ms),
            None if notice.pods.len() < PODS_MAX => notice.pods.push(pod),
            None => {}
        }
    }
    notice.pods_total = notice.pods_total.max(notice.pods.len()).max(listed);
}

#[cfg(test)]
mod tests;
