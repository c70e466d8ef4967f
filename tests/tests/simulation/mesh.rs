//! One simulated mesh: trouble by a seed, then calm, and then every total must be the one that was recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;
use turmoil::Sim;

use crate::control_plane::{self, Glass};
use crate::network::CONTROL_PLANE;
use crate::sidecar::Pod;
use crate::stammerer::{self, Stammerer};

/// Sidecars of a mesh, the one that stammers apart.
const PODS: u64 = 3;

/// How long the trouble lasts.
const TROUBLE: Duration = Duration::from_secs(30);

/// How long it may take until everybody has noticed that it is over: a silent peer is noticed within 25 s, and a
/// sidecar dials again within ten.
const CALM: Duration = Duration::from_secs(90);

/// The length of one step of the simulation. Messages take up to a few of them.
const STEP: Duration = Duration::from_millis(25);

/// Something that goes wrong.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// Nothing gets through between a sidecar and the control plane.
    Partition,
    /// What the sidecar says gets lost.
    Mute,
    /// What the control plane says gets lost: the stream is half open.
    Deaf,
    /// Everything is late.
    Hold,
    /// The control plane is killed, and comes back with the store that it had.
    Restart,
}

/// A trouble that is not over.
struct Lasting {
    what: Trouble,
    host: String,
    until: Duration,
}

/// Runs one.
pub(crate) fn simulate(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut builder = turmoil::Builder::new();
    builder.rng_seed(seed).tick_duration(STEP).simulation_duration(TROUBLE + CALM + Duration::from_secs(60));
    builder.min_message_latency(Duration::from_millis(1)).max_message_latency(Duration::from_millis(100));
    builder.tcp_capacity(4096).enable_random_order();
    let mut sim = builder.build();
    let (folder, glass, calm) = (tempfile::tempdir().unwrap(), Glass::default(), CancellationToken::new());
    // Half of the meshes have to flush their last windows in a hurry.
    let (leave, leaves_early) = (CancellationToken::new(), seed.is_multiple_of(2));
    {
        let (folder, glass) = (folder.path().to_owned(), glass.clone());
        sim.host(CONTROL_PLANE, move || control_plane::run(folder.clone(), glass.clone()));
    }
    let pods: Vec<Pod> = (0..PODS).map(|number| Pod::new(number, seed, calm.clone(), leave.clone())).collect();
    for pod in &pods {
        let host = pod.clone();
        sim.host(pod.name(), move || host.clone().run());
    }
    let stammerer = Stammerer { seed, recorded: Arc::<AtomicU64>::default(), calm: calm.clone() };
    {
        let stammerer = stammerer.clone();
        sim.host("stammerer", move || stammerer.clone().run());
    }
    make_trouble(&mut sim, &mut random);
    calm.cancel();
    let expected =
        || pods.iter().map(|pod| (pod.route(), &pod.recorded)).chain([(stammerer::ROUTE.to_owned(), &stammerer.recorded)]);
    // The stammerer keeps no windows, so what it counted is nowhere but in memory.
    let durable = || pods.iter().all(|pod| glass.kept(&pod.route()) == Some(pod.recorded.load(Relaxed)));
    let is_exact = || expected().all(|(route, recorded)| glass.hits(&route) == Some(recorded.load(Relaxed)));
    // The stammerer does not tell who has called it. The others do so again after each restart, as long as they live.
    let is_called = || pods.iter().all(|pod| glass.called(&pod.route()) == Some(pod.recorded.load(Relaxed)));
    assert!(expected().all(|(_, recorded)| recorded.load(Relaxed) > 0), "a pod without traffic proves nothing");
    let until = sim.elapsed() + CALM;
    while !is_exact() || !is_called() || (!leaves_early && !durable()) {
        let told: Vec<_> = expected()
            .map(|(route, recorded)| {
                (glass.hits(&route), glass.kept(&route), glass.called(&route), recorded.load(Relaxed), route)
            })
            .collect();
        assert!(sim.elapsed() < until, "{CALM:?} after the trouble, the totals told, kept, by caller and recorded are {told:?}");
        steps(&mut sim, Duration::from_secs(1));
    }
    // Who is told to leave waits until all of it is on disk.
    leave.cancel();
    steps(&mut sim, Duration::from_secs(8));
    assert!(durable(), "what was on disk was right, and did not stay so, or the sidecars left too early");
    // And the totals stay so: nothing that comes late is counted again, and a restart takes nothing away.
    assert!(is_exact() && is_called(), "the totals were right, and did not stay so");
    sim.bounce(CONTROL_PLANE);
    steps(&mut sim, Duration::from_secs(3));
    let is_kept = || pods.iter().all(|pod| glass.hits(&pod.route()) == Some(pod.recorded.load(Relaxed)));
    assert!(is_kept(), "the totals were right, and a restart took some of them away");
}

/// Lets things go wrong for a while, and puts all of them right at its end.
fn make_trouble(sim: &mut Sim<'_>, random: &mut StdRng) {
    let mut lasting: Vec<Lasting> = Vec::new();
    while sim.elapsed() < TROUBLE {
        steps(sim, Duration::from_millis(random.random_range(100..3000)));
        let now = sim.elapsed();
        lasting.retain(|trouble| {
            let lasts = now < trouble.until;
            if !lasts {
                end(sim, trouble);
            }
            lasts
        });
        let host = match random.random_range(0..=PODS) {
            PODS => "stammerer".to_owned(),
            number => format!("shop-{number}"),
        };
        if lasting.iter().any(|trouble| trouble.host == host) {
            continue;
        }
        let until = now + Duration::from_millis(random.random_range(200..12_000));
        let what = [Trouble::Partition, Trouble::Mute, Trouble::Deaf, Trouble::Hold, Trouble::Restart][random.random_range(0..5)];
        begin(sim, what, &host);
        lasting.push(Lasting { what, host, until });
    }
    for trouble in &lasting {
        end(sim, trouble);
    }
}

fn begin(sim: &mut Sim<'_>, what: Trouble, host: &str) {
    match what {
        Trouble::Partition => sim.partition(host, CONTROL_PLANE),
        Trouble::Mute => sim.partition_oneway(host, CONTROL_PLANE),
        Trouble::Deaf => sim.partition_oneway(CONTROL_PLANE, host),
        Trouble::Hold => sim.hold(host, CONTROL_PLANE),
        Trouble::Restart => sim.bounce(CONTROL_PLANE),
    }
}

fn end(sim: &Sim<'_>, trouble: &Lasting) {
    match trouble.what {
        Trouble::Partition | Trouble::Mute | Trouble::Deaf => sim.repair(&*trouble.host, CONTROL_PLANE),
        Trouble::Hold => sim.release(&*trouble.host, CONTROL_PLANE),
        Trouble::Restart => {}
    }
}

fn steps(sim: &mut Sim<'_>, time: Duration) {
    let until = sim.elapsed() + time;
    while sim.elapsed() < until {
        sim.step().unwrap();
    }
}
