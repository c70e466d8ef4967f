//! Measures the log of several control planes: windows written through NATS, what that costs beyond the own disk, and the replay by a new replica.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use control_plane::clock::now_ms;
use control_plane::replication::connection::Nats;
use control_plane::replication::follower::follow;
use control_plane::replication::follower::log_follower::{FollowError, LogFollower};
use control_plane::replication::progress::Progress;
use control_plane::replication::publisher::Publisher;
use control_plane::replication::replicated_store::ReplicatedStore;
use control_plane::replication::store_copy::StorePlace;
use control_plane::replication::streams::Creation;
use control_plane::replication_settings::ReplicationSettings;
use control_plane::store::metrics_store::{Advance, Append, AppendRow, MetricsStore, Process, SeriesName};
use control_plane::store::redb::RedbStore;
use control_plane::store::replica_log::LogPosition;
use control_plane::store::rollup::{Keep, WINDOW_MS};
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use scenario::nats::{NatsCluster, NatsNode};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Each pod sends a window every ten seconds.
const WINDOW: Duration = Duration::from_millis(WINDOW_MS);

/// How often a control plane writes what has arrived.
const WRITE_EVERY: Duration = Duration::from_millis(200);

/// Services, and endpoints of each: a thousand series.
const SERVICES: usize = 50;
const ENDPOINTS: usize = 20;

/// The goals: what replication may cost beyond the own disk, and a replay of 15 minutes of the mesh.
const BEYOND_CORES_MAX: f64 = 0.4;
const REPLAY_MAX: Duration = Duration::from_secs(300);

#[derive(Parser)]
#[command(about = "Writes the windows of a large mesh through the log on three NATS servers")]
struct LogConfig {
    /// Pods.
    #[arg(long, default_value_t = 150_000)]
    pods: usize,
    /// Seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// How the writing went.
struct Written {
    latencies: Vec<Duration>,
    took: Duration,
    cpu: Duration,
}

fn main() -> anyhow::Result<ExitCode> {
    let config = LogConfig::parse();
    let nats = NatsCluster::start(3);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let is_met = runtime.block_on(measure(&config, &nats))?;
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(config: &LogConfig, nats: &NatsCluster) -> anyhow::Result<bool> {
    let (own, alone, new) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let disk = written(config, Arc::new(RedbStore::open(alone.path())?)).await?;

    let (connection, drain) = (connect(nats).await?, CancellationToken::new());
    let place =
        StorePlace { data_dir: own.path().to_owned(), keep: Keep::DEFAULT, copies: nats.nodes.len(), new_log: Creation::Refused };
    let (store, _streams) = place.open(&connection, &drain).await?;
    let progress = Progress::begin(store.log_position()?);
    let following = start_following(&connection, &store, &progress, &drain);
    let publisher = Publisher::new(connection.clone(), Arc::clone(&progress));
    let term = publisher.lead().await?;
    let servers_before = cpu_of_servers(nats)?;
    let log = written(config, Arc::new(ReplicatedStore::new(store, publisher, term))).await?;
    let servers = cpu_of_servers(nats)?.saturating_sub(servers_before) / nats.nodes.len() as u32;
    let last = progress.known();
    drain.cancel();
    following.join_all().await.into_iter().collect::<Result<(), _>>()?;

    let windows = (log.latencies.len() * windows_of_a_write(config)) as f64;
    let cores = |cpu: Duration, written: &Written| cpu.as_secs_f64() / written.took.as_secs_f64();
    let beyond = cores(log.cpu, &log) - cores(disk.cpu, &disk);
    println!("{windows:.0} windows of {} pods in {} writes", config.pods, log.latencies.len());
    report("own disk alone", config, &disk);
    report("through the log", config, &log);
    println!("each NATS server: {:.2} cores", cores(servers, &log));
    println!("the log beyond the own disk: {beyond:.2} cores; at most {BEYOND_CORES_MAX}: {}", word(beyond <= BEYOND_CORES_MAX));

    let replay = replay(&connection, new.path(), last).await?;
    let in_quarter_hour = 900.0 * config.pods as f64 / WINDOW.as_secs_f64();
    let needed = Duration::from_secs_f64(replay.as_secs_f64() * in_quarter_hour / windows);
    println!(
        "replay by a new replica: {:.0} windows/s, so 15 min of {} pods take {needed:.0?}; at most {REPLAY_MAX:?}: {}",
        windows / replay.as_secs_f64(),
        config.pods,
        word(needed <= REPLAY_MAX)
    );
    Ok(beyond <= BEYOND_CORES_MAX && needed <= REPLAY_MAX)
}

async fn connect(nats: &NatsCluster) -> anyhow::Result<Nats> {
    let urls = nats.urls();
    let settings = ReplicationSettings {
        nats_url: urls.split(',').map(str::parse).collect::<Result<_, _>>()?,
        nats_credentials_file: None,
        nats_ca_file: None,
        nats_copies: nats.nodes.len(),
        nats_new_log: false,
        replica_addr: "127.0.0.1:0".parse()?,
        replica_host: None,
        replica_name: None,
    };
    Nats::connect(&settings, &CancellationToken::new()).await
}

type Following = JoinSet<Result<(), FollowError>>;

fn start_following(nats: &Nats, store: &Arc<RedbStore>, progress: &Arc<Progress>, drain: &CancellationToken) -> Following {
    let follower = LogFollower { nats: nats.clone(), store: Arc::clone(store), progress: Arc::clone(progress) };
    let mut following = JoinSet::new();
    following.spawn(follow(follower, drain.clone()));
    following
}

/// Applies the whole log to a new store, as a replica does that has nothing.
async fn replay(nats: &Nats, folder: &Path, last: u64) -> anyhow::Result<Duration> {
    let store = Arc::new(RedbStore::open(folder)?);
    let (progress, drain) = (Progress::begin(LogPosition::default()), CancellationToken::new());
    let began = Instant::now();
    let following = start_following(nats, &store, &progress, &drain);
    let mut applied = progress.subscribe();
    applied.wait_for(|applied| applied.position.sequence >= last).await?;
    let took = began.elapsed();
    drain.cancel();
    following.join_all().await.into_iter().collect::<Result<(), _>>()?;
    Ok(took)
}

fn windows_of_a_write(config: &LogConfig) -> usize {
    (config.pods as f64 * WRITE_EVERY.as_secs_f64() / WINDOW.as_secs_f64()) as usize
}

/// Writes the windows of all pods at the pace of the mesh, one write behind the other.
async fn written(config: &LogConfig, store: Arc<dyn MetricsStore>) -> anyhow::Result<Written> {
    let each = windows_of_a_write(config);
    ensure!(each > 0, "there are too few pods for a window in each write");
    let writes = (Duration::from_secs(config.seconds).as_millis() / WRITE_EVERY.as_millis()) as usize;
    let (mut marks, mut latencies) = (vec![0_u64; config.pods], Vec::with_capacity(writes));
    let (began, cpu_before) = (Instant::now(), cpu_of(std::process::id())?);
    for write in 0..writes {
        let slot = now_ms() / WINDOW_MS;
        let mut advance = |at: usize| {
            let pod = (write * each + at) % config.pods;
            let from = std::mem::replace(&mut marks[pod], slot);
            Advance { process: Process { pod_uid: format!("3f0c5d2e-0000-4000-8000-{pod:012}"), epoch: 1 }, from, to: slot }
        };
        let advances = (0..each).map(&mut advance).filter(|advance| advance.to > advance.from).collect();
        let rows = (0..SERVICES * ENDPOINTS).map(|number| row(number, slot)).collect();
        let (append, store) = (Append { rows, advances, now_ms: now_ms() }, Arc::clone(&store));
        let sent = Instant::now();
        tokio::task::spawn_blocking(move || store.append(&append)).await?.context("write")?;
        latencies.push(sent.elapsed());
        let next = began + WRITE_EVERY * (write as u32 + 1);
        tokio::time::sleep(next.saturating_duration_since(Instant::now())).await;
    }
    let (took, cpu) = (began.elapsed(), cpu_of(std::process::id())?.saturating_sub(cpu_before));
    latencies.sort_unstable();
    Ok(Written { latencies, took, cpu })
}

fn row(number: usize, slot: u64) -> AppendRow {
    let mut golden = GoldenMetrics::default();
    for request in 0..40_u64 {
        golden.hits += 1;
        golden.time(1000 + (number as u64 * 7919 + request * 104_729) % 20_000, 900);
        golden.carry(300, 2000);
        golden.add_status(200, 1);
    }
    let endpoint = Endpoint::named("GET", &format!("/api/v2/resource-{}/{{id}}", number % ENDPOINTS)).expect("it is a route");
    let name = SeriesName { namespace: "default".into(), service: format!("service-{:03}", number / ENDPOINTS), endpoint };
    AppendRow { name, is_file: false, seen: None, slots: [(slot, golden)].into() }
}

fn report(what: &str, config: &LogConfig, Written { latencies, took, cpu }: &Written) {
    let at = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100).saturating_sub(1)].as_secs_f64() * 1000.0;
    let windows = (latencies.len() * windows_of_a_write(config)) as f64;
    println!(
        "{what}: {:.0} windows/s, a write p50 {:.1} ms, p99 {:.1} ms; {:.2} cores, {:.1} us a window",
        windows / took.as_secs_f64(),
        at(50),
        at(99),
        cpu.as_secs_f64() / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / windows
    );
}

fn word(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

fn cpu_of_servers(nats: &NatsCluster) -> anyhow::Result<Duration> {
    nats.nodes.iter().filter_map(NatsNode::id).map(cpu_of).sum()
}

/// CPU time of a process with all its threads. The kernel counts it in hundredths of a second.
fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<u64> = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    Ok(Duration::from_millis(10 * ticks.iter().sum::<u64>()))
}
