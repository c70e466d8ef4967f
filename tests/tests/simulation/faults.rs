//! Random faults by seed: partitions, half-open streams, crashes of either side, and a duplicate sender.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::duplicate_sender::{self, DuplicateSender};
use crate::mesh::{Mesh, PODS};
use crate::network::CONTROL_PLANE;

/// The duration of the faults.
const FAULTS: Duration = Duration::from_secs(30);

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// No message passes between a sidecar and the control plane.
    Partition,
    /// Messages from the sidecar are lost.
    Mute,
    /// Messages from the control plane are lost: the stream is half open.
    Deaf,
    /// All messages are delayed.
    Hold,
    /// The control plane is killed, and restarts with the same store.
    Restart,
    /// The sidecar is killed, and another process starts.
    Kill,
}

/// A fault in progress.
struct Lasting {
    what: Fault,
    host: String,
    until: Duration,
}

/// Simulates one mesh.
pub(crate) fn simulate(seed: u64) {
    let mut mesh = Mesh::new(seed);
    let duplicate_sender = DuplicateSender { seed, recorded: Arc::<AtomicU64>::default(), calm: mesh.calm.clone() };
    {
        let host = duplicate_sender.clone();
        mesh.sim.host(duplicate_sender::HOST, move || host.clone().run());
    }
    inject_faults(&mut mesh, &mut StdRng::seed_from_u64(seed));
    assert!(duplicate_sender.recorded.load(Relaxed) > 0, "a pod without traffic proves nothing");
    // The duplicate sender keeps no windows, so its counts are only in memory, and are resent after a restart.
    let is_received = |mesh: &Mesh| mesh.probe.hits(duplicate_sender::ROUTE) == Some(duplicate_sender.recorded.load(Relaxed));
    // Half of the meshes must flush their last windows during the drain.
    mesh.wait_for_invariants(!seed.is_multiple_of(2), is_received);
}

/// Causes random faults for a while, and ends all of them.
fn inject_faults(mesh: &mut Mesh, random: &mut StdRng) {
    let mut lasting: Vec<Lasting> = Vec::new();
    while mesh.sim.elapsed() < FAULTS {
        mesh.pass(Duration::from_millis(random.random_range(100..3000)));
        let now = mesh.sim.elapsed();
        lasting.retain(|trouble| {
            let lasts = now < trouble.until;
            if !lasts {
                end(mesh, trouble);
            }
            lasts
        });
        let number = random.random_range(0..=PODS);
        let host = if number == PODS { duplicate_sender::HOST.to_owned() } else { mesh.pods[number as usize].name() };
        if lasting.iter().any(|trouble| trouble.host == host) {
            continue;
        }
        let until = now + Duration::from_millis(random.random_range(200..12_000));
        let all = [Fault::Partition, Fault::Mute, Fault::Deaf, Fault::Hold, Fault::Restart, Fault::Kill];
        let what = all[random.random_range(0..all.len())];
        begin(mesh, what, number, &host);
        lasting.push(Lasting { what, host, until });
    }
    for trouble in &lasting {
        end(mesh, trouble);
    }
}

fn begin(mesh: &mut Mesh, what: Fault, number: u64, host: &str) {
    match what {
        Fault::Partition => mesh.sim.partition(host, CONTROL_PLANE),
        Fault::Mute => mesh.sim.partition_oneway(host, CONTROL_PLANE),
        Fault::Deaf => mesh.sim.partition_oneway(CONTROL_PLANE, host),
        Fault::Hold => mesh.sim.hold(host, CONTROL_PLANE),
        Fault::Restart => mesh.restart_control_plane(),
        Fault::Kill if number < PODS => mesh.kill_sidecar(number as usize),
        // The duplicate sender has only one process.
        Fault::Kill => {}
    }
}

fn end(mesh: &Mesh, trouble: &Lasting) {
    match trouble.what {
        Fault::Partition | Fault::Mute | Fault::Deaf => mesh.sim.repair(&*trouble.host, CONTROL_PLANE),
        Fault::Hold => mesh.sim.release(&*trouble.host, CONTROL_PLANE),
        Fault::Restart | Fault::Kill => {}
    }
}
