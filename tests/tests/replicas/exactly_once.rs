//! Tests that every request is counted exactly once, however often control planes and NATS servers are killed.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rustix::process::Signal;
use scenario::eventually::{SOON, eventually};
use scenario::load::{Load, total};
use scenario::nats::NatsCluster;
use scenario::origin::Origin;
use scenario::replicas::Replicas;

/// The duration of the load: some windows of ten seconds close in it with a leader, and some without.
const LOAD: Duration = Duration::from_secs(60);

#[test]
fn killing_replicas_and_nats_servers_leaves_every_request_counted_once_and_each_rule_made_once() {
    let mut nats = NatsCluster::start(3);
    let mut replicas = Replicas::start(3, &nats);
    replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let mut pods: Vec<_> = (0..2).map(|at| replicas.pod(&origin, "shop", &format!("shop-{at}"))).collect();
    replicas.api().expect_pods(&["shop-0", "shop-1"]);
    let loads: Vec<_> = pods.iter().map(|pod| Load::start(pod.port, 1, "/cart")).collect();

    let (began, mut rounds, mut rules) = (Instant::now(), 0, Vec::new());
    while began.elapsed() < LOAD {
        let victim = replicas.expect_leader();
        replicas.all[victim].process.kill();
        let node = rounds % 3;
        nats.nodes[node].kill();
        origin.expect_more(500);
        nats.nodes[node].start();
        let leader = replicas.expect_leader();
        assert_ne!(leader, victim);
        let route = format!("GET /off-{rounds}");
        rules.push(eventually(3 * SOON, || {
            let order = serde_json::json!({
                "service": "shop", "method": "GET", "route": route.strip_prefix("GET ").unwrap(),
                "action": {"disable": {"status": 503}}, "ttl": "1h", "reason": "kills", "allow_unseen": true,
            });
            let (status, answer) = replicas.api().order(&order)?;
            // Without a confirmation, it may be in force all the same.
            ensure!(
                status == 201 || answer["title"].as_str().is_some_and(|title| title.contains("in force")),
                "{status}: {answer}"
            );
            Ok(route.clone())
        }));
        replicas.all[victim].restart();
        nats.expect_healthy();
        replicas.expect_ready();
        rounds += 1;
    }
    let tallies: Vec<_> = loads.into_iter().map(Load::stop).collect();
    for tally in &tallies {
        assert_eq!(tally.keys().collect::<Vec<_>>(), [&200], "{tally:?}");
    }
    let sent = tallies.iter().map(total).sum();
    replicas.api().expect_hits("shop", sent);
    for pod in &mut pods {
        assert_eq!(pod.metric("sitio_windows_lost_total", ""), 0);
        pod.process.signal(Signal::TERM);
    }
    for pod in &mut pods {
        assert_eq!(pod.process.ended(2 * SOON).code(), Some(0));
    }

    expect_all_on_each(&mut replicas, sent, rules.len());
    println!("{sent} requests and {} rules through {rounds} kills of a leader and of a NATS server", rules.len());
}

/// Each replica has all of it on its own disk: each leads once, and the last one is alone.
fn expect_all_on_each(replicas: &mut Replicas, sent: u64, rules: usize) {
    for _ in 0..replicas.count() {
        let leader = replicas.expect_leader();
        replicas.api().expect_hits("shop", sent);
        eventually(SOON, || {
            let listed = replicas.api().json("/api/v1/rules")?;
            let in_force = listed["rules"].as_array().map_or(0, Vec::len);
            ensure!(in_force == rules, "{in_force} rules of {rules} commands: {listed}");
            Ok(())
        });
        replicas.all[leader].process.kill();
    }
}
