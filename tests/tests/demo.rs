//! `sitio demo`: one command to real services behind real sidecars on a live dashboard.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rustix::process::Signal;
use scenario::client::get;
use scenario::demo::Demo;
use scenario::eventually::{SOON, eventually};
use scenario::memory::resident_kib;
use scenario::process::Process;
use scenario::programs::program;

#[test]
fn the_demo_shows_a_shop_of_four_services_on_two_pods_each() {
    let demo = Demo::start(&[]);
    let api = demo.api();

    eventually(SOON * 2, || {
        let rows = api.endpoints()?;
        let services: BTreeSet<_> = rows.iter().filter_map(|row| row["service"].as_str()).collect();
        ensure!(rows.len() >= 12 && services.len() >= 3, "{} endpoints of {services:?}", rows.len());
        Ok(())
    });
    let pods = api.pods().unwrap();
    for service in ["storefront", "payments", "search", "legacy"] {
        assert_eq!(pods.iter().filter(|pod| pod["service"] == service).count(), 2, "{service}: {pods:?}");
    }
    eventually(SOON, || {
        let page = api.page("/")?;
        ensure!(page.contains(">/legacy/export<"), "the page does not list the export without script");
        Ok(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_pods_of_the_demo_tell_together_what_it_uses() {
    let demo = Demo::start(&[]);
    eventually(SOON, || {
        let used: Vec<u64> = demo.api().pods()?.iter().filter_map(|pod| pod["resources"]["memory_bytes"].as_u64()).collect();
        ensure!(used.len() == 8, "{} pods tell what they use", used.len());
        let (together, resident) = (used.iter().sum::<u64>() / 1024, resident_kib(demo.process.id()));
        ensure!(together > resident / 2 && together < resident * 2, "{together} KiB together, of {resident}");
        Ok(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_demo_shows_which_service_calls_which() {
    let demo = Demo::start(&[]);
    let api = demo.api();
    for (service, route, caller) in [
        ("search", "/api/search", "storefront"),
        ("payments", "/api/orders/{id}", "storefront"),
        ("legacy", "/legacy/export", "payments"),
    ] {
        eventually(SOON * 2, || {
            let rows = api.endpoints()?;
            let row = rows.iter().find(|row| row["service"] == service && row["route"] == route && row["hits"] != 0);
            let Some(id) = row.and_then(|row| row["id"].as_str()) else { anyhow::bail!("nobody has called {route}") };
            let told = api.json(&format!("/api/v1/endpoints/{id}/callers"))?;
            let names: Vec<_> =
                told["callers"].as_array().into_iter().flatten().filter_map(|row| row["service"].as_str()).collect();
            ensure!(names == [caller] && told["unknown_hits"] == 0, "{told}");
            Ok(())
        });
    }
    let map = api.page("/map?window=1m").unwrap();
    assert!(map.contains(">storefront<") && map.contains(">Outside<"), "{map}");
}

#[test]
fn turning_the_export_off_by_hand_works_as_the_demo_says() {
    let demo = Demo::start(&["--no-traffic"]);
    assert_eq!(demo.legacy_ports.len(), 2, "{:?}", demo.process.stdout());
    assert_eq!(get(demo.legacy_ports[0], "/legacy/export").status(), 200);

    let rule = demo.api().turn_off("legacy", "GET /legacy/export", "15m");

    for port in &demo.legacy_ports {
        eventually(SOON, || {
            let answer = get(*port, "/legacy/export");
            ensure!(answer.status() == 503, "still {}", answer.status());
            answer.expect_blocked_by(&rule);
            Ok(())
        });
    }
}

#[test]
fn the_demo_ends_by_itself_and_its_counts_agree_with_what_it_sent() {
    let mut demo = Demo::start(&["--duration", "4s"]);

    let status = demo.process.ended(SOON * 2);

    let said = demo.process.stdout().join("\n");
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("agree"), "the demo compares what it sent with what the mesh counted: {said}");
}

#[test]
fn ctrl_c_ends_the_demo_within_five_seconds() {
    let mut demo = Demo::start(&[]);
    let asked = Instant::now();

    demo.process.signal(Signal::INT);
    let status = demo.process.ended(SOON);

    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    assert!(status.code().is_some(), "it ended in order, not by the signal: {status}");
}

#[test]
fn a_taken_port_is_one_clear_line_that_names_the_port() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    for (flag, other) in [("--http-port", "--grpc-port"), ("--grpc-port", "--http-port")] {
        let mut command = Command::new(program("sitio"));
        command.arg("demo").args([other, "0", flag, &port]);
        let mut process = Process::start(command);
        let status = process.ended(SOON);
        let said = process.stderr();

        assert_eq!(status.code(), Some(1), "{flag}: {said:?}");
        assert_eq!(said.len(), 1, "{flag}: one line: {said:?}");
        assert!(said[0].contains(&port) && said[0].contains(flag), "{said:?}");
    }
}
