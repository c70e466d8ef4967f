//! Tests `sitio` output for programs: JSON, YAML and CSV.

use anyhow::ensure;
use rustix::process::Signal;
use scenario::cli::client_command;
use scenario::eventually::{SOON, eventually};
use scenario::process::Process;
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

#[test]
fn every_answer_for_programs_is_read_by_programs() {
    let mesh = SmallMesh::start("shop", 2);
    assert_eq!(mesh.pods[0].get("/x").status(), 200);
    mesh.api().expect_hits("shop", 1);
    let off = ["disable", "shop", "GET", "/x", "--reason", "it: \"must\"\n- be", "--wait"];
    for command in [
        &off[..],
        &["stat"],
        &["pods"],
        &["rules"],
        &["rules", "r1"],
        &["audit"],
        &["callers", "/x"],
        &["history", "/x"],
        &["check"],
        &["enable", "r1", "--wait"],
    ] {
        // A command that changes something can run only once.
        let is_look = !["enable", "disable"].contains(&command[0]);
        for format in ["json", "yaml"].iter().filter(|format| **format == "json" || is_look) {
            let output = mesh.sitio(&[command, &["-o", format]].concat()).success();
            let read: Value =
                if *format == "json" { serde_json::from_str(&output).unwrap() } else { serde_norway::from_str(&output).unwrap() };
            assert!(read.is_object() || read.is_array(), "{command:?} -o {format}: {output}");
        }
    }
    let off = mesh.sitio(&[&off[..], &["-o", "yaml"]].concat()).success();
    let off: Value = serde_norway::from_str(&off).unwrap();
    assert_eq!((&off["action"]["disable"]["status"], &off["reason"]), (&503.into(), &"it: \"must\" - be".into()), "{off}");
}

/// Columns whose values change between two reads.
const MOVES: [&str; 7] = ["clock_error_ms", "clock_offset_ms", "rps", "memory_bytes", "cpu_milli", "heard_at", "window_s"];

/// The columns of a CSV file with their values.
#[track_caller]
fn columns(file: &str) -> Vec<(String, Vec<String>)> {
    let cells = |line: &str| -> Vec<String> { line.trim_end().split(',').map(str::to_owned).collect() };
    let mut lines = file.lines().map(cells);
    let mut columns: Vec<(String, Vec<String>)> =
        lines.next().expect("a file has a line of names").into_iter().map(|name| (name, vec![])).collect();
    for line in lines {
        assert_eq!(line.len(), columns.len(), "{line:?} of {file}");
        columns.iter_mut().zip(line).for_each(|((_, values), value)| values.push(value));
    }
    columns
}

#[test]
fn a_list_as_csv_has_the_names_and_the_values_of_the_dashboard_s_file() {
    let mesh = SmallMesh::start("shop", 2);
    assert_eq!(mesh.pods[0].get("/x").status(), 200);
    mesh.api().expect_hits("shop", 1);
    let rule = mesh.api().turn_off("shop", "GET /x", "1h");
    mesh.api().expect_applied(&rule, &mesh.names());
    let url = |file: &str| format!("http://127.0.0.1:{}/{file}", mesh.control_plane.http_port);
    let file = |name: &str| scenario::api::http_client().build().unwrap().get(url(name)).send().unwrap().text().unwrap();
    let requests = format!("endpoints/{}/csv/requests.csv", mesh.api().endpoints().unwrap()[0]["id"].as_str().unwrap());

    for (command, theirs, only_ours, only_theirs) in [
        (&["stat"][..], "endpoints.csv", &["state", "rule", "id", "taken_at"][..], &[][..]),
        (&["pods"], "pods.csv", &["connections", "uid", "taken_at"], &[]),
        // The results of a rule are not in the API's audit response, but in `sitio rules`.
        (&["audit"], "audit.csv", &[], &["ended_at", "applied", "of", "slowest_ms"]),
        (&["history", "/x"], &requests, &["outcome"], &[]),
    ] {
        let ours = columns(&mesh.sitio(&[command, &["-o", "csv"]].concat()).success());
        let theirs = columns(&file(theirs));
        let names = |all: &[(String, Vec<String>)], but: &[&str]| -> Vec<String> {
            all.iter().map(|(name, _)| name.clone()).filter(|name| !but.contains(&name.as_str())).collect()
        };
        assert_eq!(names(&ours, only_ours), names(&theirs, only_theirs), "{command:?}: the same names in the same order");
        assert_eq!(ours.len() - only_ours.len(), theirs.len() - only_theirs.len(), "{command:?}: those that differ are there");
        for (name, values) in ours.iter().filter(|(name, _)| !MOVES.contains(&name.as_str())) {
            let Some((_, same)) = theirs.iter().find(|(other, _)| other == name) else { continue };
            assert_eq!(values, same, "{command:?}: {name}");
        }
    }
    for (command, lines) in [(&["rules"][..], 1), (&["rules", &rule], 2), (&["callers", "/x"], 1)] {
        let output = columns(&mesh.sitio(&[command, &["-o", "csv"]].concat()).success());
        assert_eq!(output[0].1.len(), lines, "{command:?}: {output:?}");
    }

    let mut watching = Process::start(client_command(mesh.control_plane.http_port, &["stat", "--watch=100ms", "-o", "csv"]));
    eventually(SOON, || {
        ensure!(watching.stdout().len() >= 4, "{:?}", watching.stdout());
        Ok(())
    });
    watching.signal(Signal::INT);
    assert_eq!(watching.ended(SOON).code(), Some(0));
    let heads = watching.stdout().iter().filter(|line| line.starts_with("namespace,")).count();
    assert_eq!(heads, 1, "one file, however often it is asked: {:?}", watching.stdout());
    assert!(mesh.sitio(&["check", "-o", "csv"]).failed(2).contains("csv"), "a finding is no line of a list");
}
