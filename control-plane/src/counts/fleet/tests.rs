//! Tests that pods are distinguished, superseded and forgotten, and that none crowds out the others.

use mesh::callers::{Callers, Calls};
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::{Coverage, EndpointReport, Report};
use mesh::workload::Workload;
use proto::convert::greeting::Greeting;

use crate::counts::fleet::pod::GONE_AFTER;
use crate::counts::fleet::*;
use crate::counts::timeline::Timeline;
use crate::model::pod::PodState;
use crate::model::principal::Namespaces;
use crate::model::reporter::Reporter;
use crate::query::callers::CalledBy;

const NOW_MS: u64 = 1_763_647_661_000;

fn greeting(pod: &str, epoch: u64, session: u32) -> Greeting {
    let workload = Workload {
        namespace: "default".into(),
        service: "shop".into(),
        pod: pod.into(),
        pod_uid: pod.into(),
        node: String::new(),
        addresses: vec![],
        version: String::new(),
    };
    Greeting { workload, epoch, session, protected: vec!["/healthz".into()], uptime: None, known: None }
}

fn claim(pod_uid: &str) -> UidClaim {
    UidClaim { pod_uid: pod_uid.into(), rival: None }
}

#[test]
fn only_the_newest_stream_speaks_for_a_pod() {
    let fleet = Fleet::new(Duration::from_secs(1));
    let first = fleet.attach(greeting("a", 5, 1), NOW_MS).unwrap();
    let second = fleet.attach(greeting("a", 5, 2), NOW_MS).unwrap();

    assert!(matches!(fleet.attach(greeting("a", 5, 2), NOW_MS), Err(NotAttached::OldSession { known: 2, .. })));
    first.record_bye(NOW_MS);
    drop(first);
    let seen = fleet.pods()[0].view(NOW_MS);
    assert!(seen.connected_ms.is_some() && !seen.has_left, "the end of an older stream changes nothing");

    drop(second);
    let third = fleet.attach(greeting("a", 6, 1), NOW_MS).unwrap();
    assert!(fleet.pods()[0].view(NOW_MS).connected_ms.is_some());
    drop(third);
    assert_eq!(fleet.pods()[0].view(NOW_MS).connected_ms, None);
    assert_eq!((fleet.pods().len(), fleet.streams_refused()), (1, 1));
}

#[test]
fn a_process_has_one_start_however_often_it_attaches_and_the_next_one_knows_the_version_before() {
    let fleet = Fleet::new(Duration::from_secs(1));
    let attach = |epoch: u64, session: u32, (uptime_s, version): (u64, &str), now_ms: u64| {
        let mut greeting = greeting("a", epoch, session);
        (greeting.uptime, greeting.workload.version) = (Some(Duration::from_secs(uptime_s)), version.into());
        drop(fleet.attach(greeting, now_ms).unwrap());
        let seen = fleet.pods()[0].view(now_ms);
        (seen.began_ms, seen.started_ms, seen.version_before)
    };
    assert_eq!(attach(5, 1, (60, "0.1.0"), NOW_MS), (NOW_MS - 60_000, NOW_MS - 60_000, None));
    // The uptime is a second off: the stream took its time.
    assert_eq!(attach(5, 2, (69, "0.1.0"), NOW_MS + 10_000), (NOW_MS - 60_000, NOW_MS - 60_000, None));
    let restarted = attach(6, 1, (2, "0.2.0"), NOW_MS + 20_000);
    assert_eq!(restarted, (NOW_MS - 60_000, NOW_MS + 18_000, Some("0.1.0".into())));
}

#[test]
fn a_pod_is_silent_then_gone_then_forgotten() {
    let fleet = Fleet::new(Duration::from_secs(3600));
    drop(fleet.attach(greeting("a", 1, 1), NOW_MS).unwrap());
    let state = |later_ms: u64| fleet.pods()[0].view(NOW_MS + later_ms).state;

    assert_eq!([state(4999), state(5000), state(59_999)], [PodState::Reporting, PodState::Silent, PodState::Silent]);
    assert_eq!(state(GONE_AFTER.as_millis() as u64), PodState::Gone);
    fleet.evict_gone(NOW_MS + 3_599_999);
    assert_eq!(fleet.pods().len(), 1);
    fleet.evict_gone(NOW_MS + 3_600_000);
    assert_eq!((fleet.pods().len(), fleet.pods_forgotten()), (0, 1));
    assert!(fleet.knows_service("default", "shop"), "the service is still known");
}

/// The snapshot of a process that has had this many requests since it started.
fn snapshot(hits: u64) -> Report {
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    let mut callers = Callers::default();
    for _ in 0..hits {
        callers.add(Some([10, 0, 0, 1].into()), Calls::one(NOW_MS, false));
    }
    let endpoints = vec![EndpointReport { endpoint, is_file: false, in_flight: 0, seen: None, golden, callers, recent: vec![] }];
    Report { seq: 1, coverage: Coverage::Snapshot, at_ms: NOW_MS, endpoints, resources: None, rules: Vec::new() }
}

#[test]
fn a_process_that_comes_back_after_it_was_forgotten_counts_nothing_twice() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(3600)), Timeline::new(NOW_MS));
    let hits =
        || timeline.series(Reporter { namespace: "default", service: "shop" }, &snapshot(0).endpoints[0].endpoint).totals().hits;
    let first = fleet.attach(greeting("a", 1, 1), NOW_MS).unwrap();
    first.absorb(&snapshot(10), NOW_MS, &timeline).unwrap();
    drop(first);

    // Given a process with nothing on disk, cut off for so long that it was forgotten...
    fleet.evict_gone(NOW_MS + 3_600_000);
    assert_eq!((fleet.pods().len(), fleet.hits_not_kept(), hits()), (0, 10, 0));

    // ...when it comes back, then its counts are known, and it need not repeat the past.
    let back_ms = NOW_MS + 3_700_000;
    let back = fleet.attach(greeting("a", 1, 2), back_ms).unwrap();
    assert!(back.is_known());
    back.absorb(&snapshot(12), back_ms, &timeline).unwrap();
    assert_eq!(hits(), 12);

    // Its end loses what was not counted as lost before, and a new process begins from zero.
    drop(back);
    let next = fleet.attach(greeting("a", 2, 1), back_ms).unwrap();
    next.absorb(&snapshot(5), back_ms, &timeline).unwrap();
    assert_eq!((hits(), fleet.hits_not_kept()), (5, 12));
    let called = CalledBy::from_all(&fleet, &timeline, &Namespaces::All, back_ms);
    assert_eq!(called.values().map(|by| by.sum.calls.hits).sum::<u64>(), 17, "nor do its callers, lost or not");
}

#[test]
fn who_has_said_goodbye_is_gone_at_once() {
    let fleet = Fleet::new(Duration::from_secs(3600));
    let attachment = fleet.attach(greeting("a", 1, 1), NOW_MS).unwrap();
    attachment.record_bye(NOW_MS);
    drop(attachment);
    assert_eq!(fleet.pods()[0].view(NOW_MS).state, PodState::Gone);
}

/// Hits of the one endpoint that the tests use.
fn hits(timeline: &Timeline) -> u64 {
    timeline.series(Reporter { namespace: "default", service: "shop" }, &snapshot(0).endpoints[0].endpoint).totals().hits
}

/// Nearly a day, in nanoseconds, ahead of the living pod's epoch.
const AHEAD: u64 = 23 * 3_600_000_000_000;

#[test]
fn two_living_processes_with_the_same_uid_are_both_counted_and_shown() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(3600)), Timeline::new(NOW_MS));
    let living = fleet.attach(greeting("a", 5, 1), NOW_MS).unwrap();
    living.absorb(&snapshot(10), NOW_MS, &timeline).unwrap();
    let impostor = fleet.attach(greeting("a", 5 + AHEAD, 1), NOW_MS).unwrap();
    impostor.absorb(&snapshot(3), NOW_MS, &timeline).unwrap();
    assert!(!living.superseded().is_cancelled(), "a living pod is not cut off");
    living.absorb(&Report { seq: 2, coverage: Coverage::Change, ..snapshot(1) }, NOW_MS, &timeline).unwrap();
    assert_eq!((hits(&timeline), fleet.pods().len()), (14, 2));
    let connected = |fleet: &Fleet| fleet.pods().iter().filter(|pod| pod.view(NOW_MS).connected_ms.is_some()).count();
    assert_eq!(connected(&fleet), 2);

    // Each may dial again, and continues as the same process.
    let again = [5, 5 + AHEAD].map(|epoch| fleet.attach(greeting("a", epoch, 2), NOW_MS).unwrap());
    assert!(again.iter().all(StreamSession::is_known));
    assert_eq!(fleet.pods().len(), 2);
    drop(again);

    // The one that has left is not shown beside the other for long.
    drop(impostor);
    let later_ms = NOW_MS + GONE_AFTER.as_millis() as u64;
    let living = fleet.attach(greeting("a", 5, 3), later_ms).unwrap();
    fleet.evict_gone(later_ms);
    assert_eq!((fleet.pods().len(), connected(&fleet), hits(&timeline)), (1, 1, 11));
    drop(living);
}

#[test]
fn of_two_processes_with_the_same_uid_the_one_without_a_stream_has_ended() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(3600)), Timeline::new(NOW_MS));
    let half_open = fleet.attach(greeting("a", 5, 1), NOW_MS).unwrap();
    half_open.absorb(&snapshot(10), NOW_MS, &timeline).unwrap();
    let next = fleet.attach(greeting("a", 6, 1), NOW_MS).unwrap();
    next.absorb(&snapshot(3), NOW_MS, &timeline).unwrap();
    assert_eq!((hits(&timeline), fleet.hits_not_kept()), (13, 0));

    drop(half_open);
    fleet.stream_ended();
    assert_eq!((fleet.hits_not_kept(), hits(&timeline)), (10, 3), "what it has not brought to disk is lost");

    let back = fleet.attach(greeting("a", 5, 2), NOW_MS).unwrap();
    assert!(back.is_known());
    back.absorb(&snapshot(11), NOW_MS, &timeline).unwrap();
    assert_eq!(hits(&timeline), 14, "and counted again when it is back");
}

#[test]
fn a_process_that_another_one_has_replaced_is_let_in_again_and_counted_once() {
    let (fleet, timeline) = (Fleet::new(Duration::from_secs(3600)), Timeline::new(NOW_MS));
    let first = fleet.attach(greeting("a", 7200, 1), NOW_MS).unwrap();
    first.absorb(&snapshot(10), NOW_MS, &timeline).unwrap();
    drop(first);
    let other = fleet.attach(greeting("a", 10, 1), NOW_MS).unwrap();
    other.absorb(&snapshot(2), NOW_MS, &timeline).unwrap();
    assert_eq!((fleet.hits_not_kept(), hits(&timeline)), (10, 2), "the first one is taken for ended");

    let back = fleet.attach(greeting("a", 7200, 2), NOW_MS).unwrap();
    assert!(back.is_known());
    back.absorb(&snapshot(11), NOW_MS, &timeline).unwrap();
    assert_eq!((hits(&timeline), fleet.pods().len()), (13, 2));

    // The same once more, after the other one is gone.
    drop((back, other));
    fleet.attach(greeting("a", 7200, 3), NOW_MS).unwrap().absorb(&snapshot(12), NOW_MS, &timeline).unwrap();
    fleet.attach(greeting("a", 10, 2), NOW_MS).unwrap().absorb(&snapshot(4), NOW_MS, &timeline).unwrap();
    assert_eq!(hits(&timeline), 16);
}

#[test]
fn a_stream_number_that_cannot_be_exceeded_mutes_a_process_for_a_few_dials_only() {
    let fleet = Fleet::new(Duration::from_secs(3600));
    let _impostor = fleet.attach(greeting("a", 5, u32::MAX), NOW_MS).unwrap();
    let refused = (1..100).take_while(|session| fleet.attach(greeting("a", 5, *session), NOW_MS).is_err()).count();
    assert_eq!(refused, 8);
    // Late frames of one ended stream are no reason to accept it.
    let _newer = fleet.attach(greeting("a", 5, 100), NOW_MS).unwrap();
    assert!((0..100).all(|_| fleet.attach(greeting("a", 5, 50), NOW_MS).is_err()));
}

#[test]
fn services_without_pods_make_room_for_others() {
    let fleet = Fleet::new(Duration::from_secs(1));
    let of_service = |number: usize| {
        let mut greeting = greeting(&format!("pod-{number}"), 1, 1);
        greeting.workload.service = format!("preview-{number}");
        greeting
    };
    let kept = fleet.attach(of_service(0), NOW_MS).unwrap();
    for number in 1..SERVICES_MAX {
        drop(fleet.attach(of_service(number), NOW_MS).unwrap());
    }
    assert!(matches!(fleet.attach(of_service(SERVICES_MAX), NOW_MS), Err(NotAttached::Full)), "all have pods");

    let later_ms = NOW_MS + 3_600_000;
    fleet.evict_gone(later_ms);
    assert!(fleet.knows_service("default", "preview-5"));
    fleet.attach(of_service(SERVICES_MAX), later_ms).unwrap();
    assert!(fleet.knows_service("default", "preview-0") && !fleet.knows_service("default", "preview-5"));
    drop(kept);
}

#[test]
fn pods_that_are_gone_make_room_for_others_and_a_service_that_finds_none_is_not_known() {
    let fleet = Fleet::new(Duration::from_secs(3600));
    let mut here = Vec::new();
    for number in 0..crate::model::limits::PODS_MAX {
        let attachment = fleet.attach(greeting(&format!("pod-{number}"), 1, 1), NOW_MS + number as u64).unwrap();
        if number % 2 == 0 {
            here.push(attachment);
        }
    }
    let mut newcomer = greeting("newcomer", 1, 1);
    newcomer.workload.service = "other".into();
    let soon_ms = NOW_MS + crate::model::limits::PODS_MAX as u64;
    assert!(matches!(fleet.attach(newcomer.clone(), soon_ms), Err(NotAttached::Full)), "none is gone yet");
    assert!(!fleet.knows_service("default", "other"));

    fleet.attach(newcomer, soon_ms + GONE_AFTER.as_millis() as u64).unwrap();
    assert!(fleet.knows_service("default", "other"));
    assert_eq!(fleet.pods_forgotten(), crate::model::limits::PODS_MAX as u64 / 4);
    let is_here = |pod: &str| fleet.pods.contains_key(&claim(pod));
    assert!(is_here("pod-0") && !is_here("pod-1") && is_here(&format!("pod-{}", crate::model::limits::PODS_MAX - 1)));
}

#[test]
fn a_pod_that_comes_back_while_it_is_being_forgotten_is_not_lost() {
    let fleet = Fleet::new(Duration::ZERO);
    let later_ms = NOW_MS + GONE_AFTER.as_millis() as u64;
    std::thread::scope(|threads| {
        threads.spawn(|| (0..20_000).for_each(|_| fleet.evict_gone(later_ms)));
        for session in 1..20_000 {
            let attachment = fleet.attach(greeting("a", 1, session), later_ms).unwrap();
            attachment.record_bye(NOW_MS);
            assert!(fleet.pods.contains_key(&claim("a")), "stream {session} speaks for a pod that is not shown");
        }
    });
}

/// Reports a snapshot of this many hits on a stream.
fn describe(stream: &StreamSession, hits: u64, timeline: &Timeline) {
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    let endpoint = EndpointReport {
        endpoint: Endpoint::named("GET", "/a").unwrap(),
        is_file: false,
        in_flight: 0,
        seen: None,
        golden,
        callers: Callers::default(),
        recent: Vec::new(),
    };
    let report = Report {
        seq: 1,
        coverage: Coverage::Snapshot,
        at_ms: NOW_MS,
        endpoints: vec![endpoint],
        resources: None,
        rules: Vec::new(),
    };
    stream.absorb(&report, NOW_MS, timeline).unwrap();
}

#[test]
fn a_pods_row_adds_up_its_processes_whether_it_keeps_its_uid_or_not() {
    let began = (NOW_MS - 30_000) * 1_000_000;
    for keeps_its_uid in [true, false] {
        let (fleet, timeline) = (Fleet::new(Duration::from_secs(3600)), Timeline::new(0));
        for life in 0..6 {
            let mut greeting = greeting("a", began + life, 1);
            if !keeps_its_uid {
                greeting.workload.pod_uid = format!("made-up-{life}");
            }
            let stream = fleet.attach(greeting, NOW_MS).unwrap();
            describe(&stream, 10, &timeline);
            drop(stream);
            fleet.stream_ended();
        }
        let lately = fleet.recent_by_pod(("default", "shop"), &Endpoint::named("GET", "/a").unwrap(), NOW_MS);

        assert_eq!(lately.len(), 1, "{lately:?}");
        assert_eq!((lately["a"].hits, lately["a"].covered_ms), (60, 30_000), "its uid is kept: {keeps_its_uid}");
        assert_eq!(fleet.pods().len(), 1, "a restart is the same pod");
    }
}

#[test]
fn two_pods_of_one_name_that_are_both_there_are_two() {
    let fleet = Fleet::new(Duration::from_secs(3600));
    let of_uid = |uid: &str| {
        let mut greeting = greeting("host", 1, 1);
        greeting.workload.pod_uid = uid.into();
        fleet.attach(greeting, NOW_MS).unwrap()
    };
    let (_one, other) = (of_uid("one"), of_uid("other"));
    assert_eq!(fleet.pods().len(), 2);

    drop(other);
    fleet.stream_ended();
    assert_eq!(fleet.pods().len(), 1);
    assert_eq!(fleet.pods().all_processes().count(), 2, "what it counted is not forgotten");
}
