//! What `sitio` tells programs is read by programs: JSON, YAML, and CSV for spreadsheets.

use anyhow::ensure;
use rustix::process::Signal;
use scenario::eventually::{SOON, eventually};
use scenario::process::Process;
use scenario::sitio::asking;
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

#[test]
fn every_answer_for_programs_is_read_by_programs() {
    let mesh = SmallMesh::of("shop", 2);
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
        // What changes something can be said only once.
        let is_look = !["enable", "disable"].contains(&command[0]);
        for format in ["json", "yaml"].iter().filter(|format| **format == "json" || is_look) {
            let told = mesh.sitio(&[command, &["-o", format]].concat()).fine();
            let read: Value =
                if *format == "json" { serde_json::from_str(&told).unwrap() } else { serde_norway::from_str(&told).unwrap() };
            assert!(read.is_object() || read.is_array(), "{command:?} -o {format}: {told}");
        }
    }
    let off = mesh.sitio(&[&off[..], &["-o", "yaml"]].concat()).fine();
    let off: Value = serde_norway::from_str(&off).unwrap();
    assert_eq!((&off["action"]["disable"]["status"], &off["reason"]), (&503.into(), &"it: \"must\" - be".into()), "{off}");
}

/// What is another number whenever it is asked for.
const MOVING: [&str; 5] = ["rps", "window_s", "memory_bytes", "cpu_milli", "heard_at"];

#[test]
fn a_list_as_csv_has_the_names_and_the_values_of_the_dashboard_s_file() {
    let mesh = SmallMesh::of("shop", 2);
    assert_eq!(mesh.pods[0].get("/x").status(), 200);
    mesh.api().expect_hits("shop", 1);
    let rule = mesh.api().turn_off("shop", "GET /x", "1h");
    mesh.api().expect_applied(&rule, &mesh.names());
    let url = |file: &str| format!("http://127.0.0.1:{}/{file}", mesh.control_plane.http_port);
    let file = |name: &str| scenario::plain::client().build().unwrap().get(url(name)).send().unwrap().text().unwrap();
    let cells = |line: &str| -> Vec<String> { line.trim_end().split(',').map(str::to_owned).collect() };

    for (command, theirs, lines) in [
        (&["stat"][..], Some("endpoints.csv"), 2),
        (&["pods"], Some("pods.csv"), 3),
        (&["rules"], None, 2),
        (&["rules", &rule], None, 3),
        (&["audit"], None, 2),
        (&["callers", "/x"], None, 2),
        (&["history", "/x"], None, 2),
    ] {
        let ours = mesh.sitio(&[command, &["-o", "csv"]].concat()).fine();
        let rows: Vec<_> = ours.lines().map(cells).collect();
        assert_eq!(rows.len(), lines, "{command:?}: {ours}");
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{command:?}: {ours}");
        let Some(theirs) = theirs else { continue };
        let theirs: Vec<_> = file(theirs).lines().map(cells).collect();
        assert_eq!(rows[0][..theirs[0].len()], theirs[0], "the same names in the same order");
        for ((name, ours), theirs) in rows[0].iter().zip(&rows[1]).zip(&theirs[1]) {
            assert!(ours == theirs || MOVING.contains(&name.as_str()), "{command:?}: {name} is {ours} and {theirs}");
        }
    }

    let mut watching = Process::start(asking(mesh.control_plane.http_port, &["stat", "--watch=100ms", "-o", "csv"]));
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
