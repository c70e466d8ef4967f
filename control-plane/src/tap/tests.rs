//! Tests that taps are limited, that a stalled reader slows no other, and that everything that is not shown is counted.

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::tap::{Dropped, Sighting};
use mesh::workload::Workload;

use crate::tap::open::TapLosses;
use crate::tap::*;

fn pod(name: &str) -> Arc<Workload> {
    Arc::new(Workload {
        namespace: "default".into(),
        service: "shop".into(),
        pod: name.into(),
        pod_uid: name.into(),
        node: String::new(),
        addresses: vec![],
        version: String::new(),
    })
}

fn seen(tap: &OpenTap, status: u16) -> Sighting {
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    Sighting { tap: tap.id, endpoint, exchange: Exchange { status, ..Exchange::default() } }
}

fn open(taps: &Arc<OpenTaps>, status: &str, per_second_max: u32) -> TapReader {
    taps.open(TapScope::default(), Filter::read("", "", status).unwrap(), per_second_max).unwrap()
}

#[test]
fn there_are_only_so_many_and_one_that_ends_makes_room() {
    let taps = Arc::<OpenTaps>::default();
    let mut changes = taps.watch();
    let mut readers: Vec<_> = (0..TAPS_MAX).map(|_| open(&taps, "", 10)).collect();
    assert!(matches!(taps.open(TapScope::default(), Filter::default(), 1), Err(TooMany)));
    assert_eq!((changes.borrow_and_update().len(), taps.refused.so_far()), (TAPS_MAX, 1));
    let first = readers.remove(0).tap.id;
    assert!(changes.has_changed().unwrap());
    assert_eq!((taps.count(), taps.watch().borrow().iter().any(|tap| tap.id == first)), (TAPS_MAX - 1, false));
    assert!(open(&taps, "", 1).tap.id > first, "a number is never used again");
}

#[test]
fn a_slow_reader_loses_what_has_no_room_and_learns_how_much() {
    let taps = Arc::<OpenTaps>::default();
    let mut reader = open(&taps, "", 10_000);
    for _ in 0..1000 {
        assert!(reader.tap.offer(&pod("shop-1"), seen(&reader.tap, 200), 7));
    }
    let shown = std::iter::from_fn(|| reader.events.try_recv().ok()).count() as u64;
    assert_eq!((shown, reader.tap.losses()), (512, TapLosses { reader: 488, ..TapLosses::default() }));
    assert!(!reader.tap.is_stalled(), "it has not been long");
    reader.tap.close();
    assert!(matches!(reader.events.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
}

#[test]
fn the_rate_holds_for_all_pods_together_and_each_is_given_its_share() {
    let taps = Arc::<OpenTaps>::default();
    let mut reader = open(&taps, "", 80);
    let pods: Vec<_> = (0..300).map(|at| pod(&format!("shop-{at}"))).collect();
    let joined = pods.iter().filter(|pod| reader.tap.join(pod)).count();
    assert_eq!((joined, reader.tap.losses().pods, reader.tap.for_sidecar().per_second_max), (256, 44, 2));
    while reader.events.try_recv().is_ok() {}
    assert!(pods.iter().all(|pod| reader.tap.offer(pod, seen(&reader.tap, 200), 7)));
    assert_eq!(std::iter::from_fn(|| reader.events.try_recv().ok()).count(), 80);
    assert_eq!(reader.tap.losses().rate, 220);
    pods[..255].iter().for_each(|pod| reader.tap.leave(pod));
    assert_eq!(reader.tap.for_sidecar().per_second_max, 80, "a pod alone may send all of it");
}

#[test]
fn what_was_not_asked_for_is_not_shown() {
    let taps = Arc::<OpenTaps>::default();
    let mut reader = open(&taps, "5xx", 10);
    assert!(!reader.tap.offer(&pod("liar"), seen(&reader.tap, 200), 7));
    assert!(reader.events.try_recv().is_err());
    assert_eq!(reader.tap.losses(), TapLosses { unasked: 1, ..TapLosses::default() });
    reader.tap.dropped(Dropped { over_rate: u64::MAX, over_queue: 1 });
    reader.tap.dropped(Dropped { over_rate: u64::MAX, over_queue: 1 });
    assert_eq!((reader.tap.losses().rate, reader.tap.losses().queue), (u64::MAX, 2));
}

#[test]
fn a_scope_selects_sidecars() {
    let taps = Arc::<OpenTaps>::default();
    let scope = |service: &str, pod: Option<&str>| {
        let scope = TapScope { service: Some(service.into()), pod: pod.map(str::to_owned), ..TapScope::default() };
        taps.open(scope, Filter::default(), 1).unwrap()
    };
    assert!(scope("shop", None).tap.covers(&pod("shop-1")));
    assert!(scope("shop", Some("shop-1")).tap.covers(&pod("shop-1")));
    assert!(!scope("shop", Some("shop-2")).tap.covers(&pod("shop-1")));
    assert!(!scope("cart", None).tap.covers(&pod("shop-1")));
}
