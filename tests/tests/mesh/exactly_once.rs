//! Tests that every request is on the control plane's disk exactly once, however often the control plane is killed.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use scenario::eventually::SOON;
use scenario::load::{Load, total};
use scenario::small_mesh::SmallMesh;

/// The duration of the load: two or three windows of ten seconds close in it, with and without a control plane.
const LOAD: Duration = Duration::from_secs(25);

/// The lifetime of a control plane: enough for sidecars to reconnect and for some windows to be written.
const LIVES: Duration = Duration::from_secs(4);

#[test]
fn killing_the_control_plane_again_and_again_leaves_every_request_on_disk_once() {
    let mut mesh = SmallMesh::start("shop", 2);
    let loads: Vec<_> = mesh.pods.iter().map(|pod| Load::start(pod.port, 1, "/cart")).collect();
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < LOAD {
        let born = Instant::now();
        mesh.origin.expect_more(500);
        // Every other time it is killed early, while sidecars send what it missed.
        while kills % 2 == 0 && born.elapsed() < LIVES {
            mesh.origin.expect_more(100);
        }
        mesh.control_plane.process.kill();
        kills += 1;
        mesh.origin.expect_more(500);
        mesh.control_plane.restart();
    }
    let tallies: Vec<_> = loads.into_iter().map(Load::stop).collect();
    for tally in &tallies {
        assert_eq!(tally.keys().collect::<Vec<_>>(), [&200], "{tally:?}");
    }
    let sent = tallies.iter().map(total).sum();

    // The counts from living sidecars ...
    mesh.api().expect_hits("shop", sent);
    // ... are on disk after the sidecars have drained ...
    for pod in &mut mesh.pods {
        pod.process.signal(Signal::TERM);
    }
    for pod in &mut mesh.pods {
        assert_eq!(pod.process.ended(SOON).code(), Some(0));
    }
    // ... so another kill loses nothing.
    mesh.control_plane.process.kill();
    mesh.control_plane.restart();
    mesh.api().expect_hits("shop", sent);
    println!("{sent} requests through {} kills", kills + 1);
}

#[test]
fn a_sidecar_that_leaves_while_the_control_plane_is_away_finds_it_again_and_loses_nothing() {
    let mut mesh = SmallMesh::start("shop", 1);
    for _ in 0..20 {
        mesh.pods[0].get("/cart");
    }
    mesh.control_plane.process.kill();
    for _ in 0..3 {
        mesh.pods[0].get("/cart");
    }
    mesh.pods[0].process.signal(Signal::TERM);
    mesh.control_plane.restart();
    assert_eq!(mesh.pods[0].process.ended(SOON).code(), Some(0));

    mesh.control_plane.process.kill();
    mesh.control_plane.restart();
    mesh.api().expect_hits("shop", 23);
}
