//! Tests what a replica does about a log that does not fit its store: it copies another store, or refuses to go on.

use anyhow::ensure;
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::nats::NatsCluster;
use scenario::origin::Origin;
use scenario::replicas::Replicas;
use scenario::sidecar::Sidecar;

/// What a control plane says before it ends with an error.
fn refusal(replica: &mut ControlPlane) -> String {
    assert_ne!(replica.process.ended(2 * SOON).code(), Some(0));
    replica.process.stderr().join("\n")
}

/// Counts some requests of a pod, and waits until they are stored.
fn counted(replicas: &Replicas, requests: u64) {
    let origin = Origin::start();
    let mut pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);
    for _ in 0..requests {
        assert_eq!(pod.get("/cart").status(), 200);
    }
    replicas.api().expect_hits("shop", requests);
    // A sidecar that leaves waits until its last window is stored.
    pod.process.signal(rustix::process::Signal::TERM);
    assert_eq!(pod.process.ended(SOON).code(), Some(0));
}

#[test]
fn a_replica_that_was_away_longer_than_the_log_reaches_copies_the_leaders_store() {
    let nats = NatsCluster::start(1);
    let mut replicas = Replicas::start(3, &nats);
    let leader = replicas.expect_leader();
    replicas.expect_ready();
    let away = (leader + 1) % 3;
    replicas.all[away].process.kill();
    counted(&replicas, 7);
    nats.nodes[0].purge("SITIO_WIN");

    replicas.all[away].restart();
    replicas.all[away].process.line("that it copies", |line| line.contains("the store was copied from the leader").then_some(()));
    replicas.expect_ready();

    // It has everything: it leads alone.
    for at in (0..3).filter(|at| *at != away) {
        replicas.all[at].process.kill();
    }
    assert_eq!(replicas.expect_leader(), away);
    replicas.api().expect_hits("shop", 7);
}

#[test]
fn a_log_that_ends_before_the_store_is_refused() {
    let mut nats = NatsCluster::start(1);
    let mut replicas = Replicas::start(1, &nats);
    replicas.expect_leader();
    let backup = nats.nodes[0].stopped_copy();
    nats.nodes[0].start();
    replicas.expect_leader();
    counted(&replicas, 3);
    replicas.all[0].process.kill();

    nats.nodes[0].restore(&backup);
    replicas.all[0].restart();

    let said = refusal(&mut replicas.all[0]);
    assert!(said.contains("SITIO_WIN on NATS ends at message") && said.contains("NATS has lost messages"), "{said}");
}

#[test]
fn a_log_that_is_gone_is_made_anew_only_on_command() {
    let mut nats = NatsCluster::start(1);
    let mut replicas = Replicas::start(2, &nats);
    replicas.expect_leader();
    replicas.expect_ready();
    counted(&replicas, 5);
    replicas.all.iter_mut().for_each(|replica| replica.process.kill());
    nats.nodes[0].lose_everything();

    replicas.all[0].restart();
    let said = refusal(&mut replicas.all[0]);
    assert!(said.contains("it is gone") && said.contains("SITIO_NATS_NEW_LOG"), "{said}");

    replicas.all[0].restart_with(&[("SITIO_NATS_NEW_LOG", "true")]);
    replicas.expect_leader();
    replicas.api().expect_hits("shop", 5);
    replicas.all[1].restart();
    replicas.expect_ready();
}

#[test]
fn a_store_of_other_control_planes_does_not_join() {
    let (nats, other) = (NatsCluster::start(1), NatsCluster::start(1));
    let (replicas, mut others) = (Replicas::start(1, &nats), Replicas::start(1, &other));
    replicas.expect_leader();
    others.expect_leader();
    counted(&others, 1);
    others.all[0].process.kill();

    others.all[0].restart_with(&[("SITIO_NATS_URL", &nats.urls())]);

    let said = refusal(&mut others.all[0]);
    assert!(said.contains("belong to the store") && said.contains("move the data folder away"), "{said}");
}

#[test]
fn a_control_plane_that_was_alone_brings_its_counts_and_rules_along() {
    let nats = NatsCluster::start(1);
    let (origin, mut alone) = (Origin::start(), ControlPlane::start());
    let pod = Sidecar::builder(origin.port()).named("shop", "shop-0").reports_to(alone.grpc_port).start();
    alone.api().expect_pods(&["shop-0"]);
    let rule = alone.api().turn_off("shop", "GET /old", "1h");
    drop(pod);
    alone.process.kill();

    let mut replicas = Replicas::start(2, &nats);
    replicas.all.iter_mut().for_each(|replica| replica.process.kill());
    // Its folder becomes that of the first replica, on a NATS without streams.
    let nats = NatsCluster::start(1);
    let settings = [("SITIO_NATS_URL", nats.urls())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    replicas.all[0].take_folder_of(alone);
    replicas.all[0].restart_with(&settings);
    replicas.expect_leader();
    replicas.all[1].empty_folder();
    replicas.all[1].restart_with(&settings);
    replicas.expect_ready();

    let leader = replicas.expect_leader();
    replicas.all[leader].process.kill();
    eventually(2 * SOON, || {
        let rules = replicas.api().json("/api/v1/rules")?;
        ensure!(rules["rules"].as_array().is_some_and(|rules| rules.iter().any(|found| found["id"] == rule)), "{rules}");
        Ok(())
    });
}
