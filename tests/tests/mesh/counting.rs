//! Tests that the counts equal the requests sent, even when the control plane is killed.

use std::thread;

use scenario::load::{Load, send_all, total};
use scenario::small_mesh::SmallMesh;

#[test]
fn the_hits_of_two_pods_add_up_exactly() {
    let mesh = SmallMesh::start("shop", 2);

    let ports: Vec<_> = mesh.pods.iter().map(|pod| pod.port).collect();
    let storms: Vec<_> = ports.into_iter().map(|port| thread::spawn(move || send_all(port, 8, 250, "/orders/17"))).collect();
    let tallies: Vec<_> = storms.into_iter().map(|send_all| send_all.join().unwrap()).collect();

    for tally in &tallies {
        assert_eq!(tally.get(&200), Some(&2000), "{tally:?}");
    }
    mesh.api().expect_hits("shop", 4000);
    assert_eq!(mesh.origin.completed(), 4000);
    let rows = mesh.api().endpoints().unwrap();
    let row = rows.iter().find(|row| row["route"] == "/orders/{id}").expect("the endpoint is listed");
    assert_eq!((&row["service"], &row["method"], &row["hits"]), (&"shop".into(), &"GET".into(), &4000.into()), "{row}");
    assert_eq!(row["bytes_out"], 4000 * "GET /orders/17".len(), "{row}");
    for field in ["avg_ms", "p50_ms", "p95_ms", "p99_ms", "rps", "status", "bytes_in", "pods"] {
        assert!(!row[field].is_null(), "{field} is missing in {row}");
    }
}

#[test]
fn every_kind_of_exchange_is_counted_once() {
    let mesh = SmallMesh::start("shop", 1);
    let mut client = mesh.pods[0].connect();

    for target in ["/status/204", "/status/304", "/status/500", "/missing", "/bytes/70000", "/chunked/70000", "/early"] {
        client.get(target);
    }
    client.send("POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello");
    client.response("POST");
    client.send("HEAD /bytes/9 HTTP/1.1\r\nHost: shop\r\n\r\n");
    client.response("HEAD");

    mesh.api().expect_hits("shop", 9);
    let rows = mesh.api().endpoints().unwrap();
    let sum = |field: &str| rows.iter().filter_map(|row| row[field].as_u64()).sum::<u64>();
    assert_eq!(sum("bytes_in"), 5, "{rows:?}");
    let bodies = [70_000, 70_000, "status 500".len(), "the service's own 404".len(), "after the hints".len(), 5];
    assert_eq!(sum("bytes_out"), bodies.iter().sum::<usize>() as u64, "{rows:?}");
}

#[test]
fn killing_the_control_plane_under_load_loses_no_request_and_no_count() {
    let mut mesh = SmallMesh::start("shop", 2);

    let loads: Vec<_> = mesh.pods.iter().map(|pod| Load::start(pod.port, 4, "/cart")).collect();
    mesh.origin.expect_more(500);
    mesh.control_plane.process.kill();
    mesh.origin.expect_more(1000);
    mesh.control_plane.restart();
    mesh.origin.expect_more(500);
    let tallies: Vec<_> = loads.into_iter().map(Load::stop).collect();

    for tally in &tallies {
        assert_eq!(tally.keys().collect::<Vec<_>>(), [&200], "{tally:?}");
    }
    mesh.api().expect_hits("shop", tallies.iter().map(total).sum());
}

#[test]
fn a_sidecar_without_a_control_plane_serves_and_finds_it_later() {
    let mut mesh = SmallMesh::start("shop", 0);
    mesh.control_plane.process.kill();
    let pod = mesh.another_pod("shop-0");

    assert_eq!(send_all(pod.port, 2, 50, "/early-bird").get(&200), Some(&100));
    mesh.control_plane.restart();

    mesh.api().expect_hits("shop", 100);
}
