//! Tests which replica leads, and that the others forward to it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::eventually::{SOON, eventually};
use scenario::nats::NatsCluster;
use scenario::origin::Origin;
use scenario::replicas::Replicas;

#[test]
fn one_of_three_leads_and_every_replica_answers() {
    let nats = NatsCluster::start(1);
    let replicas = Replicas::start(3, &nats);
    let leader = replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let pods: Vec<_> = (0..3).map(|at| replicas.pod(&origin, "shop", &format!("shop-{at}"))).collect();
    for pod in &pods {
        assert_eq!(pod.get("/cart").status(), 200);
    }

    for replica in &replicas.all {
        replica.api().expect_pods(&["shop-0", "shop-1", "shop-2"]);
        replica.api().expect_hits("shop", 3);
        let status = replica.api().json("/api/v1/status").unwrap();
        assert_eq!(status["replication"]["leader"], format!("control-plane-{leader}"));
    }
    let rule = replicas.all[(leader + 1) % 3].api().turn_off("shop", "GET /cart", "1h");
    replicas.all[(leader + 2) % 3].api().expect_applied(&rule, &["shop-0", "shop-1", "shop-2"]);
    assert_eq!(pods[0].get("/cart").status(), 503);

    eventually(SOON, || {
        let status = replicas.status()?;
        let listed = status["replication"]["replicas"].as_array().map_or(0, Vec::len);
        ensure!(listed == 3, "{status}");
        Ok(())
    });
}

#[test]
fn a_killed_leader_is_replaced_with_its_rules_counts_and_sidecars() {
    let nats = NatsCluster::start(1);
    let mut replicas = Replicas::start(3, &nats);
    let leader = replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);
    for _ in 0..20 {
        assert_eq!(pod.get("/cart").status(), 200);
    }
    replicas.api().expect_hits("shop", 20);
    let rule = replicas.api().turn_off("shop", "GET /old", "1h");
    replicas.api().expect_applied(&rule, &["shop-0"]);

    let killed = Instant::now();
    replicas.all[leader].process.kill();
    let next = replicas.expect_leader();
    replicas.api().expect_pods(&["shop-0"]);
    println!("live again {:?} after the kill", killed.elapsed());

    assert_ne!(next, leader);
    replicas.api().expect_hits("shop", 20);
    replicas.api().expect_applied(&rule, &["shop-0"]);
    assert_eq!(pod.get("/old").status(), 503);

    // The killed one returns as a follower.
    replicas.all[leader].restart();
    replicas.expect_ready();
    assert_eq!(replicas.expect_leader(), next);
}

#[test]
fn a_leader_that_drains_is_replaced_at_once() {
    let nats = NatsCluster::start(1);
    let mut replicas = Replicas::start(3, &nats);
    let leader = replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let _pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);

    let drained = Instant::now();
    replicas.all[leader].process.signal(Signal::TERM);
    assert_eq!(replicas.all[leader].process.ended(SOON).code(), Some(0));
    let next = replicas.expect_leader();
    replicas.api().expect_pods(&["shop-0"]);
    println!("live again {:?} after the signal", drained.elapsed());
    assert_ne!(next, leader);
}

#[test]
fn two_commands_at_once_make_two_revisions() {
    let nats = NatsCluster::start(1);
    let replicas = Replicas::start(3, &nats);
    replicas.expect_leader();
    replicas.expect_ready();
    let origin = Origin::start();
    let pod = replicas.pod(&origin, "shop", "shop-0");
    replicas.api().expect_pods(&["shop-0"]);
    let routes = ["/a", "/b", "/c", "/d", "/e", "/f"];

    let rules: Vec<String> = thread::scope(|scope| {
        let commands = routes.iter().zip(replicas.all.iter().cycle()).map(|(route, replica)| {
            let api = replica.api();
            scope.spawn(move || api.turn_off("shop", &format!("GET {route}"), "1h"))
        });
        commands.collect::<Vec<_>>().into_iter().map(|command| command.join().unwrap()).collect()
    });

    let distinct: BTreeSet<&String> = rules.iter().collect();
    assert_eq!(distinct.len(), routes.len(), "{rules:?}");
    for rule in &rules {
        replicas.api().expect_applied(rule, &["shop-0"]);
    }
    let audit = replicas.api().json("/api/v1/audit").unwrap();
    assert_eq!(audit["entries"], routes.len(), "one entry for each command: {audit}");
    for route in routes {
        assert_eq!(pod.get(route).status(), 503);
    }
}

#[test]
fn taps_and_long_windows_work_at_a_follower() {
    let nats = NatsCluster::start(1);
    let replicas = Replicas::start(2, &nats);
    let follower = &replicas.all[1 - replicas.expect_leader()];
    replicas.expect_ready();
    let origin = Origin::start();
    let pod = replicas.pod(&origin, "shop", "shop-0");
    follower.api().expect_pods(&["shop-0"]);

    let mut tap = TcpStream::connect(("127.0.0.1", follower.http_port)).unwrap();
    tap.set_read_timeout(Some(SOON)).unwrap();
    write!(tap, "GET /api/v1/tap HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut lines = BufReader::new(tap).lines().map_while(Result::ok);
    // The pod begins to report to the tap with a delay.
    let mut sent = 0;
    eventually(SOON, || {
        pod.get("/cart");
        sent += 1;
        ensure!(lines.by_ref().take(3).any(|line| line.contains("/cart")), "the tap shows nothing yet");
        Ok(())
    });
    eventually(SOON, || {
        let week = follower.api().json("/api/v1/endpoints?window=7d")?;
        let hits: u64 = week["endpoints"].as_array().into_iter().flatten().filter_map(|row| row["hits"].as_u64()).sum();
        ensure!(hits == sent, "{sent} sent: {week}");
        Ok(())
    });
}
