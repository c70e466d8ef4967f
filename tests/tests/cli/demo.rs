//! Tests `sitio demo`: services, sidecars, dashboard, comparison of counts, and process supervision.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use rustix::process::{Signal, kill_process};
use scenario::cli::{client_command, run};
use scenario::client::get;
use scenario::demo::{Demo, port};
use scenario::eventually::{SOON, eventually};
use scenario::proc::resident_kib;
use scenario::process::{Process, program};
use scenario::terminal::Terminal;

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
fn the_pods_of_the_demo_report_its_resource_use() {
    let demo = Demo::start(&[]);
    eventually(SOON, || {
        let used: Vec<u64> = demo.api().pods()?.iter().filter_map(|pod| pod["resources"]["memory_bytes"].as_u64()).collect();
        ensure!(used.len() == 8, "{} pods report what they use", used.len());
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
            let Some(id) = row.and_then(|row| row["id"].as_str()) else { anyhow::bail!("{route} has not been called") };
            let output = api.json(&format!("/api/v1/endpoints/{id}/callers"))?;
            let names: Vec<_> =
                output["callers"].as_array().into_iter().flatten().filter_map(|row| row["service"].as_str()).collect();
            ensure!(names == [caller] && output["unknown_hits"] == 0, "{output}");
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
fn a_demo_in_the_folder_of_an_earlier_one_counts_its_own_requests_only() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut demo = Demo::start(&["--duration", "2s", "--data-dir", folder.path().to_str().unwrap()]);
        let status = demo.process.ended(SOON * 2);
        let said = demo.process.stdout().join("\n");
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("they agree, endpoint by endpoint"), "{said}");
    }
}

/// Waits until its control plane has counted this number of requests in total.
fn reach(demo: &Demo, hits: u64) {
    eventually(SOON, || {
        let counted: u64 = demo.api().endpoints()?.iter().filter_map(|row| row["hits"].as_u64()).sum();
        ensure!(counted >= hits, "{counted} hits");
        Ok(())
    });
}

#[test]
fn killing_the_control_plane_again_and_again_changes_no_number() {
    let mut demo = Demo::start(&[]);
    for hits in [100, 200, 300] {
        reach(&demo, hits);
        let killed = demo.control_plane();
        kill_process(killed, Signal::KILL).unwrap();
        eventually(SOON, || {
            ensure!(demo.control_plane() != killed, "it was not started again");
            demo.api().endpoints()
        });
    }
    reach(&demo, 400);
    // Once more, so that no control plane receives the last reports at first.
    kill_process(demo.control_plane(), Signal::KILL).unwrap();
    demo.process.signal(Signal::INT);
    let status = demo.process.ended(SOON * 2);

    let said = demo.process.stdout();
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let ends = said.iter().filter(|line| line.contains("the control plane has ended (signal 9); started again as process"));
    assert_eq!(ends.count(), 4, "{said:#?}");
    let number =
        |word: &str| said.iter().find_map(|line| line.trim().strip_prefix(word)?.split_whitespace().next()?.parse::<u64>().ok());
    let (sent, counted) = (number("Sent"), number("Counted"));
    assert!(sent >= Some(400) && sent == counted, "{sent:?} sent, {counted:?} counted: {said:#?}");
    assert!(said.iter().any(|line| line.contains("they agree, endpoint by endpoint")), "{said:#?}");
}

#[test]
fn the_control_plane_does_not_outlive_a_demo_that_was_killed() {
    let mut demo = Demo::start(&["--no-traffic"]);
    TcpStream::connect(("127.0.0.1", demo.http_port)).unwrap();

    demo.process.kill();

    // A process that is left would hold the port, and connections would wait there.
    eventually(SOON, || {
        ensure!(TcpStream::connect(("127.0.0.1", demo.http_port)).is_err(), "a process still listens");
        Ok(())
    });
}

/// The error of a demo with its data in this folder, where no control plane can start.
fn complaint(folder: &Path) -> String {
    let mut command = Command::new(program("sitio"));
    command.env_clear().args(["demo", "--http-port", "0", "--grpc-port", "0", "--data-dir"]).arg(folder);
    let mut process = Process::start(command);
    let status = process.ended(SOON);
    let said = process.stderr().join("\n");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(process.stdout().is_empty(), "{:?}", process.stdout());
    said
}

#[test]
fn a_control_plane_that_cannot_start_ends_the_demo_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let said = complaint(&file);
    assert!(said.contains(&format!("make the folder {}", file.display())), "{said}");

    // A second demo cannot use the folder of the first.
    let data = folder.path().join("data");
    let _demo = Demo::start(&["--no-traffic", "--data-dir", data.to_str().unwrap()]);
    let said = complaint(&data);
    assert!(said.contains("sitio.redb") && said.contains("the control plane cannot start (exit code 1)"), "{said}");
    assert_eq!(said.lines().count(), 2, "its reason, and what follows from it: {said}");
}

#[test]
fn ctrl_c_ends_the_demo_in_order() {
    let mut demo = Demo::start(&[]);

    demo.process.signal(Signal::INT);
    let status = demo.process.ended(SOON);

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

#[test]
fn the_tour_shows_every_decorator_and_its_requests_are_counted() {
    let mut demo = Demo::start(&["--tour"]);

    let status = demo.process.ended(SOON * 6);

    let said = demo.process.stdout().join("\n");
    assert_eq!(status.code(), Some(0), "{said}");
    let titles = decorators::action::NAMES.iter().chain(&["notify"]).map(|name| format!("/12 {name}  "));
    titles.for_each(|title| assert!(said.contains(&title), "{title}: {said}"));
    for shown in [
        "GET /legacy/export: 503 in ",
        "<h1>404: look somewhere else</h1>",
        "x-frame-options: SAMEORIGIN",
        "rate-limit: acted on 2 requests",
        "x-sitio-error: upstream-timeout",
        "retry: acted on 3 requests",
        "circuits of the pods: 1 closed, 0 half-open, 1 open",
        "The error rates differ: the service itself fails more often",
        "GET /legacy/report.csv: 401 in ",
        "GET /.sitio/login/callback: 302 in ",
        "firing: legacy is failing. ",
        "they agree, endpoint by endpoint",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    assert!(!said.contains("Press Enter"), "without a terminal, it does not stop: {said}");
}

#[test]
fn on_a_terminal_the_tour_waits_for_enter_and_a_rule_that_was_removed_meanwhile_ends_nothing() {
    let mut command = Command::new(program("sitio"));
    command.env_clear().env("NO_COLOR", "1").args(["demo", "--tour", "--http-port", "0", "--grpc-port", "0"]);
    let mut terminal = Terminal::start(&command, 120, 240);
    let screen = terminal.expect("the first step", |screen| screen.matches("Press Enter").count() == 1);
    let dashboard = screen.lines().find_map(|line| port(line.split("Dashboard").nth(1)?)).unwrap();
    run(client_command(dashboard, &["undecorate", "r1"])).success();

    terminal.keys("\r");
    terminal.expect("the second step", |screen| screen.contains("2/12 error-page") && screen.matches("Press Enter").count() == 2);

    // A read of the terminal is under way, and must not keep the program.
    terminal.keys("\x03");
    assert_eq!(terminal.ended().code(), Some(0));
}
