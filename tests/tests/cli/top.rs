//! Tests `sitio top` on a pseudo-terminal: live data, keys, a lost connection, and restoring the terminal.

use anyhow::ensure;
use rustix::process::Signal;
use scenario::cli::{client_command, run};
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;
use scenario::terminal::Terminal;

/// A service with requests to two endpoints, one more often than the other.
fn shop() -> SmallMesh {
    let mesh = SmallMesh::start("shop", 2);
    for pod in &mesh.pods {
        (0..5).for_each(|_| assert_eq!(pod.get("/bytes/10").status(), 200));
        assert_eq!(pod.get("/status/500").status(), 500);
    }
    mesh.api().expect_hits("shop", 12);
    mesh
}

fn top(mesh: &SmallMesh, more: &[&str]) -> Terminal {
    let words = [&["top", "--interval", "200ms", "--color", "never"], more].concat();
    Terminal::start(&client_command(mesh.control_plane.http_port, &words), 24, 140)
}

/// The number of the screen line with this text.
fn line(screen: &str, words: &str) -> usize {
    screen.lines().position(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words} in:\n{screen}"))
}

const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";

#[test]
fn it_shows_what_happens_and_keys_sort_find_pause_and_quit() {
    let mesh = shop();
    let mut top = top(&mesh, &["--sort", "hits"]);
    let screen = top.expect_words("/status/{id}");
    assert!(line(&screen, "/bytes/{id}") < line(&screen, "/status/{id}"), "{screen}");
    assert!(screen.starts_with("Sitio 2 endpoints"), "{screen}");

    top.keys("r");
    top.expect("the other order", |screen| line(screen, "/status/{id}") < line(screen, "/bytes/{id}"));
    top.keys("s");
    top.expect_words("SUCCESS↑");
    top.keys("3");
    top.expect_words("last 15m");

    top.keys("/bytes");
    top.expect("only what is found", |screen| screen.starts_with("Sitio 1 of 2 endpoints") && !screen.contains("/status/{id}"));
    top.keys(ENTER);
    top.expect_words("found by \"bytes\"");
    top.keys(ESCAPE);
    top.expect_words("/status/{id}");

    top.keys("p");
    top.expect_words("PAUSED");
    mesh.pods[0].get("/late/1");
    top.expect("updates held", |screen| {
        screen.contains("PAUSED") && !screen.contains("PAUSED, 0") && !screen.contains("PAUSED, 1 ")
    });
    assert!(!top.screen().contains("/late/{id}"), "{}", top.screen());
    top.keys("p");
    top.expect_words("/late/{id}");

    top.keys("?");
    top.expect_words("any key goes back");
    top.keys("j");
    top.keys("q");
    assert_eq!(top.ended().code(), Some(0));
}

#[test]
fn an_endpoint_is_looked_into_turned_off_and_on_again() {
    let mesh = shop();
    let mut top = top(&mesh, &["shop"]);
    top.expect_words("/bytes/{id}");
    top.keys("/bytes");
    top.keys(ENTER);
    top.keys(ENTER);
    let screen = top.expect("its history", |screen| screen.matches("/bytes/10").count() >= 10);
    assert!(screen.contains("GET /bytes/{id} of shop") && screen.contains("shop-1"), "{screen}");

    top.keys("x");
    top.expect_words("Turn GET /bytes/{id} off on 2 pods, for 1 h?");
    top.keys(ENTER);
    top.expect_words("a reason is needed");
    top.keys("the disk is full");
    top.expect_words("Reason: the disk is full");
    top.keys(ENTER);
    top.expect_words("rule r1 is on its way to 2 pods");
    mesh.api().expect_applied("r1", &mesh.names());
    assert_eq!(mesh.pods[1].get("/bytes/10").status(), 503);
    top.expect("that it is off", |screen| {
        screen.lines().any(|line| line.contains("/bytes/{id}") && line.trim_end().ends_with("off"))
    });

    top.keys("x");
    top.expect_words("End rule r1");
    top.keys(ENTER);
    top.expect_words("rule r1 has ended");
    top.expect("that it is on", |screen| {
        screen.lines().any(|line| line.contains("/bytes/{id}") && line.trim_end().ends_with("on"))
    });
    assert_eq!(mesh.pods[1].get("/bytes/10").status(), 200);
    // Ctrl-C as a key, which a terminal in raw mode sends.
    top.keys("\x03");
    assert_eq!(top.ended().code(), Some(0));
}

#[test]
fn a_control_plane_that_is_gone_is_said_to_be_and_one_that_is_back_is_shown() {
    let mut mesh = shop();
    let mut top = top(&mesh, &[]);
    top.expect_words("/bytes/{id}");
    mesh.control_plane.process.kill();
    let screen = top.expect_words("CONNECTION LOST");
    assert!(screen.contains("/bytes/{id}"), "what was known stays: {screen}");
    mesh.control_plane.restart();
    top.expect("it is back", |screen| !screen.contains("CONNECTION LOST") && screen.contains("/bytes/{id}"));

    // No key follows the resize: one that arrives at the same moment may not be read before the next.
    top.resize(12, 60);
    top.expect("a narrow screen", |screen| !screen.contains("HITS") && screen.contains("/bytes/{id}"));
    top.signal(Signal::TERM);
    assert_eq!(top.ended().code(), Some(0), "it restores the terminal when it ends");
}

#[test]
fn who_stops_it_has_the_terminal_until_it_goes_on() {
    let mesh = shop();
    let mut top = top(&mesh, &[]);
    for ask in [|top: &mut Terminal| top.signal(Signal::TSTP), |top: &mut Terminal| top.keys("\x1a")] {
        top.expect_words("/bytes/{id}");
        ask(&mut top);
        eventually(SOON, || {
            ensure!(top.is_restored() && top.is_stopped(), "it goes on: {}", top.screen());
            Ok(())
        });
        top.signal(Signal::CONT);
        top.expect("its screen again", |screen| screen.starts_with("Sitio 2 endpoints"));
        assert!(!top.is_restored());
    }
    // A signal as from a script, not a key.
    top.signal(Signal::INT);
    assert_eq!(top.ended().code(), Some(0));
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output = run(client_command(1, &["top"])).failed(2);
    assert!(output.contains("sitio stat --watch"), "{output}");
}
