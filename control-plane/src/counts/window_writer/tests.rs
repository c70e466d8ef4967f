//! Tests that queued windows are written once and acknowledged, through replays, restarts and a full disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;
use proptest::prelude::*;
use proto::convert::windows::PackedCounts;

use crate::counts::timeline::Timeline;
use crate::counts::window_writer::durable_counts::DurableCounts;
use crate::counts::window_writer::pending_row::PendingRow;
use crate::counts::window_writer::pending_window::TenSecondSlots;
use crate::counts::window_writer::*;
use crate::model::reporter::Reporter;
use crate::store::StoreError;
use crate::store::metrics_store::{Append, Handover, Process, SeriesName, SlotRange, StoreSize, StoreView, StoredSlot};
use crate::store::redb::RedbStore;
use crate::store::rollup::{Keep, Resolution, WINDOW_MS};

const NOW_MS: u64 = 1_763_647_661_000;
const ROUTES: [&str; 3] = ["/a", "/b", "/c/{id}"];

/// The slots of a window, and its hits by route.
type Reported = ((u64, u64), [u64; 3]);

fn hits(hits: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    (golden.hits, golden.bytes_out) = (hits, hits * 7);
    golden.add_status(200, hits);
    golden
}

/// A window of one pod: hits by route.
fn window(timeline: &Timeline, pod: usize, (id, span): (u64, u64), counts: &[u64]) -> PendingWindow {
    let reporter = Reporter { namespace: "default", service: "shop" };
    let row = |(route, count): (&&str, &u64)| PendingRow {
        series: timeline.series(reporter, &Endpoint::named("GET", route).unwrap()),
        seen: None,
        counts: PackedCounts::pack(&hits(*count)),
    };
    PendingWindow {
        process: Arc::new(Process { pod_uid: format!("pod-{pod}"), epoch: 1 }),
        id,
        span,
        placed: TenSecondSlots { first: id, span },
        rows: ROUTES.iter().zip(counts).filter(|(_, count)| **count > 0).map(row).collect(),
        bytes: 1000,
        durable_counts: Arc::new(DurableCounts::default()),
        acks: Arc::new(watch::Sender::new(0)),
    }
}

/// Hits by route, in totals and in the slots of each length.
fn kept(metrics_store: &dyn MetricsStore) -> [BTreeMap<String, u64>; 4] {
    let mut sums: [BTreeMap<String, u64>; 4] = Default::default();
    metrics_store
        .view(&mut |view| {
            let series = view.series()?;
            for kept in series.values() {
                *sums[3].entry(kept.name.endpoint.route().to_owned()).or_default() += kept.total.hits;
            }
            for (at, resolution) in Resolution::ALL.into_iter().enumerate() {
                view.each_slot(SlotRange { resolution, from_ms: 0, to_ms: 1 << 42 }, None, &mut |slot| {
                    let mut golden = GoldenMetrics::default();
                    slot.add_to(&mut golden)?;
                    let route = series[&slot.series].name.endpoint.route().to_owned();
                    *sums[at].entry(route).or_default() += golden.hits;
                    Ok(())
                })?;
            }
            Ok(())
        })
        .unwrap();
    sums
}

/// What happens in a mesh: a pod counts, resends what is not acknowledged, the windows are written,
/// or the control plane restarts.
#[derive(Debug, Clone)]
enum Step {
    Count { pod: usize, span: u64, counts: [u64; 3] },
    Replay { pod: usize, from: usize },
    Write,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_usize..3, 1_u64..200, [0_u64..50, 0_u64..50, 0_u64..50])
            .prop_map(|(pod, span, counts)| Step::Count { pod, span: if span < 150 { 1 } else { span }, counts }),
        2 => (0_usize..3, 0_usize..10).prop_map(|(pod, from)| Step::Replay { pod, from }),
        3 => Just(Step::Write),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn however_windows_come_the_record_is_the_sum_of_all_that_were_counted(steps in prop::collection::vec(step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let timeline = Timeline::new(0);
        let mut store = RedbStore::open(folder.path()).unwrap();
        let mut reported: [Vec<Reported>; 3] = Default::default();
        let mut ends = [NOW_MS / WINDOW_MS - 1500; 3];
        let mut batch = Vec::new();
        let mut truth = BTreeMap::<String, u64>::new();
        for step in steps {
            match step {
                Step::Count { pod, span, counts } => {
                    let stretch = (ends[pod] + 1, span);
                    ends[pod] += span;
                    reported[pod].push((stretch, counts));
                    batch.push(window(&timeline, pod, stretch, &counts));
                    for (route, count) in ROUTES.iter().zip(counts).filter(|(_, count)| *count > 0) {
                        *truth.entry((*route).to_owned()).or_default() += count;
                    }
                }
                // A sidecar resends everything from some window on, in the order in which it
                // counted.
                Step::Replay { pod, from } => {
                    let again = reported[pod].iter().skip(reported[pod].len().saturating_sub(from));
                    batch.extend(again.map(|(stretch, counts)| window(&timeline, pod, *stretch, counts)));
                }
                Step::Write => {
                    write(&store, &batch, NOW_MS).unwrap();
                    batch.clear();
                }
                // What was not written is lost with the process; sidecars resend what is after
                // their mark.
                Step::Restart => {
                    drop(store);
                    store = RedbStore::open(folder.path()).unwrap();
                    batch.clear();
                    for (pod, reported) in reported.iter().enumerate() {
                        let mark = store.marks(&[Process { pod_uid: format!("pod-{pod}"), epoch: 1 }]).unwrap()[0];
                        let unsaved = reported.iter().filter(|((id, _), _)| *id > mark);
                        batch.extend(unsaved.map(|(stretch, counts)| window(&timeline, pod, *stretch, counts)));
                    }
                }
            }
        }
        write(&store, &batch, NOW_MS).unwrap();
        for sum in kept(&store) {
            prop_assert_eq!(sum, truth.clone());
        }
    }
}

#[test]
fn a_window_from_the_future_is_counted_now_and_a_long_one_over_its_time() {
    let (folder, timeline) = (tempfile::tempdir().unwrap(), Timeline::new(0));
    let store = RedbStore::open(folder.path()).unwrap();
    let newest = NOW_MS / WINDOW_MS;
    let windows = [window(&timeline, 0, (newest + 90_000, 1), &[4]), window(&timeline, 1, (newest - 99, 100), &[0, 100])];

    write(&store, &windows, NOW_MS).unwrap();

    let mut slots = Vec::new();
    let stretch = SlotRange { resolution: Resolution::TenSeconds, from_ms: 0, to_ms: u64::MAX };
    let mut see = |slot: StoredSlot<'_>| {
        slots.push(slot.from_ms / WINDOW_MS);
        Ok(())
    };
    store.view(&mut |view| view.each_slot(stretch, None, &mut see)).unwrap();
    assert_eq!(slots.iter().max(), Some(&newest), "nothing is kept of a time that has not come");
    assert!(slots.len() > 50, "a long window is divided over its time: {slots:?}");
    assert_eq!(kept(&store)[0], kept(&store)[3]);
}

/// A store on a disk that may be full.
#[derive(Debug)]
struct Disk {
    store: RedbStore,
    is_full: Mutex<bool>,
}

impl Disk {
    fn full(folder: &Path) -> Arc<Self> {
        Arc::new(Self { store: RedbStore::open(folder).unwrap(), is_full: Mutex::new(true) })
    }
}

/// A queue, and a writer that runs until drained.
fn writing_to(disk: &Arc<Disk>) -> (Arc<WindowQueue>, tokio::task::JoinSet<()>, CancellationToken) {
    let (queue, writer) = WindowQueue::open(Arc::clone(disk) as Arc<dyn MetricsStore>);
    let (mut writing, drain) = (tokio::task::JoinSet::new(), CancellationToken::new());
    writing.spawn(writer.run(|| {}, drain.clone()));
    (queue, writing, drain)
}

impl MetricsStore for Disk {
    fn marks(&self, processes: &[Process]) -> Result<Vec<u64>, StoreError> {
        self.store.marks(processes)
    }

    fn append(&self, append: &Append) -> Result<(), StoreError> {
        let why = || StoreError::Write { file: "disk".into(), why: "no space left".into() };
        if *self.is_full.lock().unwrap() { Err(why()) } else { self.store.append(append) }
    }

    fn forget(&self, names: &[SeriesName]) -> Result<(), StoreError> {
        self.store.forget(names)
    }

    fn view(&self, look: &mut dyn FnMut(&dyn StoreView) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.store.view(look)
    }

    fn attached(&self) -> Result<Vec<Process>, StoreError> {
        self.store.attached()
    }

    fn exposed(&self) -> Result<Vec<(SeriesName, GoldenMetrics)>, StoreError> {
        self.store.exposed()
    }

    fn record(&self, handover: &Handover) -> Result<(), StoreError> {
        self.store.record(handover)
    }

    fn size(&self) -> Result<StoreSize, StoreError> {
        self.store.size()
    }

    fn keeps(&self) -> Keep {
        self.store.keeps()
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_reported_and_waiting_windows_are_written_when_there_is_room() {
    let (folder, timeline) = (tempfile::tempdir().unwrap(), Timeline::new(0));
    let disk = Disk::full(folder.path());
    let (queue, writing, drain) = writing_to(&disk);
    let (first, second) = (NOW_MS / WINDOW_MS, NOW_MS / WINDOW_MS + 1);
    let window = |id| window(&timeline, 0, (id, 1), &[5]);
    let one = window(first);
    let mut acked = one.acks.subscribe();
    let durable_counts = Arc::clone(&one.durable_counts);

    queue.submit(one).unwrap();
    let mut durability = queue.durability.subscribe();
    let reported = durability.wait_for(|durability| *durability != Durability::Durable).await.unwrap().clone();
    assert!(matches!(reported, Durability::NotDurable { why, .. } if why.contains("no space left")));
    assert_eq!((*acked.borrow_and_update(), durable_counts.hits()), (0, 0));
    queue.submit(window(second)).unwrap();

    *disk.is_full.lock().unwrap() = false;
    durability.wait_for(|durability| *durability == Durability::Durable).await.unwrap();
    acked.wait_for(|mark| *mark == first).await.unwrap();
    drain.cancel();
    writing.join_all().await;

    assert_eq!((kept(&disk.store)[3]["/a"], durable_counts.hits()), (10, 5));
    assert!(queue.counts.failures.so_far() >= 1);
    assert_eq!(queue.waiting_bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_drained_after_a_failed_write_writes_nothing_past_it() {
    let (folder, timeline) = (tempfile::tempdir().unwrap(), Timeline::new(0));
    let disk = Disk::full(folder.path());
    let (queue, writing, drain) = writing_to(&disk);
    let window = |id| window(&timeline, 0, (id, 1), &[5]);
    let one = window(NOW_MS / WINDOW_MS);
    let process = Process::clone(&one.process);
    queue.submit(one).unwrap();
    let mut durability = queue.durability.subscribe();
    durability.wait_for(|durability| *durability != Durability::Durable).await.unwrap();
    queue.submit(window(NOW_MS / WINDOW_MS + 1)).unwrap();

    *disk.is_full.lock().unwrap() = false;
    drain.cancel();
    writing.join_all().await;

    assert_eq!(disk.marks(&[process]).unwrap(), [0], "the pod sends both again");
    assert!(kept(&disk.store)[3].is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_room_windows_are_refused_and_room_is_announced() {
    let (folder, timeline) = (tempfile::tempdir().unwrap(), Timeline::new(0));
    let disk = Disk::full(folder.path());
    let (queue, writer) = WindowQueue::open(Arc::clone(&disk) as Arc<dyn MetricsStore>);
    let large = |id| PendingWindow { bytes: WAITING_BYTES_MAX / 2, ..window(&timeline, 0, (id, 1), &[5]) };
    queue.submit(large(NOW_MS / WINDOW_MS)).unwrap();
    queue.submit(large(NOW_MS / WINDOW_MS + 1)).unwrap();
    assert_eq!(queue.submit(large(NOW_MS / WINDOW_MS + 2)), Err(NoRoom));
    let mut room = queue.subscribe_room();
    assert!(!*room.borrow_and_update());

    *disk.is_full.lock().unwrap() = false;
    let mut writing = tokio::task::JoinSet::new();
    let drain = CancellationToken::new();
    writing.spawn(writer.run(|| {}, drain.clone()));

    room.wait_for(|room| *room).await.unwrap();
    assert_eq!(queue.counts.no_room.so_far(), 1);
    drain.cancel();
    writing.join_all().await;
}

#[test]
fn room_that_is_made_while_a_window_is_refused_is_announced() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, _scribe) = WindowQueue::open(Disk::full(folder.path()));
    queue.waiting_bytes.store(WAITING_BYTES_MAX, Ordering::Relaxed);

    // A window finds no room; before that is published, the last of the queued windows is written.
    queue.release(WAITING_BYTES_MAX);
    queue.publish_full();

    assert!(*queue.subscribe_room().borrow());
}

#[test]
fn a_pod_whose_clock_stands_in_1970_is_seen_when_it_hands_its_windows_over() {
    let (folder, timeline) = (tempfile::tempdir().unwrap(), Timeline::new(0));
    let store = RedbStore::open(folder.path()).unwrap();
    let id = NOW_MS / WINDOW_MS - 6;
    let mut late = window(&timeline, 0, (id, 1), &[5]);
    late.rows[0].seen = Some(Seen::at(3_600_000));

    write(&store, &[late], NOW_MS).unwrap();

    let mut seen = None;
    let mut look = |view: &dyn StoreView| {
        seen = view.series()?.into_values().next().and_then(|kept| kept.seen);
        Ok(())
    };
    store.view(&mut look).unwrap();
    assert_eq!(seen, Some(Seen { first_ms: 3_600_000, last_ms: id * WINDOW_MS }));
}
