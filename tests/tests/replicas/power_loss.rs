//! Tests that nothing acknowledged is missing after all NATS servers have lost their power at once.

use rustix::process::Signal;
use scenario::eventually::SOON;
use scenario::load::{Load, total};
use scenario::nats::{JETSTREAM, NatsCluster};
use scenario::origin::Origin;
use scenario::replicas::Replicas;

/// Requests before the loss: some windows of ten seconds are stored by then.
const REQUESTS: u64 = 3000;

#[test]
fn nothing_acknowledged_is_missing_after_all_servers_have_lost_their_power() {
    let mut nats = NatsCluster::with_record(3, JETSTREAM);
    let mut replicas = Replicas::start(2, &nats);
    let leader = replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let mut pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);
    let load = Load::start(pod.port, 1, "/cart");
    let mut rules = Vec::new();
    for at in 0..5 {
        origin.expect_more(REQUESTS / 5);
        rules.push(replicas.api().turn_off("shop", &format!("GET /off-{at}"), "1h"));
    }
    replicas.expect_stored(2);

    let dropped = nats.lose_power();
    println!("{dropped} bytes were not synced");

    nats.expect_healthy();
    replicas.expect_ready();
    origin.expect_more(100);
    let sent = total(&load.stop());
    replicas.api().expect_hits("shop", sent);
    pod.process.signal(Signal::TERM);
    assert_eq!(pod.process.ended(2 * SOON).code(), Some(0));
    // The leader goes on only if the log holds all that it has applied; the other replica has all of it, too.
    assert_eq!(replicas.expect_leader(), leader);
    replicas.all[leader].process.kill();
    assert_ne!(replicas.expect_leader(), leader);
    replicas.api().expect_hits("shop", sent);
    replicas.expect_rules(rules.len());
}

#[test]
fn servers_that_sync_later_lose_what_they_acknowledged_and_the_replica_says_so() {
    let mut nats = NatsCluster::with_record(1, "jetstream { store_dir: \"@\", max_file_store: 20GB, sync_interval: 10m }");
    let mut replicas = Replicas::start(1, &nats);
    replicas.expect_leader();
    let origin = Origin::start();
    let pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);
    pod.get("/cart");
    replicas.api().turn_off("shop", "GET /off", "1h");
    replicas.expect_stored(1);

    assert!(nats.lose_power() > 0);

    assert_ne!(replicas.all[0].process.ended(4 * SOON).code(), Some(0));
    let said = replicas.all[0].process.stderr().join("\n");
    assert!(said.contains("NATS") && said.contains("acknowledged"), "{said}");
}
