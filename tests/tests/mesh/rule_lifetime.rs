//! Tests the lifetime of rules: expiry without a control plane, restarts, and pods that join later.

use std::time::{Duration, Instant};

use anyhow::ensure;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// The lifetime of the rule: usually long enough to kill the control plane and to check three pods.
const TTL: Duration = Duration::from_secs(6);

/// The earliest expiry: it is given in whole milliseconds of a clock that two programs read.
const EARLIEST: Duration = Duration::from_millis(5950);

#[test]
fn a_rule_lapses_on_time_with_the_control_plane_dead() {
    let mut mesh = SmallMesh::start("legacy", 3);
    let api = mesh.api();

    let asked = Instant::now();
    let rule = api.turn_off("legacy", "GET /lapsing", "6s");
    api.expect_applied(&rule, &mesh.names());
    mesh.control_plane.process.kill();

    for pod in &mesh.pods {
        let answer = pod.get("/lapsing");
        // On a busy machine the rule may have expired by now.
        if asked.elapsed() < EARLIEST {
            answer.expect_blocked_by(&rule);
        }
    }
    for pod in &mesh.pods {
        eventually(TTL + SOON, || {
            let status = pod.get("/lapsing").status();
            // The clock is read after the response, so that the response cannot be older than the reading.
            assert!(status == 503 || asked.elapsed() >= EARLIEST, "{status} too early");
            ensure!(status == 200, "still {status}");
            Ok(())
        });
    }
    println!("expired on every pod {:?} after the command for {TTL:?}", asked.elapsed());
}

#[test]
fn rules_outlive_the_control_plane() {
    let mut mesh = SmallMesh::start("legacy", 3);
    let rule = mesh.api().turn_off("legacy", "GET /durable", "1h");
    mesh.api().expect_applied(&rule, &mesh.names());

    mesh.control_plane.process.kill();
    mesh.pods[0].get("/durable").expect_blocked_by(&rule);
    mesh.control_plane.restart();

    let api = mesh.api();
    api.expect_pods(&mesh.names());
    api.expect_applied(&rule, &mesh.names());
    for pod in &mesh.pods {
        pod.get("/durable").expect_blocked_by(&rule);
    }
    let audit = eventually(SOON, || api.json("/api/v1/audit")).to_string();
    assert!(audit.contains("a scenario asks for it"), "{audit}");
}

#[test]
fn a_pod_that_comes_later_obeys_from_its_first_exchange() {
    let mesh = SmallMesh::start("legacy", 3);
    let rule = mesh.api().turn_off("legacy", "GET /late", "1h");
    mesh.api().expect_applied(&rule, &mesh.names());

    for at in 0..5 {
        let late = mesh.another_pod(&format!("legacy-late-{at}"));
        late.get("/late").expect_blocked_by(&rule);
    }

    assert_eq!(mesh.origin.asked("/late"), 0);
}
