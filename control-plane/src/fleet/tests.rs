//! Proofs that pods are told apart, fenced, forgotten, and that nobody crowds the others out.

use mesh::workload::Workload;
use proto::convert::greeting::Greeting;

use crate::fleet::pod::GONE_AFTER;

use super::*;

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
    Greeting { workload, epoch, session, protected: vec!["/healthz".into()] }
}

#[test]
fn only_the_newest_stream_speaks_for_a_pod() {
    let fleet = Fleet::new(Duration::from_secs(1));
    let first = fleet.attach(greeting("a", 5, 1), NOW_MS).unwrap();
    let second = fleet.attach(greeting("a", 5, 2), NOW_MS).unwrap();

    assert!(matches!(fleet.attach(greeting("a", 5, 2), NOW_MS), Err(NotAttached::OldSession { known: 2, .. })));
    assert!(matches!(fleet.attach(greeting("a", 4, 9), NOW_MS), Err(NotAttached::OldEpoch(_))));
    first.left(NOW_MS);
    drop(first);
    let seen = fleet.pods()[0].seen(NOW_MS);
    assert!(seen.connected_ms.is_some() && !seen.has_left, "what an older stream says of its end concerns nobody");

    let third = fleet.attach(greeting("a", 6, 1), NOW_MS).unwrap();
    drop(second);
    assert!(fleet.pods()[0].seen(NOW_MS).connected_ms.is_some());
    drop(third);
    assert_eq!(fleet.pods()[0].seen(NOW_MS).connected_ms, None);
    assert_eq!((fleet.pods().len(), fleet.streams_refused()), (1, 2));
}

#[test]
fn a_pod_is_silent_then_gone_then_forgotten() {
    let fleet = Fleet::new(Duration::from_secs(3600));
    drop(fleet.attach(greeting("a", 1, 1), NOW_MS).unwrap());
    let state = |later_ms: u64| fleet.pods()[0].seen(NOW_MS + later_ms).state;

    assert_eq!([state(4999), state(5000), state(59_999)], [PodState::Reporting, PodState::Silent, PodState::Silent]);
    assert_eq!(state(GONE_AFTER.as_millis() as u64), PodState::Gone);
    fleet.forget(NOW_MS + 3_599_999);
    assert_eq!(fleet.pods().len(), 1);
    fleet.forget(NOW_MS + 3_600_000);
    assert_eq!((fleet.pods().len(), fleet.pods_forgotten()), (0, 1));
    assert!(fleet.knows("default", "shop"), "the service is still known");
}

#[test]
fn who_has_said_goodbye_is_gone_at_once() {
    let fleet = Fleet::new(Duration::from_secs(3600));
    let attachment = fleet.attach(greeting("a", 1, 1), NOW_MS).unwrap();
    attachment.left(NOW_MS);
    drop(attachment);
    assert_eq!(fleet.pods()[0].seen(NOW_MS).state, PodState::Gone);
}
