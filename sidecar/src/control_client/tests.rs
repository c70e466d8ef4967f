//! Tests of the control client against a real gRPC server: numbers add up and rules are obeyed, through restarts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mesh::report::{Coverage, Report};
use mesh::rule::{Protection, Rule, RuleRefusal, Scope, Verdict};
use proto::wire;
use proto::wire::down;
use tokio::net::{TcpListener, TcpStream};

use crate::control_client::dial::{ControlPlaneTarget, StreamToken};
use crate::control_client::tests::control_plane::{Mesh, off, off_for_all};
use crate::sidecar::tests::world::{World, within};
use crate::tls::ClientTls;

pub(crate) mod control_plane;
mod time_limits;
mod windows;

/// Hits by route, as a control plane adds them up.
#[derive(Default)]
struct Sums(BTreeMap<String, u64>);

impl Sums {
    fn add(&mut self, report: &Report) {
        if report.coverage == Coverage::Snapshot {
            self.0.clear();
        }
        for endpoint in &report.endpoints {
            *self.0.entry(endpoint.endpoint.route().to_owned()).or_default() += endpoint.golden.hits;
        }
    }

    fn of(&self, route: &str) -> u64 {
        self.0.get(route).copied().unwrap_or(0)
    }
}

async fn world(mesh: &Mesh) -> World {
    World::start(|options| options.control_plane = Some(mesh.with(StreamToken::None))).await
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_and_changes_add_up_to_what_was_asked() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.next().await;
    assert_eq!((stream.greeting.workload.service.as_str(), stream.greeting.session), ("web", 1));
    assert!(stream.greeting.protected.contains(&"/livez".to_owned()));
    stream.welcome().await;
    let first = stream.report().await;
    assert_eq!((first.coverage, first.seq), (Coverage::Snapshot, 1));
    stream.desire(1, vec![]).await;

    let mut sums = Sums::default();
    for _ in 0..20 {
        assert_eq!(world.get("/a").await.status, 200);
    }
    let mut seq = 1;
    while sums.of("/a") < 20 {
        let report = stream.report().await;
        seq += 1;
        assert_eq!((report.coverage, report.seq), (Coverage::Change, seq));
        assert!(report.resources.unwrap().memory_bytes > 0);
        assert!(report.endpoints.iter().all(|endpoint| endpoint.recent.len() <= 8));
        sums.add(&report);
    }
    assert_eq!(sums.of("/a"), 20);

    stream.say(down::Message::Resync(wire::Resync::default())).await;
    let again = loop {
        let report = stream.report().await;
        if report.coverage == Coverage::Snapshot {
            break report;
        }
    };
    sums.add(&again);
    assert_eq!(sums.of("/a"), 20);
    world.left().await;
}

#[tokio::test]
async fn each_set_of_rules_gets_a_receipt_and_is_obeyed_by_then() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;
    assert_eq!(world.get("/export").await.status, 200);

    let mut elsewhere = off("r2", "/other");
    elsewhere.selector.service = "payments".into();
    stream.desire(2, vec![off("r1", "/export"), elsewhere]).await;
    let receipt = stream.receipt().await;
    assert_eq!((receipt.revision, &receipt.verdict), (2, &Verdict::Applied));
    let refused = world.get("/export").await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.to_lowercase().contains("x-sitio-rule: r1"), "{}", refused.head);
    assert_eq!(world.get("/other").await.status, 200, "a rule for another service");

    stream.desire(3, vec![]).await;
    assert_eq!(stream.receipt().await.revision, 3);
    assert_eq!(world.get("/export").await.status, 200);
    world.left().await;
}

#[tokio::test]
async fn a_rule_on_a_protected_path_is_refused_by_name_and_the_last_good_set_stays() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;
    stream.desire(2, vec![off("r1", "/export")]).await;
    assert_eq!(stream.receipt().await.verdict, Verdict::Applied);

    stream.desire(3, vec![off("r2", "/livez")]).await;
    let receipt = stream.receipt().await;
    let why = "/livez is protected: it reports the pod's health".to_owned();
    assert_eq!((receipt.revision, receipt.verdict), (3, Verdict::Refused(vec![RuleRefusal { rule: "r2".into(), why }])));
    assert_eq!((world.get("/livez").await.status, world.get("/export").await.status), (200, 503));
    let metrics = world.admin("/metrics").await.body;
    assert!(metrics.contains("\nsitio_rules 1\n") && metrics.contains("\nsitio_rules_refused_total 1\n"), "{metrics}");
    world.left().await;
}

#[tokio::test]
async fn a_prefix_leaves_protected_paths_on_until_an_operator_overrides_them() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;
    let whole_service = Rule { scope: Scope::Prefix, ..off_for_all("r1", "/*") };
    stream.desire(2, vec![whole_service.clone()]).await;
    assert_eq!(stream.receipt().await.verdict, Verdict::Applied);
    assert_eq!((world.get("/export").await.status, world.get("/never/seen").await.status), (503, 503));
    assert_eq!(world.get("/livez").await.status, 200);

    let overriding = Rule { id: "r2".into(), protection: Protection::Overridden, ..whole_service };
    let only_health = Rule { protection: Protection::Overridden, ..off("r3", "/readyz") };
    stream.desire(3, vec![overriding, only_health]).await;
    assert_eq!(stream.receipt().await.verdict, Verdict::Applied);
    assert_eq!((world.get("/livez").await.status, world.get("/readyz").await.status), (503, 503));
    world.left().await;
}

#[tokio::test]
async fn a_control_plane_that_restarts_is_found_again_and_gets_everything() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;
    stream.desire(2, vec![off("r1", "/export")]).await;
    stream.receipt().await;
    world.get("/a").await;
    let address = mesh.address;
    drop((stream, mesh));

    // The control plane is away, and the rules are kept.
    assert_eq!(world.get("/export").await.status, 503);
    assert_eq!(world.get("/a").await.status, 200);

    let mut mesh = Mesh::start_at(address, None).await;
    let mut stream = mesh.next().await;
    assert!(stream.greeting.session > 1);
    assert_eq!(stream.greeting.known.as_ref().map(|known| known.revision), Some(2), "the rules that it applies");
    stream.welcome().await;
    let snapshot = stream.report().await;
    assert_eq!((snapshot.coverage, snapshot.seq), (Coverage::Snapshot, 1));
    let mut sums = Sums::default();
    sums.add(&snapshot);
    assert_eq!((sums.of("/a"), sums.of("/export")), (2, 1));
    assert_eq!(world.get("/export").await.status, 503, "until the control plane says otherwise");
    world.left().await;
}

#[tokio::test]
async fn a_control_plane_that_does_not_read_loses_no_number() {
    let mut mesh = Mesh::start_at("127.0.0.1:0".parse().unwrap(), Some(512)).await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;

    // Given a stream that is stuck for a while, as the sidecar's own count of it shows...
    let mut asked = 0;
    while !put_off(&world.admin("/metrics").await.body) {
        world.get("/a").await;
        asked += 1;
    }
    // ...when the control plane reads again, then everything arrives.
    let mut sums = Sums::default();
    while sums.of("/a") < asked {
        sums.add(&stream.report().await);
    }
    assert_eq!(sums.of("/a"), asked);
    world.left().await;
}

fn put_off(metrics: &str) -> bool {
    let line = metrics.lines().find_map(|line| line.strip_prefix("sitio_link_reports_put_off_total "));
    line.unwrap().parse::<u64>().unwrap() > 3
}

#[tokio::test]
async fn what_is_fetched_is_answered_up_to_this_moment_and_nonsense_by_an_empty_page() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;
    for _ in 0..40 {
        assert_eq!(world.get("/a?b=c").await.status, 200);
    }
    let fetch =
        |id, route: &str, limit| down::Message::Fetch(wire::Fetch { id, method: "GET".into(), route: route.into(), limit });
    stream.say(fetch(1, "/a", 100)).await;
    stream.say(fetch(2, "no route", 100)).await;
    stream.say(fetch(3, "/a", 3)).await;

    let mut exchanges = Vec::new();
    while exchanges.is_empty() || exchanges.len() % 32 == 0 {
        exchanges.extend(stream.page(1).await.exchanges);
    }
    assert!(exchanges.len() > 8 && exchanges[0].path == "/a" && exchanges[0].caller.is_some(), "{exchanges:?}");
    assert!(exchanges.is_sorted_by_key(|exchange| std::cmp::Reverse(exchange.started_ms)), "the newest come first");
    assert_eq!(stream.page(2).await.exchanges, []);
    assert_eq!(stream.page(3).await.exchanges, exchanges[..3]);
    world.left().await;
}

#[tokio::test]
async fn a_tap_is_opened_and_closed_and_sends_what_it_sees() {
    let mut mesh = Mesh::start().await;
    let world = world(&mesh).await;
    let mut stream = mesh.welcomed().await;
    let tap = |status: &str| wire::Tap { id: 7, status: status.into(), per_second: 2, ..wire::Tap::default() };
    stream.say(down::Message::Taps(wire::Taps { taps: vec![tap("4xx")] })).await;
    // An answer to this fetch means that the taps before it are on.
    stream.say(down::Message::Fetch(wire::Fetch { id: 1, ..wire::Fetch::default() })).await;
    stream.page(1).await;
    for status in [200, 404, 500, 410, 418] {
        world.get(&format!("/status/{status}")).await;
    }

    let (mut seen, mut over_rate) = (Vec::new(), 0);
    while seen.len() as u64 + over_rate < 3 {
        let tapped = stream.tapped().await;
        seen.extend(tapped.seen.into_iter().map(|sighting| (sighting.tap, sighting.exchange.status)));
        over_rate += tapped.dropped.iter().map(|(_, dropped)| dropped.over_rate).sum::<u64>();
    }
    assert_eq!(seen[..2], [(7, 404), (7, 410)]);

    // An invalid tap is ignored, and the stream continues.
    stream.say(down::Message::Taps(wire::Taps { taps: vec![tap("bad")] })).await;
    stream.say(down::Message::Fetch(wire::Fetch { id: 2, ..wire::Fetch::default() })).await;
    stream.page(2).await;
    world.get("/status/404").await;
    let mut sums = Sums::default();
    while sums.of("/status/{id}") < 1 {
        let report = stream.report().await;
        sums.add(&report);
    }
    stream.say(down::Message::Fetch(wire::Fetch { id: 3, ..wire::Fetch::default() })).await;
    stream.page(3).await; // And no tap frame came before it.
    world.left().await;
}

#[tokio::test]
async fn a_token_file_is_read_again_at_each_dial() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let mut mesh = Mesh::start().await;
    let token = StreamToken::File(file.path().to_owned());
    let world = World::start(|options| options.control_plane = Some(mesh.with(token))).await;
    let stream = mesh.next().await;
    assert_eq!(stream.authorization.as_deref(), Some("Bearer first"));
    std::fs::write(file.path(), "second\n").unwrap();
    drop(stream);
    assert_eq!(mesh.next().await.authorization.as_deref(), Some("Bearer second"));
    world.left().await;
}

#[tokio::test]
async fn a_renewed_token_is_used_before_the_old_one_expires() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let mut mesh = Mesh::start().await;
    let token = StreamToken::File(file.path().to_owned());
    let world = World::start(|options| options.control_plane = Some(mesh.with(token))).await;
    let mut stream = mesh.next().await;
    stream.welcome().await;
    assert_eq!(stream.authorization.as_deref(), Some("Bearer first"));
    std::fs::write(file.path(), "second\n").unwrap();
    let next = mesh.next().await;
    assert_eq!((next.authorization.as_deref(), next.greeting.session), (Some("Bearer second"), 2));
    world.left().await;
}

#[tokio::test]
async fn a_control_plane_that_vanishes_without_a_word_is_noticed() {
    // Given a network between the two that can stop carrying anything, without closing a connection.
    let mut mesh = Mesh::start().await;
    let network = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = ControlPlaneTarget {
        uri: format!("http://{}", network.local_addr().unwrap()).parse().unwrap(),
        token: StreamToken::None,
        tls: ClientTls::default(),
    };
    let world = World::start(|options| options.control_plane = Some(through)).await;
    let (mut near, _) = within(network.accept()).await.unwrap();
    let mut far = TcpStream::connect(mesh.address).await.unwrap();
    let carry = tokio::io::copy_bidirectional(&mut near, &mut far);

    // When it stops, once the stream is open...
    tokio::select! {
        _ = carry => panic!("the stream ended by itself"),
        _ = mesh.welcomed() => {}
    }
    let silent_since = Instant::now();

    // ...then the sidecar dials again, although both sockets are still open.
    tokio::time::timeout(Duration::from_secs(20), network.accept()).await.unwrap().unwrap();
    assert!(silent_since.elapsed() > Duration::from_secs(3), "a moment of silence is no reason");
    drop((near, far));
    world.left().await;
}
