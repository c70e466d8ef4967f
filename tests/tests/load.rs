//! Tests many slow or idle peers: other clients are not delayed, and memory stays bounded.

use std::fs;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use scenario::client::Client;
use scenario::eventually::{SOON, eventually};
use scenario::http::write_plain;
use scenario::load::Latencies;
use scenario::origin::Origin;
use scenario::proc::{open_descriptors, peak_kib, raise_descriptor_limit, resident_kib};
use scenario::sidecar::Sidecar;

const HEAD: &str = "HTTP/1.1\r\nHost: shop\r\n";

/// The goal is 100 ms, and the test prints the measured value. The bound is half of what a client would wait behind a
/// slow one, so that it holds on a machine of any speed.
const LATENCY_MAX: Duration = Duration::from_secs(30);

/// The memory growth allowed for peers that do not keep up, whatever their number.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

/// The memory allowed for an idle connection.
const IDLE_CONNECTION_KIB_MAX: f64 = 16.0;

fn world() -> (Origin, Sidecar) {
    raise_descriptor_limit();
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    (origin, sidecar)
}

/// Connects `count` clients, each of which sends `word` before the next connects, so that the accept queue does not
/// overflow.
fn clients(sidecar: &Sidecar, count: usize, word: &str) -> Vec<Client> {
    let client = |_| {
        let mut client = sidecar.connect();
        client.send(word);
        client
    };
    (0..count).map(client).collect()
}

/// Waits until the sidecar holds this number of connections.
fn expect_held(sidecar: &Sidecar, count: usize) {
    eventually(SOON, || {
        let open = open_descriptors(sidecar.process.id())?;
        ensure!(open >= count, "{open} descriptors are open");
        Ok(())
    });
}

#[test]
fn slow_heads_slow_bodies_and_slowloris_leave_an_honest_client_alone() {
    let limit = raise_descriptor_limit();
    let slowloris = 4000.min(usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(1500) / 3);
    let origin = Origin::start();
    // The clients are so slow that the default timeout would close them during the set-up.
    let sidecar = Sidecar::builder(origin.port()).with("SITIO_HEAD_TIMEOUT", "60s").start();
    let mut slow = clients(&sidecar, 300, &format!("GET /slow-head {HEAD}X-Slow: "));
    slow.extend(clients(&sidecar, 200, &format!("POST /sink {HEAD}Content-Length: 100000\r\n\r\n")));
    slow.extend(clients(&sidecar, slowloris, "G"));
    expect_held(&sidecar, slow.len());

    let mut latencies = Latencies::default();
    let mut honest = sidecar.connect();
    for at in 0..500 {
        // Each slow client sends another byte from time to time.
        for client in slow.iter_mut().skip(at % 20).step_by(20) {
            client.send("E");
        }
        let mut newcomer = sidecar.connect();
        for client in [&mut honest, &mut newcomer] {
            assert_eq!(latencies.get(client, "/honest").text(), "GET /honest");
        }
    }

    println!("beside {} slow connections: p99 {:?}, max {:?}", slow.len(), latencies.p99(), latencies.max());
    assert!(latencies.max() < LATENCY_MAX, "{:?}", latencies.max());
    assert_eq!(sidecar.metric("sitio_connections_turned_away_total", ""), 0);
}

#[test]
fn a_head_that_takes_too_long_is_answered_408() {
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).with("SITIO_HEAD_TIMEOUT", "300ms").start();
    // The sidecar is stopped until each client has sent its bytes: the timeout starts when it accepts.
    sidecar.process.signal(Signal::STOP);
    let mut slow = clients(&sidecar, 100, &format!("GET /slow {HEAD}X-Slow: "));
    let mut silent = clients(&sidecar, 100, "");
    sidecar.process.signal(Signal::CONT);

    for client in &mut slow {
        assert_eq!(client.response("GET").status(), 408);
        assert_eq!(client.rest(), b"");
    }
    for client in &mut silent {
        assert_eq!(client.rest(), b"", "a silent client gets no answer");
    }
    assert_eq!(origin.heads(), 0);
}

/// Waits until the process's memory has been constant for a while, and returns its peak.
fn settled_kib(pid: u32) -> u64 {
    let mut seen = Vec::new();
    eventually(SOON, || {
        seen.push(resident_kib(pid));
        let last = &seen[seen.len().saturating_sub(20)..];
        ensure!(last.len() == 20 && last.iter().all(|kib| kib == &last[0]), "the memory still changes: {last:?} KiB");
        Ok(())
    });
    peak_kib(pid)
}

#[test]
fn peers_that_never_read_hold_one_bounded_buffer_each() {
    let (origin, sidecar) = world();
    sidecar.get("/bytes/10000000");
    let before_kib = settled_kib(sidecar.process.id());

    let _waiting = clients(&sidecar, 200, &format!("GET /bytes/10000000 {HEAD}\r\n"));
    eventually(SOON, || {
        ensure!(origin.asked("/bytes/10000000") == 201, "not all requests have arrived");
        Ok(())
    });

    let grown_kib = settled_kib(sidecar.process.id()) - before_kib;
    println!("200 peers that never read: {grown_kib} KiB more");
    assert!(grown_kib <= GROWTH_KIB_MAX, "the sidecar grew by {grown_kib} KiB");
}

#[test]
fn a_service_that_never_reads_holds_one_bounded_buffer_for_each_upload() {
    let (origin, sidecar) = world();
    sidecar.get("/warm");
    let before_kib = settled_kib(sidecar.process.id());

    // The service reads the head and then waits at the gate without reading the body.
    let mut uploads = clients(&sidecar, 200, &format!("POST /unread {HEAD}Content-Length: 10000000\r\n\r\n"));
    for client in &mut uploads {
        client.writer().set_nonblocking(true).expect("a socket can be made non-blocking");
        while write_some(client).is_ok() {}
    }
    eventually(SOON, || {
        ensure!(origin.asked("/unread") == 200, "not all requests have arrived");
        Ok(())
    });

    let grown_kib = settled_kib(sidecar.process.id()) - before_kib;
    println!("200 uploads that are not read: {grown_kib} KiB more");
    assert!(grown_kib <= GROWTH_KIB_MAX, "the sidecar grew by {grown_kib} KiB");
}

#[test]
fn long_heads_under_way_cost_a_small_multiple_of_what_was_sent() {
    let (_origin, sidecar) = world();
    sidecar.get("/warm");
    let before_kib = settled_kib(sidecar.process.id());

    let word = format!("GET /long {HEAD}X-Long: {}", "x".repeat(60_000));
    let slow = clients(&sidecar, 200, &word);
    expect_held(&sidecar, slow.len());

    let sent_kib = (slow.len() * word.len() / 1024) as u64;
    let grown_kib = settled_kib(sidecar.process.id()) - before_kib;
    println!("{sent_kib} KiB of heads under way: {grown_kib} KiB more");
    assert!(grown_kib <= 3 * sent_kib, "the sidecar grew by {grown_kib} KiB for {sent_kib} KiB");
}

/// Writes as much of the pattern as the socket accepts; an error means that it is full.
fn write_some(client: &mut Client) -> std::io::Result<()> {
    write_plain(client.writer(), 64 * 1024)?;
    client.writer().flush()
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_are_served_at_once() {
    // Each connection takes a descriptor here and one in the sidecar, which keeps as many again for its service.
    let limit = usize::try_from(raise_descriptor_limit()).unwrap_or(usize::MAX);
    let count = 10_000.min(limit.saturating_sub(1000) / 2);
    let (_origin, sidecar) = world();
    for client in &mut clients(&sidecar, 50, &format!("GET /warm {HEAD}\r\n")) {
        assert_eq!(client.response("GET").status(), 200);
    }
    let before_kib = settled_kib(sidecar.process.id());

    let mut idle: Vec<Client> = Vec::new();
    for _ in 0..count {
        let mut client = sidecar.connect().with_small_buffer();
        assert_eq!(client.get("/held").status(), 200);
        idle.push(client);
    }
    let each_kib = (settled_kib(sidecar.process.id()) - before_kib) as f64 / count as f64;
    let mut latencies = Latencies::default();
    for client in idle.iter_mut().step_by(10) {
        assert_eq!(latencies.get(client, "/held").status(), 200);
    }

    println!("{count} idle connections: {each_kib:.2} KiB each, p99 on them {:?}, max {:?}", latencies.p99(), latencies.max());
    assert!(each_kib <= IDLE_CONNECTION_KIB_MAX, "{each_kib:.2} KiB for each of {count} connections");
    assert!(latencies.max() < LATENCY_MAX, "{:?}", latencies.max());
}

/// The voluntary context switches of each worker thread, by name. An idle worker has them only at its ticks. A busy one
/// has about two for each exchange of a waiting client: for the service's response, and for the next request. Processor
/// time would show the same, but on a shared machine it includes time that other guests have taken.
fn rests(pid: u32) -> Result<Vec<(String, u64)>> {
    let mut workers = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?.path();
        let name = fs::read_to_string(thread.join("comm"))?.trim().to_owned();
        if name.starts_with("worker-") {
            let status = fs::read_to_string(thread.join("status"))?;
            let rests = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            workers.push((name, rests.context("a line of voluntary switches")?.trim().parse()?));
        }
    }
    workers.sort();
    Ok(workers)
}

#[test]
fn four_long_lived_connections_use_both_workers() {
    const ROUNDS: u64 = 500;
    // With two connections on each worker the share is 43 to 50, with three and one 22 to 31. A worker with a single
    // connection sleeps more often per exchange, and none sleeps if the next request has already arrived.
    const LEAST_PERCENT: f64 = 33.0;
    let origin = Origin::start();
    let sidecar = Sidecar::builder(origin.port()).with("SITIO_WORKERS", "2").start();
    let mut four: Vec<Client> = (0..4).map(|_| sidecar.connect()).collect();
    for client in &mut four {
        client.get("/warm");
    }
    let before = rests(sidecar.process.id()).unwrap();

    for _ in 0..ROUNDS {
        for client in &mut four {
            client.get("/busy");
        }
    }

    let after = rests(sidecar.process.id()).unwrap();
    assert_eq!(after.len(), 2, "{after:?}");
    let rested: Vec<u64> = after.iter().zip(&before).map(|(after, before)| after.1 - before.1).collect();
    let least = 100.0 * rested.iter().copied().min().unwrap_or(0) as f64 / rested.iter().sum::<u64>() as f64;
    println!("{rested:?} rests in {} exchanges, {least:.1} % by one of the two", 4 * ROUNDS);
    assert!(least > LEAST_PERCENT, "{rested:?} rests: {least:.1} % by one of the two");
}
