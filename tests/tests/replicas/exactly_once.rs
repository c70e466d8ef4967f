//! Tests that every request is counted exactly once, however often control planes and NATS servers are killed or restarted.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rustix::process::Signal;
use scenario::eventually::{SOON, eventually};
use scenario::load::{Load, total};
use scenario::nats::NatsCluster;
use scenario::origin::Origin;
use scenario::replicas::Replicas;
use scenario::sidecar::Sidecar;

/// The duration of the load: some windows of ten seconds close in it with a leader, and some without.
const LOAD: Duration = Duration::from_secs(60);

const PODS: [&str; 2] = ["shop-0", "shop-1"];

#[test]
fn killing_replicas_and_nats_servers_leaves_every_request_counted_once_and_each_rule_made_once() {
    let mut nats = NatsCluster::start(3);
    let (mut replicas, origin, pods) = start(&nats);
    let loads: Vec<_> = pods.iter().map(|pod| Load::start(pod.port, 1, "/cart")).collect();

    let (began, mut rounds) = (Instant::now(), 0);
    while began.elapsed() < LOAD {
        let victim = replicas.expect_leader();
        replicas.all[victim].process.kill();
        let node = rounds % 3;
        nats.nodes[node].kill();
        origin.expect_more(500);
        nats.nodes[node].start();
        let leader = replicas.expect_leader();
        assert_ne!(leader, victim);
        turn_off(&replicas, &format!("/off-{rounds}"));
        replicas.all[victim].restart();
        nats.expect_healthy();
        replicas.expect_ready();
        rounds += 1;
    }
    let sent = loads.into_iter().map(|load| answered(load, 200)).sum();
    expect_counted(&replicas, pods, sent);
    expect_all_on_each(&mut replicas, sent, rounds);
    println!("{sent} requests and {rounds} rules through {rounds} kills of a leader and of a NATS server");
}

#[test]
fn a_rolling_restart_loses_and_doubles_nothing() {
    let nats = NatsCluster::start(3);
    let (mut replicas, origin, pods) = start(&nats);
    let before = replicas.api().turn_off("shop", "GET /off-before", "1h");
    replicas.api().expect_applied(&before, &PODS);
    let (passing, blocked) = (Load::start(pods[0].port, 1, "/cart"), Load::start(pods[1].port, 1, "/off-before"));

    let mut routes = vec!["/off-before".to_owned()];
    for at in 0..3 {
        // Some windows are stored between two restarts.
        replicas.expect_stored(replicas.stored() + 1);
        replicas.all[at].process.signal(Signal::TERM);
        routes.push(format!("/off-{at}"));
        turn_off(&replicas, &routes[at + 1]);
        assert_eq!(replicas.all[at].process.ended(2 * SOON).code(), Some(0));
        origin.expect_more(500);
        replicas.all[at].restart();
        replicas.expect_ready();
        replicas.expect_leader();
    }

    let sent = answered(passing, 200) + answered(blocked, 503);
    assert_eq!(origin.asked("/off-before"), 0, "its rule is in force throughout");
    expect_each_applied_once(&replicas, &routes);
    expect_counted(&replicas, pods, sent);
    expect_all_on_each(&mut replicas, sent, routes.len());
}

/// Three replicas, and the pods of a service that are connected to them.
fn start(nats: &NatsCluster) -> (Replicas, Origin, Vec<Sidecar>) {
    let replicas = Replicas::start(3, nats);
    replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let pods = PODS.iter().map(|name| replicas.pod(&origin, "shop", name)).collect();
    replicas.api().expect_pods(&PODS);
    (replicas, origin, pods)
}

/// Turns a route off while replicas come and go.
#[track_caller]
fn turn_off(replicas: &Replicas, route: &str) {
    eventually(3 * SOON, || {
        let order = serde_json::json!({
            "service": "shop", "method": "GET", "route": route, "action": {"disable": {"status": 503}},
            "ttl": "1h", "reason": "an outage", "allow_unseen": true,
        });
        let (status, answer) = replicas.api().order(&order)?;
        // Without a confirmation, it may be in force all the same.
        ensure!(status == 201 || answer["title"].as_str().is_some_and(|title| title.contains("in force")), "{status}: {answer}");
        Ok(())
    });
}

/// Stops a load whose responses all have this status, and returns their number.
#[track_caller]
fn answered(load: Load, status: u16) -> u64 {
    let tally = load.stop();
    assert_eq!(tally.keys().collect::<Vec<_>>(), [&status], "{tally:?}");
    total(&tally)
}

/// Each route has one rule and one entry in the audit log, and every pod has applied it.
#[track_caller]
fn expect_each_applied_once(replicas: &Replicas, routes: &[String]) {
    let listed = replicas.api().json("/api/v1/rules").unwrap();
    let rules = listed["rules"].as_array().unwrap();
    let mut in_force: Vec<_> = rules.iter().filter_map(|rule| rule["route"].as_str()).collect();
    in_force.sort_unstable();
    let mut commanded: Vec<_> = routes.iter().map(String::as_str).collect();
    commanded.sort_unstable();
    assert_eq!(in_force, commanded, "{listed}");
    for rule in rules {
        replicas.api().expect_applied(rule["id"].as_str().unwrap(), &PODS);
    }
    let audit = replicas.api().json("/api/v1/audit").unwrap();
    assert_eq!(audit["entries"], routes.len(), "one entry for each command: {audit}");
}

/// All requests are counted, no window is lost, and the pods drain.
#[track_caller]
fn expect_counted(replicas: &Replicas, mut pods: Vec<Sidecar>, sent: u64) {
    replicas.api().expect_hits("shop", sent);
    for pod in &pods {
        assert_eq!(pod.metric("sitio_windows_lost_total", ""), 0);
        pod.process.signal(Signal::TERM);
    }
    for pod in &mut pods {
        assert_eq!(pod.process.ended(2 * SOON).code(), Some(0));
    }
}

/// Each replica has all of it on its own disk: each leads once, and the last one is alone.
fn expect_all_on_each(replicas: &mut Replicas, sent: u64, rules: usize) {
    for _ in 0..replicas.count() {
        let leader = replicas.expect_leader();
        replicas.api().expect_hits("shop", sent);
        replicas.expect_rules(rules);
        replicas.all[leader].process.kill();
    }
}
