//! Tests of the life of notices, with the time as an argument.

use super::*;

const BEGAN_MS: u64 = 1_763_647_200_000;

/// A mesh that is looked at once a second.
struct Story {
    lifecycle: Lifecycle,
    timing: NoticeTiming,
    now_ms: u64,
    absence: Absence,
    back: Vec<String>,
    events: Vec<(NoticeEvent, NoticeCondition)>,
}

impl Story {
    fn new() -> Self {
        let lifecycle = Lifecycle::default();
        let timing = NoticeTiming::default();
        Self { lifecycle, timing, now_ms: BEGAN_MS, absence: Absence::Known, back: Vec::new(), events: Vec::new() }
    }

    /// Looks for so many seconds at what `present` returns.
    fn for_s(&mut self, seconds: u64, present: impl Fn(u64) -> Vec<Evidence>) -> Vec<(NoticeEvent, NoticeCondition)> {
        let before = self.events.len();
        for _ in 0..seconds {
            self.now_ms += 1000;
            let back = self.back.clone();
            let is_back = |_: &NoticeSubject, pod: &str| back.iter().any(|name| name == pod);
            let evidence = present(self.now_ms);
            let observation = Observation { evidence, absence: self.absence, is_back: &is_back, now_ms: self.now_ms };
            let transitions = self.lifecycle.observe(observation, &self.timing);
            self.events.extend(transitions.into_iter().filter_map(|one| Some((one.event?, one.notice.subject.condition))));
        }
        self.events[before..].to_vec()
    }

    /// Another control plane continues with what is stored.
    fn restart(&mut self) {
        let stored = self.lifecycle.firing.values().map(|firing| (firing.notice.clone(), firing.reported_ms));
        let stored: Vec<_> = stored.chain(self.lifecycle.resolved.iter().map(|notice| (notice.clone(), 0))).collect();
        self.now_ms += 20_000;
        self.lifecycle = Lifecycle::restore(stored, self.now_ms);
    }
}

fn subject(condition: NoticeCondition, service: &str) -> NoticeSubject {
    NoticeSubject { condition, namespace: "shop".into(), service: service.into() }
}

fn seen(condition: NoticeCondition, pods: &[&str], since_ms: u64, until_ms: u64) -> Vec<Evidence> {
    let pods = pods.iter().map(|pod| NoticePod { name: (*pod).into(), since_ms, until_ms }).collect();
    vec![Evidence { subject: subject(condition, "legacy"), pods, since_ms, until_ms, detail: "Seen".into() }]
}

fn refusing(now_ms: u64) -> Vec<Evidence> {
    seen(NoticeCondition::Refusing, &["a", "b", "c"], now_ms, now_ms)
}

fn nothing(_: u64) -> Vec<Evidence> {
    Vec::new()
}

const FIRING: NoticeEvent = NoticeEvent::Firing;
const RESOLVED: NoticeEvent = NoticeEvent::Resolved;

#[test]
fn one_notice_begins_and_ends_once_for_all_pods() {
    let mut story = Story::new();
    assert_eq!(story.for_s(9, refusing), []);
    assert_eq!(story.for_s(60, refusing), [(FIRING, NoticeCondition::Refusing)]);
    let notice = story.lifecycle.firing()[0].clone();
    assert_eq!((notice.pods.len(), notice.since_ms, notice.times), (3, BEGAN_MS + 1000, 1));
    assert_eq!(story.for_s(119, nothing), []);
    assert_eq!(story.for_s(60, nothing), [(RESOLVED, NoticeCondition::Refusing)]);
    let ended = story.lifecycle.resolved().next().unwrap();
    assert_eq!(
        (ended.id.clone(), ended.resolved_ms),
        (notice.id, Some(BEGAN_MS + 69_000)),
        "when it was over, not when that was certain"
    );
}

#[test]
fn a_short_outage_is_no_notice() {
    let mut story = Story::new();
    story.for_s(9, refusing);
    assert_eq!(story.for_s(600, nothing), []);
}

#[test]
fn what_comes_and_goes_is_one_notice() {
    let mut story = Story::new();
    let flapping = |now_ms: u64| if now_ms / 1000 % 8 < 4 { refusing(now_ms) } else { Vec::new() };
    assert_eq!(story.for_s(3600, flapping), [(FIRING, NoticeCondition::Refusing)]);
    assert!(story.lifecycle.firing()[0].times > 100, "{:?}", story.lifecycle.firing());
    assert_eq!(story.for_s(200, nothing), [(RESOLVED, NoticeCondition::Refusing)]);
}

#[test]
fn what_lasts_is_repeated_every_four_hours() {
    let mut story = Story::new();
    let events = story.for_s(9 * 3600, refusing);
    assert_eq!(events.iter().filter(|(event, _)| *event == NoticeEvent::Repeated).count(), 2, "{events:?}");
}

#[test]
fn a_restart_of_the_control_plane_fires_nothing_twice_and_loses_no_end() {
    let mut story = Story::new();
    story.for_s(60, refusing);
    story.restart();
    assert_eq!(story.for_s(60, refusing), []);
    story.restart();
    story.absence = Absence::Unknown;
    assert_eq!(story.for_s(300, nothing), [], "the pods have not reported yet");
    story.absence = Absence::Known;
    assert_eq!(story.for_s(121, nothing), [(RESOLVED, NoticeCondition::Refusing)]);
    story.restart();
    assert_eq!(story.for_s(300, nothing), []);
    assert_eq!(story.lifecycle.resolved().count(), 1);
}

#[test]
fn a_restart_at_the_end_of_an_outage_is_not_reported_by_itself() {
    let mut story = Story::new();
    story.for_s(60, refusing);
    let restarted_ms = story.now_ms + 1000;
    let restarted = |_| seen(NoticeCondition::Restarted, &["a"], restarted_ms, restarted_ms + 360_000);
    assert_eq!(
        story.for_s(1000, |now_ms| if now_ms < restarted_ms + 360_000 { restarted(now_ms) } else { Vec::new() }),
        [(RESOLVED, NoticeCondition::Refusing)]
    );
    // Another one, later, is news, and lasts for its time.
    let again_ms = story.now_ms;
    let again = |now_ms: u64| {
        if now_ms < again_ms + 360_000 {
            seen(NoticeCondition::Restarted, &["a"], again_ms, again_ms + 360_000)
        } else {
            Vec::new()
        }
    };
    let events = story.for_s(1000, again);
    assert_eq!(events, [(FIRING, NoticeCondition::Restarted), (RESOLVED, NoticeCondition::Restarted)]);
}

#[test]
fn failures_of_a_service_that_refuses_connections_are_no_second_notice() {
    let mut story = Story::new();
    let both = |now_ms| [refusing(now_ms), seen(NoticeCondition::Failing, &[], now_ms, now_ms)].concat();
    assert_eq!(story.for_s(300, both), [(FIRING, NoticeCondition::Refusing)]);
    let alone = |now_ms| seen(NoticeCondition::Failing, &[], now_ms, now_ms);
    assert_eq!(story.for_s(300, alone), [(RESOLVED, NoticeCondition::Refusing), (FIRING, NoticeCondition::Failing)]);
}

#[test]
fn a_pod_that_is_back_ends_the_notice_about_it_and_one_that_stays_away_ends_in_time() {
    for is_back in [true, false] {
        let mut story = Story::new();
        let gone_ms = story.now_ms;
        let gone = |_| seen(NoticeCondition::Vanished, &["a"], gone_ms, gone_ms + 900_000);
        assert_eq!(story.for_s(1, gone), [(FIRING, NoticeCondition::Vanished)]);
        // After a restart, the control plane does not know the pod any more.
        story.restart();
        assert_eq!(story.for_s(60, nothing), []);
        if is_back {
            story.back.push("a".into());
        }
        assert_eq!(story.for_s(60, nothing).len(), usize::from(is_back));
        assert_eq!(story.for_s(900, nothing).len(), usize::from(!is_back));
    }
}

#[test]
fn everything_is_bounded() {
    let mut story = Story::new();
    let many = |now_ms: u64| {
        let pods: Vec<String> = (0..100).map(|pod| format!("pod-{pod}")).collect();
        let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
        let one = seen(NoticeCondition::OomKilled, &pods, now_ms, now_ms).remove(0);
        (0..FIRING_MAX + 10)
            .map(|at| Evidence { subject: subject(NoticeCondition::OomKilled, &format!("s{at}")), ..one.clone() })
            .collect()
    };
    assert_eq!(story.for_s(1, many).len(), FIRING_MAX);
    assert_eq!(
        (story.lifecycle.no_room, story.lifecycle.firing()[0].pods.len(), story.lifecycle.firing()[0].pods_total),
        (10, PODS_MAX, 100)
    );
    assert_eq!(story.for_s(10, nothing).len(), FIRING_MAX);
    assert_eq!(story.lifecycle.resolved().count(), RESOLVED_MAX);
}
