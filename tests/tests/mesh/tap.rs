//! Tests live taps: filters, accounting of dropped exchanges, slow readers, and killed pods.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use scenario::eventually::{SOON, eventually};
use scenario::sidecar::Sidecar;
use scenario::small_mesh::SmallMesh;
use serde_json::Value;

/// The time to wait for a tap to show a request before another request is sent.
const MOMENT: Duration = Duration::from_millis(200);

/// A reader of a tap. Dropping it closes the connection.
struct Tap {
    stream: TcpStream,
    events: Receiver<(String, Value)>,
}

impl Tap {
    fn open(mesh: &SmallMesh, query: &str) -> Self {
        let stream = ask(mesh, query);
        let (sender, events) = channel();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        thread::spawn(move || {
            let mut name = String::new();
            while let Some(Ok(line)) = lines.next() {
                if let Some(event) = line.strip_prefix("event: ") {
                    event.clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let _ = sender.send((name.clone(), serde_json::from_str(data).unwrap()));
                }
            }
        });
        let mut tap = Self { stream, events };
        assert!(tap.next_of("tap", SOON).is_some());
        tap
    }

    /// The next event with that name, if one arrives in time.
    fn next_of(&mut self, wanted: &str, within: Duration) -> Option<Value> {
        loop {
            let (name, data) = self.events.recv_timeout(within).ok()?;
            if name == wanted {
                return Some(data);
            }
        }
    }

    /// Sends requests until this tap shows one from this pod, because the pod starts the tap with a delay.
    fn warm_up(&mut self, pod: &Sidecar, name: &str, target: &str) {
        eventually(SOON, || {
            pod.get(target);
            while let Some(shown) = self.next_of("exchange", MOMENT) {
                if shown["pod"] == name {
                    return Ok(());
                }
            }
            anyhow::bail!("{name} shows nothing of {target} yet")
        });
    }

    /// The paths that are shown before the given one.
    fn until(&mut self, path: &str) -> Vec<String> {
        let mut paths = Vec::new();
        loop {
            let shown = self.next_of("exchange", SOON).expect("it is shown soon");
            let shown = shown["path"].as_str().unwrap().to_owned();
            if shown == path {
                return paths;
            }
            paths.push(shown);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn ask(mesh: &SmallMesh, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", mesh.control_plane.http_port)).unwrap();
    write!(stream, "GET /api/v1/tap{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    stream
}

fn expect_open(mesh: &SmallMesh, taps: u64) {
    eventually(SOON, || {
        let metrics = mesh.api().page("/metrics")?;
        ensure!(metrics.contains(&format!("\nsitio_taps_open {taps}\n")), "{metrics}");
        Ok(())
    });
}

#[test]
fn two_taps_at_once_each_show_what_they_asked_for_and_nothing_else() {
    let mesh = SmallMesh::start("shop", 1);
    let mut failures = Tap::open(&mesh, "?service=shop&status=5xx");
    let mut missing = Tap::open(&mesh, "?route=/status/*&method=GET&status=404,498");
    failures.warm_up(&mesh.pods[0], "shop-0", "/status/599");
    missing.warm_up(&mesh.pods[0], "shop-0", "/status/498");

    let mut client = mesh.pods[0].connect();
    for status in [200, 500, 404, 503, 204, 201, 404, 502] {
        client.get(&format!("/status/{status}"));
    }
    client.get("/status/598");
    client.get("/status/498");

    let mut shown = failures.until("/status/598");
    shown.retain(|path| path != "/status/599");
    assert_eq!(shown, ["/status/500", "/status/503", "/status/502"]);
    assert!(missing.until("/status/404").iter().all(|path| path == "/status/498"));
    assert_eq!(missing.until("/status/498"), ["/status/404"]);
}

#[test]
fn whatever_is_not_shown_is_accounted_for() {
    let mesh = SmallMesh::start("shop", 1);
    let mut all = Tap::open(&mesh, "?route=/bytes/*&limit_per_s=20");
    all.warm_up(&mesh.pods[0], "shop-0", "/bytes/1");
    let mut client = mesh.pods[0].connect();
    (0..2000).for_each(|_| assert_eq!(client.get("/bytes/2").status(), 200));

    let (mut shown, mut dropped) = (0, 0);
    while shown + dropped < 2000 {
        let (name, data) = all.events.recv_timeout(SOON).expect("every event arrives soon");
        match name.as_str() {
            "exchange" => shown += u64::from(data["path"] == "/bytes/2"),
            "dropped" => dropped = ["rate", "queue", "reader"].iter().map(|reason| data[reason].as_u64().unwrap()).sum(),
            _ => {}
        }
    }
    assert_eq!(shown + dropped, 2000, "each exchange once: shown, or counted as dropped");
    assert!(shown > 0 && dropped > 0, "{shown} shown and {dropped} dropped");
}

#[test]
fn readers_who_do_not_read_slow_neither_traffic_nor_other_readers() {
    let mesh = SmallMesh::start("shop", 1);
    let stuck: Vec<TcpStream> = (0..6).map(|_| ask(&mesh, "?limit_per_s=500")).collect();
    expect_open(&mesh, 6);
    let mut good = Tap::open(&mesh, "?status=404");
    good.warm_up(&mesh.pods[0], "shop-0", "/status/404");
    let before = mesh.api().hits("shop").unwrap();

    let mut client = mesh.pods[0].connect();
    (0..3000).for_each(|_| assert_eq!(client.get("/bytes/1000").status(), 200));

    eventually(SOON, || {
        let hits = mesh.api().hits("shop")?;
        ensure!(hits >= before + 3000, "{hits} hits after {before}");
        Ok(())
    });
    good.warm_up(&mesh.pods[0], "shop-0", "/status/404");
    drop(stuck);
    expect_open(&mesh, 1);
}

#[test]
fn a_tap_outlives_a_pod_that_is_killed_and_ends_on_all_pods_with_its_reader() {
    let mut mesh = SmallMesh::start("shop", 2);
    let mut all = Tap::open(&mesh, "?service=shop");
    all.warm_up(&mesh.pods[0], "shop-0", "/a");
    all.warm_up(&mesh.pods[1], "shop-1", "/a");

    mesh.pods[1].process.kill();

    while all.next_of("pod", SOON).expect("the loss is reported soon")["state"] != "gone" {}
    all.warm_up(&mesh.pods[0], "shop-0", "/b");
    drop(all);
    expect_open(&mesh, 0);
    eventually(SOON, || {
        let said = mesh.pods[0].process.stderr();
        ensure!(said.iter().any(|line| line.contains("taps that are on: 0")), "{said:?}");
        Ok(())
    });
}
