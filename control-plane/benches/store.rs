//! Benchmark of the metrics store on disk: rows per second, a week of a thousand endpoints, and startup with a full file.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use control_plane::clock::now_ms;
use control_plane::counts::memory::Budget;
use control_plane::counts::timeline::Timeline;
use control_plane::counts::timeline::long_range::LongRange;
use control_plane::counts::timeline::restore::restore;
use control_plane::counts::window_writer::WindowQueue;
use control_plane::counts::window_writer::durable_counts::DurableCounts;
use control_plane::counts::window_writer::pending_row::PendingRow;
use control_plane::counts::window_writer::pending_window::{PendingWindow, TenSecondSlots};
use control_plane::model::reporter::Reporter;
use control_plane::store::metrics_store::{Append, AppendRow, MetricsStore, Process, SeriesName};
use control_plane::store::redb::RedbStore;
use control_plane::store::rollup::{Keep, Resolution, WINDOW_MS};
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use proto::convert::windows::PackedCounts;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Services, and endpoints per service: a thousand in all.
const SERVICES: usize = 50;
const ENDPOINTS: usize = 20;

/// A week, which is how long minutes are kept.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Pods that each send a window every ten seconds. With 20 endpoints each this is the goal of
/// 20,000 rows a second.
const PODS: usize = 10_000;

/// The goals.
const ROWS_PER_SECOND_MIN: f64 = 20_000.0;
const QUERY_MAX: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    // `cargo test` also builds and runs benchmarks, and must not take minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let until_ms = now_ms();
    let store = Arc::new(RedbStore::open_with(folder.path(), Keep::DEFAULT)?);
    let filling = Instant::now();
    let rows = fill(&store, until_ms)?;
    println!("filled a week of {} endpoints: {rows} slots of ten seconds in {:.1?}", SERVICES * ENDPOINTS, filling.elapsed());
    print_size(&store)?;
    let written = write(&store, until_ms)?;
    println!("rows written: {written:.0} a second (goal: {ROWS_PER_SECOND_MIN:.0} at least)");
    let asked = query(&store)?;
    println!("a week of all endpoints, and the week before: {asked:.1?} (goal: {QUERY_MAX:?} at most)");
    drop(store);
    print_start(folder.path())?;
    ensure!(written >= ROWS_PER_SECOND_MIN && asked <= QUERY_MAX, "a goal was missed");
    Ok(())
}

/// Ten seconds of one endpoint: 40 requests over an octave or two, slightly different for each
/// seed.
fn golden(seed: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    for request in 0..40 {
        let took_us = (1000 + seed % 20 * 700) * (500 + (seed * 7919 + request * 104_729) % 1000) / 700;
        golden.hits += 1;
        golden.time(took_us, took_us / 2);
        golden.carry(300, 2000 + took_us % 1000);
        golden.add_status(if request == 0 { 500 } else { 200 }, 1);
    }
    golden
}

fn name(number: usize) -> SeriesName {
    let route = format!("/api/v2/resource-{}/{{id}}/detail", number % ENDPOINTS);
    SeriesName {
        namespace: "default".to_owned(),
        service: format!("service-{:03}", number / ENDPOINTS),
        endpoint: Endpoint::named("GET", &route).expect("the route is one"),
    }
}

/// Appends a week, one hour at a time. Before the last six hours one window a minute is enough,
/// because ten-second slots are not kept longer.
fn fill(store: &RedbStore, until_ms: u64) -> anyhow::Result<u64> {
    let hours = WEEK.as_secs() / 3600;
    let mut rows = 0;
    for hour in (1..=hours).rev() {
        let from_ms = until_ms - hour * Resolution::Hour.step_ms();
        let row = |number: usize| {
            let every = if hour > 6 { 6 } else { 1 };
            let slots = (0..360).step_by(every).map(|at| (from_ms / WINDOW_MS + at as u64, golden(number as u64 + at as u64)));
            AppendRow { name: name(number), is_file: false, seen: None, slots: slots.collect() }
        };
        let append = Append {
            rows: (0..SERVICES * ENDPOINTS).map(row).collect(),
            advances: Vec::new(),
            now_ms: from_ms + Resolution::Hour.step_ms(),
        };
        rows += append.rows.iter().map(|row| row.slots.len() as u64).sum::<u64>();
        store.append(&append)?;
    }
    Ok(rows)
}

/// Submits the windows of all pods at once, and waits until all are on disk; returns rows per
/// second.
fn write(store: &Arc<RedbStore>, now_ms: u64) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let timeline = Timeline::new(now_ms);
        let (keeper, scribe) = WindowQueue::open(Arc::clone(store) as Arc<dyn MetricsStore>);
        let (mut writing, drain) = (JoinSet::new(), CancellationToken::new());
        writing.spawn(scribe.run(|| {}, drain.clone()));
        let windows: Vec<_> = (0..PODS).map(|pod| window(&timeline, pod, now_ms)).collect();
        let rows: usize = windows.iter().map(|window| window.rows.len()).sum();
        let acks: Vec<_> = windows.iter().map(|window| window.acks.subscribe()).collect();
        let began = Instant::now();
        for window in windows {
            keeper.submit(window).ok().context("there is no room for the windows")?;
        }
        for mut acked in acks {
            acked.wait_for(|mark| *mark > 0).await?;
        }
        let took = began.elapsed();
        drain.cancel();
        writing.join_all().await;
        Ok(rows as f64 / took.as_secs_f64())
    })
}

fn window(timeline: &Timeline, pod: usize, now_ms: u64) -> PendingWindow {
    let service = pod % SERVICES;
    let row = |at: usize| {
        let name = name(service * ENDPOINTS + at);
        let reporter = Reporter { namespace: &name.namespace, service: &name.service };
        PendingRow {
            series: timeline.series(reporter, &name.endpoint),
            seen: None,
            counts: PackedCounts::pack(&golden((pod + at) as u64)),
        }
    };
    let rows: Vec<_> = (0..ENDPOINTS).map(row).collect();
    PendingWindow {
        process: Arc::new(Process { pod_uid: format!("0f8fad5b-d9cb-469f-a165-{pod:012}"), epoch: 1 }),
        id: now_ms / WINDOW_MS,
        span: 1,
        placed: TenSecondSlots { first: now_ms / WINDOW_MS, span: 1 },
        bytes: ENDPOINTS * 100,
        rows,
        durable_counts: Arc::new(DurableCounts::default()),
        acks: Arc::new(watch::Sender::new(0)),
    }
}

/// Reads the last week of every endpoint, as a page and the API do.
fn query(store: &Arc<RedbStore>) -> anyhow::Result<Duration> {
    let timeline = Timeline::new(now_ms());
    let began = Instant::now();
    let past = LongRange::read(store.as_ref(), &timeline, WEEK.as_millis() as u64, now_ms())?;
    let took = began.elapsed();
    let hits: u64 = timeline.all().iter().map(|series| past.window(series).hits).sum();
    ensure!(hits > 0, "nothing was found");
    Ok(took)
}

/// Prints the size. The fill level of the pages decides how much of the file may be used
/// (`FULL_PERCENT` in the store).
fn print_size(store: &RedbStore) -> anyhow::Result<()> {
    let size = store.size()?;
    let bytes: u64 = size.slot_bytes.iter().sum();
    println!(
        "the file has {} MiB, and the slots in it {} MiB, which is {} %; {} slots were crowded out",
        size.file_bytes >> 20,
        bytes >> 20,
        bytes * 100 / size.file_bytes.max(1),
        size.crowded_out
    );
    Ok(())
}

/// Measures what a control plane does before it listens: the check of the file, and the restore of
/// the timeline.
fn print_start(folder: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    let store = RedbStore::open_with(folder, Keep::DEFAULT)?;
    let opened = began.elapsed();
    print_size(&store)?;
    let rules = control_plane::model::rules_state::RulesState::load(control_plane::store::Store::load(&store)?, now_ms());
    restore(&store, &rules, Budget::default(), now_ms())?;
    println!("start: {opened:.1?} to look through the file, {:.1?} with the last hour in memory", began.elapsed());
    Ok(())
}
