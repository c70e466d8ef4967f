//! Tests pods with wrong clocks: rules expire on time, and every request is counted once at its real time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use scenario::api::Api;
use scenario::cli::{client_command, run};
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::faketime::Clock;
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;
use serde_json::Value;

/// The pods' clock settings, and their offset in milliseconds; `None` where the offset keeps changing.
const CLOCKS: [(&str, Option<i64>); 7] = [
    ("+30s", Some(30_000)),
    ("-30s", Some(-30_000)),
    ("+10m", Some(600_000)),
    ("-10m", Some(-600_000)),
    ("-30d", Some(-2_592_000_000)),
    ("+2d", Some(172_800_000)),
    ("@1970-01-01 00:00:05", None),
];

/// Long enough for every pod to confirm a rule on a busy machine.
const TTL: Duration = Duration::from_secs(10);

/// The tolerance for an early expiry: milliseconds are truncated, and the control plane reads its own clock twice.
const EARLY_MAX: Duration = Duration::from_millis(50);

/// The deadline for a window to be on disk: it closes after eleven seconds at most, is sent within four, and is written
/// at once.
const WRITTEN: Duration = Duration::from_secs(60);

/// One service whose pods each have their own clock.
struct World {
    pods: Vec<Sidecar>,
    clocks: Vec<Clock>,
    control_plane: ControlPlane,
    origin: Origin,
}

impl World {
    fn start(clocks: &[&str]) -> Self {
        let (control_plane, origin) = (ControlPlane::start(), Origin::start());
        let mut world = Self { pods: Vec::new(), clocks: Vec::new(), control_plane, origin };
        for (at, time) in clocks.iter().enumerate() {
            let clock = Clock::at(time);
            let plan = Sidecar::builder(world.origin.port()).named("legacy", &format!("legacy-{at}"));
            world.pods.push(clock.under(plan.reports_to(world.control_plane.grpc_port)).start());
            world.clocks.push(clock);
        }
        let names: Vec<_> = (0..clocks.len()).map(|at| format!("legacy-{at}")).collect();
        world.api().expect_pods(&names.iter().map(String::as_str).collect::<Vec<_>>());
        world
    }

    fn api(&self) -> Api {
        self.control_plane.api()
    }

    fn names(&self) -> Vec<String> {
        (0..self.pods.len()).map(|at| format!("legacy-{at}")).collect()
    }

    /// Turns an endpoint off and waits until every pod has applied the rule; returns the time of the request.
    fn turn_off(&self, route: &str) -> Instant {
        let asked = Instant::now();
        let rule = self.api().turn_off("legacy", &format!("GET {route}"), &humantime(TTL));
        let names = self.names();
        self.api().expect_applied(&rule, &names.iter().map(String::as_str).collect::<Vec<_>>());
        asked
    }

    /// The offset of each pod's clock from the control plane's, and its possible error.
    fn offsets(&self) -> Vec<(i64, u64)> {
        eventually(SOON, || {
            let rows = self.api().pods()?;
            let offset = |row: &Value| Some((row["clock_offset_ms"].as_i64()?, row["clock_error_ms"].as_u64()?));
            rows.iter().map(|row| offset(row).with_context(|| format!("no clock is known of {row}"))).collect()
        })
    }
}

fn humantime(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// Waits until an endpoint is on again; fails if that is too early.
fn expect_lapse(pod: &Sidecar, route: &str, asked: Instant) {
    eventually(TTL + SOON, || {
        let status = pod.get(route).status();
        // The clock is read after the response, so that the response cannot be older than the reading.
        assert!(status == 503 || asked.elapsed() + EARLY_MAX >= TTL, "{status} after {:?}", asked.elapsed());
        ensure!(status == 200, "still {status}");
        Ok(())
    });
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

#[test]
fn a_rule_lapses_on_time_whatever_the_pods_clock_says() {
    let mut world = World::start(&CLOCKS.map(|(time, _)| time));

    let asked = world.turn_off("/lapsing");
    // From here on each pod has only its own clock.
    world.control_plane.process.kill();

    for (pod, (clock, _)) in world.pods.iter().zip(CLOCKS) {
        let answer = pod.get("/lapsing");
        assert!(answer.status() == 503 || asked.elapsed() >= TTL, "{clock}: {} after {:?}", answer.status(), asked.elapsed());
    }
    for pod in &world.pods {
        expect_lapse(pod, "/lapsing", asked);
    }
}

#[test]
fn a_rule_lapses_on_time_though_the_pods_clock_is_set_meanwhile() {
    let mut world = World::start(&["+0s", "+0s", "-30d"]);
    let asked = world.turn_off("/lapsing");
    for (clock, time) in world.clocks.iter().zip(["+2d", "-30d", "+0s"]) {
        clock.set(time);
    }
    for (at, days) in [2, -30, 0].into_iter().enumerate() {
        eventually(SOON, || {
            let (offset_ms, _) = world.offsets()[at];
            ensure!((offset_ms - days * 86_400_000).abs() < 5_000, "legacy-{at} is {offset_ms} ms off, not {days} days");
            Ok(())
        });
    }
    world.control_plane.process.kill();
    for pod in &world.pods {
        let answer = pod.get("/lapsing");
        assert!(answer.status() == 503 || asked.elapsed() >= TTL, "{} after {:?}", answer.status(), asked.elapsed());
    }
    for pod in &world.pods {
        expect_lapse(pod, "/lapsing", asked);
    }
}

#[test]
fn how_far_each_pods_clock_is_off_can_be_seen() {
    let world = World::start(&CLOCKS.map(|(time, _)| time));

    for ((offset_ms, error_ms), (clock, expected)) in world.offsets().into_iter().zip(CLOCKS) {
        let expected = expected.unwrap_or_else(|| 5_000 - now_ms());
        let tolerance = error_ms.cast_signed() + if clock.starts_with('@') { SOON.as_millis() as i64 } else { 1_000 };
        assert!((offset_ms - expected).abs() <= tolerance, "{clock}: {offset_ms} ± {error_ms} ms, not {expected}");
    }
    let sitio = |arguments: &[&str]| run(client_command(world.control_plane.http_port, arguments));
    let check = sitio(&["check"]).out;
    assert!(check.contains("with a clock over 5 s off the control plane's, 7 pods: legacy-0, legacy-1"), "{check}");
    let pods = sitio(&["pods", "-o", "wide"]).success();
    assert!(pods.contains("+10 min") && pods.contains("-30 d") && pods.contains("+2 d"), "{pods}");
    let page = world.api().page("/pods").unwrap();
    assert!(page.contains("Clock 10 min ahead") && page.contains("Clock 30 d behind"), "{page}");
}

#[test]
fn what_a_pod_counts_is_kept_once_and_when_it_happened_whatever_its_clock_says() {
    let mut world = World::start(&["-30d", "+2d", "@1970-01-01 00:00:05", "+0s"]);
    let began_ms = now_ms();
    let mut sent = 0;
    for pod in &world.pods {
        (0..10).for_each(|_| assert_eq!(pod.get("/counted").status(), 200));
        sent += 10;
    }
    world.clocks[3].set("-10m");
    (0..10).for_each(|_| assert_eq!(world.pods[3].get("/counted").status(), 200));
    sent += 10;
    world.api().expect_hits("legacy", sent);

    // Another control plane reads what was written, when the pods are gone.
    for pod in &world.pods {
        eventually(WRITTEN, || {
            let (held, acked) = (pod.metric("sitio_windows_held", ""), pod.metric("sitio_windows_acked_total", ""));
            ensure!(held == 0 && acked > 0, "{held} windows are held, {acked} written");
            Ok(())
        });
    }
    world.pods.clear();
    world.control_plane.process.kill();
    world.control_plane.restart();

    world.api().expect_hits("legacy", sent);
    let answer = eventually(SOON, || world.api().json("/api/v1/endpoints?window=5m"));
    let row = answer["endpoints"].as_array().unwrap().iter().find(|row| row["route"] == "/counted").unwrap().clone();
    assert_eq!(row["hits"], sent, "{row}");
    for instant in ["first_seen", "last_seen"] {
        let at = row[instant].as_str().unwrap();
        let earliest = iso(began_ms - 20_000);
        assert!(*earliest <= *at && *at <= *iso(now_ms()), "{instant}: {at}, not from {earliest} on");
    }
}

/// An instant in the API's format, whose text order is the order of time.
fn iso(ms: i64) -> String {
    format::time::instant(ms.unsigned_abs())
}
