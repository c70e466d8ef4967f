//! Tests that an outage of all NATS servers stops nothing but what needs them, and that everything goes on after it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use scenario::eventually::{SOON, eventually};
use scenario::nats::NatsCluster;
use scenario::origin::Origin;
use scenario::replicas::Replicas;

/// The length of the outage: longer than the lease lasts, and than a window of counts.
const OUTAGE: Duration = Duration::from_secs(25);

#[test]
fn without_nats_live_counts_go_on_and_what_was_counted_is_stored_after_it() {
    let mut nats = NatsCluster::start(1);
    let replicas = Replicas::start(2, &nats);
    let leader = replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let mut pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);
    assert_eq!(pod.get("/cart").status(), 200);
    replicas.api().expect_hits("shop", 1);

    nats.nodes[0].kill();
    let (began, mut sent) = (Instant::now(), 1);
    let api = replicas.all[leader].api();
    while began.elapsed() < OUTAGE {
        assert_eq!(pod.get("/cart").status(), 200, "traffic does not need the control plane");
        sent += 1;
        api.expect_hits("shop", sent);
    }
    let (status, answer) = api
        .order(&serde_json::json!({
            "service": "shop", "method": "GET", "route": "/off", "action": {"disable": {"status": 503}},
            "ttl": "1h", "reason": "an outage", "allow_unseen": true,
        }))
        .unwrap();
    assert!(status.is_server_error() && answer.to_string().contains("NATS"), "{status}: {answer}");
    eventually(SOON, || {
        let status = api.json("/api/v1/status")?;
        ensure!(status["replication"]["nats_unreachable_since"].is_string(), "{status}");
        Ok(())
    });

    nats.nodes[0].start();
    nats.expect_healthy();
    eventually(2 * SOON, || {
        let status = api.json("/api/v1/status")?;
        ensure!(status["store"]["durable"] == true && status["replication"]["nats_unreachable_since"].is_null(), "{status}");
        Ok(())
    });
    let commanded = Instant::now();
    let rule = api.turn_off("shop", "GET /off", "1h");
    api.expect_applied(&rule, &["shop-0"]);
    println!("a rule applied {:?} after the command", commanded.elapsed());
    assert_eq!(replicas.expect_leader(), leader, "the leader has gone on");

    // Everything is stored: the other replica has it, too.
    pod.process.signal(rustix::process::Signal::TERM);
    assert_eq!(pod.process.ended(2 * SOON).code(), Some(0));
    let mut replicas = replicas;
    replicas.expect_ready();
    replicas.all[leader].process.kill();
    assert_ne!(replicas.expect_leader(), leader);
    replicas.api().expect_hits("shop", sent);
}

#[test]
fn a_nats_server_that_falls_silent_is_left_for_another_one() {
    let nats = NatsCluster::start(3);
    let replicas = Replicas::start(1, &nats);
    replicas.expect_leader();
    let origin = Origin::start();
    let pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);

    // The control plane connects to one of them: each falls silent in turn, and two of three remain.
    for (at, node) in nats.nodes.iter().enumerate() {
        node.freeze();
        let route = format!("/off-{at}");
        eventually(4 * SOON, || {
            let order = serde_json::json!({
                "service": "shop", "method": "GET", "route": route, "action": {"disable": {"status": 503}},
                "ttl": "1h", "reason": "a silent server", "allow_unseen": true,
            });
            let (status, answer) = replicas.api().order(&order)?;
            // Without a confirmation, it may be in force all the same.
            ensure!(status == 201 || status == 409, "{status}: {answer}");
            Ok(())
        });
        eventually(2 * SOON, || {
            ensure!(pod.get(&route).status() == 503, "the rule is not applied yet");
            Ok(())
        });
        node.thaw();
        nats.expect_healthy();
    }
    let listed = replicas.api().json("/api/v1/rules").unwrap();
    assert_eq!(listed["rules"].as_array().map(Vec::len), Some(3), "one for each command: {listed}");
}
