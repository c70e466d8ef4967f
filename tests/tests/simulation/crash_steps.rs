//! Simulation test of crashes at every step of commit and ack: each request is on disk once, or reported as lost.

use std::time::Duration;

use crate::failing_store::StopPoint;
use crate::mesh::Mesh;
use crate::network::CONTROL_PLANE;

/// The commits that are stopped: the first, which has no mark before it, and two with a mark.
const COMMITS: std::ops::Range<u32> = 0..3;

/// Simulation steps of 25 ms, within which all sidecars have sent their hello, the baseline of durable counts, a
/// snapshot, and the windows that are not on disk.
const ATTACH_STEPS: u32 = 48;

/// Long enough for an ack to be sent and lost, and too short for a peer to detect it.
const ACK_TAKES: Duration = Duration::from_millis(300);

/// The process that is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    ControlPlane,
    Sidecar,
    Both,
}

impl Victim {
    const ALL: [Self; 3] = [Self::ControlPlane, Self::Sidecar, Self::Both];

    fn kill_in(self, mesh: &mut Mesh) {
        if matches!(self, Self::Sidecar | Self::Both) {
            mesh.kill_sidecar(0);
        }
        if matches!(self, Self::ControlPlane | Self::Both) {
            mesh.restart_control_plane();
        }
    }
}

/// Runs a mesh with this fault for each victim and each commit.
fn at_each_commit(trouble: impl Fn(&mut Mesh, u32, Victim)) {
    for victim in Victim::ALL {
        for commit in COMMITS {
            let mut mesh = Mesh::new(u64::from(commit));
            trouble(&mut mesh, commit, victim);
            // Traffic after the fault makes wrong state visible in the counts.
            mesh.pass(Duration::from_secs(2));
            mesh.wait_for_invariants(true, |_| true);
        }
    }
}

#[test]
fn a_crash_between_a_window_and_its_commit_counts_it_once() {
    at_each_commit(|mesh, commit, victim| {
        mesh.commit_faults.stop_after(commit, StopPoint::BeforeCommit);
        mesh.pass_until(|mesh| mesh.commit_faults.has_stopped());
        victim.kill_in(mesh);
    });
}

#[test]
fn a_crash_between_a_commit_and_its_ack_counts_it_once() {
    at_each_commit(|mesh, commit, victim| {
        mesh.commit_faults.stop_after(commit, StopPoint::BeforeAck);
        mesh.pass_until(|mesh| mesh.commit_faults.has_stopped());
        victim.kill_in(mesh);
    });
}

#[test]
fn an_ack_that_is_lost_counts_nothing_twice() {
    at_each_commit(|mesh, commit, victim| {
        // The commit is stopped once, so that the network can be cut before the retry is acked.
        mesh.commit_faults.stop_after(commit, StopPoint::BeforeCommit);
        mesh.pass_until(|mesh| mesh.commit_faults.has_stopped());
        let written = mesh.commit_faults.commits();
        let hosts: Vec<String> = mesh.pods.iter().map(crate::sidecar::Pod::name).collect();
        for host in &hosts {
            mesh.sim.partition_oneway(CONTROL_PLANE, host.as_str());
        }
        mesh.pass_until(|mesh| mesh.commit_faults.commits() > written);
        mesh.pass(ACK_TAKES);
        victim.kill_in(mesh);
        for host in &hosts {
            mesh.sim.repair(CONTROL_PLANE, host.as_str());
        }
    });
}

#[test]
fn a_crash_right_after_an_ack_loses_nothing_of_what_was_acked() {
    at_each_commit(|mesh, commit, victim| {
        mesh.pass_until(|mesh| mesh.pods[0].process().is_some_and(|process| process.acked() > u64::from(commit)));
        victim.kill_in(mesh);
    });
}

#[test]
fn a_second_crash_at_any_step_of_coming_back_changes_no_total() {
    for steps in 0..ATTACH_STEPS {
        let mut mesh = Mesh::new(u64::from(steps));
        mesh.commit_faults.stop_after(1, StopPoint::BeforeAck);
        mesh.pass_until(|mesh| mesh.commit_faults.has_stopped());
        mesh.restart_control_plane();
        for _ in 0..steps {
            mesh.step();
        }
        Victim::ALL[steps as usize % Victim::ALL.len()].kill_in(&mut mesh);
        mesh.pass(Duration::from_secs(2));
        mesh.wait_for_invariants(true, |_| true);
    }
}
