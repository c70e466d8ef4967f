//! Tests that a rule expires by the control plane's clock, whatever the pod's clock shows.

use std::time::{Duration, Instant};

use crate::control_client::tests::control_plane::{Mesh, off};
use crate::control_client::tests::world;
use crate::ledger::collector::now_ms;
use crate::sidecar::tests::world::World;

/// How long the rules here last: time enough to see one in force on a busy machine.
const TTL: Duration = Duration::from_secs(3);

/// Both sides truncate to milliseconds.
const EARLY_MAX: Duration = Duration::from_millis(10);

/// Hours by which the control plane's clock differs from ours.
const APART_H: [i64; 4] = [-48, -1, 1, 720];

/// Requests until the service answers again; returns how long after `since` that was.
async fn on_again(world: &World, route: &str, since: Instant) -> Duration {
    while world.get(route).await.status == 503 {
        assert!(since.elapsed() < 10 * TTL, "the rule never lapses");
    }
    since.elapsed()
}

#[tokio::test]
async fn a_rule_lapses_on_time_whatever_the_pods_clock_says() {
    for hours in APART_H {
        let mut mesh = Mesh::start().await;
        let world = world(&mesh).await;
        let mut stream = mesh.welcomed().await;
        let theirs_ms = now_ms().saturating_add_signed(hours * 3_600_000);

        let sent = Instant::now();
        stream.sent_ms = theirs_ms;
        let mut rule = off("r1", "/export");
        rule.expires_ms = Some(theirs_ms + TTL.as_millis() as u64);
        stream.desire(2, vec![rule]).await;
        stream.receipt().await;

        assert_eq!(world.get("/export").await.status, 503, "{hours} hours apart");
        let lapsed_after = on_again(&world, "/export", sent).await;
        assert!(lapsed_after + EARLY_MAX >= TTL, "{hours} hours apart: over after {lapsed_after:?}");
        world.left().await;
    }
}

#[tokio::test]
async fn the_time_of_a_control_plane_that_does_not_send_it_is_the_date_of_its_response() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;

    let sent = Instant::now();
    let mut rule = off("r1", "/export");
    rule.expires_ms = Some(now_ms() + TTL.as_millis() as u64);
    stream.desire(2, vec![rule]).await;
    stream.receipt().await;

    assert_eq!(world.get("/export").await.status, 503);
    let lapsed_after = on_again(&world, "/export", sent).await;
    assert!(lapsed_after + EARLY_MAX >= TTL, "over after {lapsed_after:?}");
    world.left().await;
}
