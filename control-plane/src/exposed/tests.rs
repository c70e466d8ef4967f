//! Tests of counters that would fall for several reasons, and stay where they were.

use mesh::golden::GoldenMetrics;

use crate::counts::timeline::Timeline;
use crate::exposed::*;
use crate::model::reporter::Reporter;
use crate::store::redb::RedbStore;

const GAVE_UP: RecoveryProgress = RecoveryProgress::GaveUp { missing: 1 };

fn timed(count: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    for at in 0..count {
        golden.hits += 1;
        golden.add_status(200, 1);
        golden.time(1000 << (at % 4), 10);
    }
    golden
}

/// A timeline that was restored with these hits on `/a`.
fn restored(hits: u64) -> (Timeline, Arc<Series>) {
    let timeline = Timeline::new(0);
    let reporter = Reporter { namespace: "n", service: "s" };
    let series = timeline.series(reporter, &Endpoint::named("GET", "/a").unwrap());
    series.restore_total(None, &timed(hits));
    (timeline, series)
}

fn hits(page: &ExposedPage) -> u64 {
    let golden = &page.rows[0].golden;
    assert_eq!((golden.hits, golden.class(2)), (golden.latency.count(), golden.hits), "all counters go together");
    golden.hits
}

#[test]
fn what_a_killed_sidecar_never_brought_to_disk_stays_in_the_counter_and_what_comes_later_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let before = Exposed::default();
    assert_eq!(hits(&before.page(restored(100).0.all(), RecoveryProgress::Complete)), 100);
    before.write(&store).unwrap();

    // Ten of them never reached the disk.
    let after = Exposed::begin(store.exposed().unwrap());
    let (timeline, series) = restored(90);
    assert_eq!(hits(&after.page(timeline.all(), RecoveryProgress::Complete)), 100);
    series.restore_total(None, &timed(4));
    assert_eq!(hits(&after.page(timeline.all(), RecoveryProgress::Complete)), 104);
    after.write(&store).unwrap();
    assert_eq!(store.exposed().unwrap()[0].1.hits, 104);
}

#[test]
fn what_a_pod_brings_that_was_given_up_is_not_counted_twice() {
    let (timeline, series) = restored(90);
    let after = Exposed::begin(vec![(series.name(), timed(100))]);
    assert_eq!(hits(&after.page(timeline.all(), GAVE_UP)), 100);
    series.restore_total(None, &timed(100).since(&timed(90)));
    assert_eq!(hits(&after.page(timeline.all(), RecoveryProgress::Complete)), 100);
    series.restore_total(None, &timed(4));
    assert_eq!(hits(&after.page(timeline.all(), RecoveryProgress::Complete)), 104);
}

#[test]
fn the_row_that_many_share_never_falls_though_some_are_evicted() {
    let timeline = Timeline::new(0);
    let named = |at: usize| Endpoint::named("GET", &format!("/route-{at}")).unwrap();
    for at in 0..ENDPOINTS_MAX + 2 {
        timeline.series(Reporter { namespace: "n", service: "s" }, &named(at)).restore_total(None, &timed(5));
    }
    let exposed = Exposed::default();
    let first = exposed.page(timeline.all(), RecoveryProgress::Complete);
    assert_eq!((first.folded, first.rows[ENDPOINTS_MAX].golden.hits), (2, 10));

    let mut fewer = timeline.all();
    fewer.retain(|series| series.endpoint != named(ENDPOINTS_MAX + 1));
    let second = exposed.page(fewer, RecoveryProgress::Complete);
    assert_eq!((second.folded, second.rows[ENDPOINTS_MAX].golden.hits), (1, 10));
}

#[test]
fn a_page_that_could_not_be_written_is_written_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let (timeline, _series) = restored(7);
    let exposed = Exposed::default();
    exposed.page(timeline.all(), RecoveryProgress::Complete);
    // The page before was not written, and nothing has changed since.
    exposed.page(timeline.all(), RecoveryProgress::Complete);
    exposed.write(&store).unwrap();
    assert_eq!(store.exposed().unwrap()[0].1.hits, 7);
}
