//! Tests `sitio` error handling: foreign servers, closed outputs, and terminals of any size.

use std::io::pipe;
use std::process::Command;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::cli::{client_command, run};
use scenario::eventually::{SOON, eventually};
use scenario::flaky_service::scripted;
use scenario::process::Process;
use scenario::small_mesh::SmallMesh;
use scenario::terminal::Terminal;

/// Every command that queries a control plane and ends by itself.
const COMMANDS: [&[&str]; 11] = [
    &["stat"],
    &["pods"],
    &["rules"],
    &["rules", "r1"],
    &["audit"],
    &["callers", "/x"],
    &["history", "/x"],
    &["tap"],
    &["disable", "shop", "GET", "/x", "--reason", "a scenario asks for it", "--wait"],
    &["enable", "r1", "--wait"],
    &["disable", "shop", "GET", "/x", "--reason", "a scenario asks for it", "--dry-run"],
];

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn a_foreign_server_is_reported_in_one_line() {
    let deep = "[".repeat(100_000);
    for (name, answer, words) in [
        ("a page", answer("200 OK\r\nContent-Type: text/html", "<html><h1>Jenkins</h1>"), "does not answer like a control plane"),
        ("another's JSON", answer("200 OK", "{\"version\": 7, \"endpoints\": \"all\", \"pods\": {}}"), "does not answer like"),
        ("JSON without an end", answer("200 OK", "{\"endpoints\": ["), "does not answer like"),
        ("JSON that is deep", answer("200 OK", &deep), "does not answer like"),
        ("no JSON where there is nothing", answer("404 Not Found", "no such page"), "it says 404"),
        ("a teapot with orders to a terminal", answer("418 I'm a teapot\r\nX: y", "\x1b[2J"), "it says 418"),
        ("less than it promised", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{".to_owned(), "broke off"),
        ("nothing at all", String::new(), "broke off"),
        ("another language", "220 mail.example ESMTP\r\n".to_owned(), "does not answer in HTTP"),
    ] {
        let port = scripted(answer);
        for command in COMMANDS {
            let output = run(client_command(port, command));
            // A failed tap prints no summary of dropped exchanges.
            let last = output.err.lines().last().unwrap_or_default();
            assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{name}: {command:?}: {output:?}");
            let is_tap = command[0] == "tap" && last.contains("the tap has ended");
            assert!(last.contains(words) || is_tap, "{name}: {command:?}: {output:?}");
            assert!(output.err.lines().count() == 1 && !output.err.contains('\x1b'), "{name}: {command:?}: {output:?}");
        }
        let check = run(client_command(port, &["check"]));
        assert!(check.code == Some(1) && check.out.contains("→"), "{name}: {check:?}");
    }
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    let port = scripted([b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 65 << 20]].concat());
    let output = run(client_command(port, &["stat"])).failed(1);
    assert!(output.contains("larger than 64 MiB"), "{output}");
}

/// The exit code of a command whose output and error are closed pipes.
fn unread(mut command: Command) -> Option<i32> {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    command.status().unwrap().code()
}

#[test]
fn a_closed_output_causes_no_panic() {
    let mesh = SmallMesh::start("shop", 1);
    assert_eq!(mesh.pods[0].get("/x").status(), 200);
    mesh.api().expect_hits("shop", 1);
    let port = mesh.control_plane.http_port;
    for command in [
        &["stat"][..],
        &["stat", "-o", "json"],
        &["stat", "--watch=100ms"],
        &["stat", "--watch=100ms", "-o", "csv"],
        &["pods"],
        &["rules"],
        &["audit"],
        &["check"],
        &["callers", "/x"],
        &["history", "/x"],
        &["tap"],
        &["completions", "bash"],
        &["man"],
        &["dashboard", "--print"],
        &["disable", "shop", "GET", "/x", "--reason", "a scenario asks for it", "--wait"],
        &["enable", "shop", "GET", "/x", "--wait"],
        &["--help"],
        &["stat", "--help"],
        &["--version"],
    ] {
        assert_eq!(unread(client_command(port, command)), Some(0), "{command:?}");
    }
    assert_eq!(unread(client_command(port, &["history", "/nowhere"])), Some(1));
    assert_eq!(unread(client_command(port, &["dance"])), Some(2));
    assert_eq!(unread(client_command(port, &[])), Some(2));
}

#[test]
fn who_watches_on_a_terminal_sees_that_the_control_plane_is_gone_and_back() {
    let mut mesh = SmallMesh::start("shop", 1);
    assert_eq!(mesh.pods[0].get("/x").status(), 200);
    mesh.api().expect_hits("shop", 1);
    let mut watching = Terminal::start(&client_command(mesh.control_plane.http_port, &["stat", "--watch=100ms"]), 10, 100);
    watching.expect_words("/x");
    mesh.control_plane.process.kill();
    watching.expect("that it is gone", |screen| screen.contains("nothing answers at") && !screen.contains("/x"));
    mesh.control_plane.restart();
    watching.expect("the list again", |screen| screen.contains("/x") && !screen.contains("nothing answers"));
    watching.keys("\x03");
    assert_eq!(watching.ended().code(), Some(0));
}

#[test]
fn a_table_is_cut_to_its_terminal_and_whole_in_a_pipe() {
    let mesh = SmallMesh::start("shop", 1);
    let route = "/api/v2/customers/invoices/archive/documents/attachments/previews/thumbnails";
    assert_eq!(mesh.pods[0].get(route).status(), 200);
    mesh.api().expect_hits("shop", 1);
    mesh.api().turn_off("shop", &format!("GET {route}"), "1h");
    for command in [&["stat"][..], &["pods"], &["rules"], &["rules", "r1"], &["audit"], &["callers", route], &["history", route]]
    {
        let whole = run(client_command(mesh.control_plane.http_port, command)).success();
        let is_about_it = !matches!(command, ["pods"]);
        assert_eq!(whole.contains(route), is_about_it, "a pipe is never cut: {whole}");
        for columns in [80_u16, 40] {
            let mut terminal = Terminal::start(&client_command(mesh.control_plane.http_port, command), 40, columns);
            assert_eq!(terminal.ended().code(), Some(0));
            let lines = whole.trim_end().lines().count();
            terminal.expect(&format!("{lines} lines"), |screen| screen.lines().count() == lines);
            // Only the full name of the endpoint above a table may wrap.
            let above = usize::from(["callers", "history"].contains(&command[0]));
            let screen = terminal.screen();
            let is_cut = screen.lines().skip(above).all(|line| line.chars().count() <= usize::from(columns));
            assert!(is_cut, "{command:?} at {columns} columns:\n{screen}");
            if command == ["stat"] {
                let screen = terminal.screen();
                assert!(screen.contains("/api") && screen.contains('…') && screen.contains("off"), "{screen}");
            }
        }
    }
}

#[test]
fn top_fits_any_terminal_and_any_change_of_it() {
    let mesh = SmallMesh::start("shop", 1);
    assert_eq!(mesh.pods[0].get("/x").status(), 200);
    mesh.api().expect_hits("shop", 1);
    let mut top = Terminal::start(&client_command(mesh.control_plane.http_port, &["top", "--interval", "100ms"]), 5, 20);
    top.expect("its first line", |screen| screen.starts_with("Sitio 1 endpoint"));
    // Every dialog, on a screen too small for any.
    for (open, close) in [("?", "q"), ("xwhy", "\x1b"), ("/x", "\r"), ("\r", "\x1b")] {
        top.keys(open);
        top.expect("other keys", |screen| !screen.contains('↑'));
        top.keys(close);
        top.expect("the list's keys", |screen| screen.contains('↑'));
    }
    for (lines, columns) in [(1, 1), (2, 200), (60, 3), (24, 80)] {
        top.resize(lines, columns);
    }
    top.expect("the whole list", |screen| screen.contains("/x") && screen.contains("SUCCESS"));
    top.keys("q");
    assert_eq!(top.ended().code(), Some(0));
}

#[test]
fn ctrl_c_ends_the_waiting_and_takes_nothing_back() {
    let mesh = SmallMesh::start("shop", 1);
    assert_eq!(mesh.pods[0].get("/x").status(), 200);
    mesh.api().expect_hits("shop", 1);
    mesh.pods[0].process.signal(Signal::STOP);
    let words = ["disable", "shop", "GET", "/x", "--reason", "a scenario asks for it", "--wait", "--timeout", "60s"];
    let mut waiting = Process::start(client_command(mesh.control_plane.http_port, &words));
    eventually(SOON, || {
        ensure!(mesh.api().json("/api/v1/rules")?["rules"].as_array().is_some_and(|rules| rules.len() == 1), "no rule yet");
        Ok(())
    });
    waiting.signal(Signal::INT);
    assert_eq!(waiting.ended(SOON).code(), Some(130), "{:?}", waiting.stderr());
    mesh.pods[0].process.signal(Signal::CONT);
    assert!(waiting.stderr().last().unwrap().contains("sitio rules r1"), "{:?}", waiting.stderr());
    assert!(mesh.sitio(&["rules"]).success().contains("r1"));
}
