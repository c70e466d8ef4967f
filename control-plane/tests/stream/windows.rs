//! Tests that acknowledged windows are on disk, and that a restart of the control plane changes no total.

use mesh::golden::GoldenMetrics;
use mesh::report::Coverage::{Change, Snapshot};
use mesh::window::slot_of;
use proto::convert::greeting::Greeting;
use proto::wire;
use proto::wire::down;
use tonic::Code;

use control_plane::clock::now_ms;

use crate::harness::{FakeSidecar, TestControlPlane, greeting, hits};

/// The welcome of a stream.
async fn welcome(sidecar: &mut FakeSidecar) -> wire::Welcome {
    match sidecar.next_message().await.unwrap().unwrap() {
        down::Message::Welcome(welcome) => welcome,
        other => panic!("{other:?}"),
    }
}

/// Waits until everything up to this slot is acknowledged.
async fn acked(sidecar: &mut FakeSidecar, slot: u64) {
    loop {
        if let down::Message::Acked(ack) = sidecar.next_message().await.unwrap().unwrap() {
            assert!(ack.durable_window <= slot, "{ack:?}");
            if ack.durable_window == slot {
                return;
            }
        }
    }
}

/// The id of a window, its span, and whether it is a baseline.
type Said = (u64, u32, bool);

/// The slot that ended a minute ago.
fn slot() -> u64 {
    slot_of(now_ms()) - 6
}

/// Attaches the next stream of a process.
async fn again(server: &TestControlPlane, who: &mut Greeting) -> (FakeSidecar, wire::Welcome) {
    who.session += 1;
    let mut sidecar = server.attach_as(who.clone()).await;
    let welcome = welcome(&mut sidecar).await;
    (sidecar, welcome)
}

#[tokio::test]
async fn a_restart_of_the_control_plane_changes_no_total_of_pods_alive_or_gone() {
    let (folder, first) = (tempfile::tempdir().unwrap(), slot());
    let server = TestControlPlane::start(folder.path());
    let (mut alive, mut gone) = (greeting("shop", "shop-1"), greeting("shop", "shop-2"));
    (alive.session, gone.session) = (0, 0);
    let (mut one, said) = again(&server, &mut alive).await;
    assert_eq!((said.durable_window, said.wants_baseline, said.windows_in_flight_max), (0, true, 16));
    one.window(0, true, &[]).await;
    one.report(Snapshot, &[("/a", hits(10)), ("/b", hits(1))]).await;
    one.window(first, false, &[("/a", hits(7)), ("/b", hits(1))]).await;
    acked(&mut one, first).await;
    one.window(first + 1, false, &[("/a", hits(2))]).await;
    acked(&mut one, first + 1).await;
    let (mut two, _) = again(&server, &mut gone).await;
    two.report(Snapshot, &[("/a", hits(100))]).await;
    two.window(first, false, &[("/a", hits(100))]).await;
    acked(&mut two, first).await;
    server.row_with("shop", "/a", 110).await;
    let began = server.get("/api/v1/about").await["started_at"].clone();
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    let about = server.get("/api/v1/about").await;
    assert!(about["started_at"].as_str() > began.as_str(), "{about}: this process began after {began}");
    // Before any pod is back, all stored counts are there, also in recent windows.
    server.row_with("shop", "/a", 109).await;
    let minutes = server.get("/api/v1/endpoints?window=5m&service=shop").await;
    let row = minutes["endpoints"].as_array().unwrap().iter().find(|row| row["route"] == "/a").unwrap();
    assert_eq!(row["hits"], 109, "{row}");
    assert!(row["first_seen"].is_string() && row["last_seen"].is_string(), "{row}");

    let (mut one, said) = again(&server, &mut alive).await;
    assert_eq!((said.durable_window, said.wants_baseline), (first + 1, true));
    one.window(first + 1, true, &[("/a", hits(9)), ("/b", hits(1))]).await;
    one.report(Snapshot, &[("/a", hits(30)), ("/b", hits(1))]).await;
    server.row_with("shop", "/a", 130).await;
    // A window that is on disk already counts nothing.
    one.window(first, false, &[("/a", hits(7)), ("/b", hits(1))]).await;
    one.window(first + 2, false, &[("/a", hits(21))]).await;
    acked(&mut one, first + 2).await;
    one.report(Change, &[("/b", hits(1))]).await;
    server.row_with("shop", "/b", 2).await;
    server.row_with("shop", "/a", 130).await;

    // Only the stream breaks: the control plane knows the process, and needs no baseline.
    let (mut one, said) = again(&server, &mut alive).await;
    assert_eq!((said.durable_window, said.wants_baseline), (first + 2, false));
    one.report(Snapshot, &[("/a", hits(31)), ("/b", hits(2))]).await;
    server.row_with("shop", "/a", 131).await;
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    server.row_with("shop", "/a", 130).await;
    server.row_with("shop", "/b", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_keeps_no_windows_is_served_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(3))]).await;
    sidecar.report(Change, &[("/a", hits(4))]).await;
    server.row_with("shop", "/a", 7).await;
    server.stop().await;
}

#[tokio::test]
async fn invalid_windows_are_rejected_and_affect_no_other() {
    let (folder, slot) = (tempfile::tempdir().unwrap(), slot());
    let server = TestControlPlane::start(folder.path());
    let mut good = server.attach("shop", "shop-1").await;
    good.report(Snapshot, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 1).await;

    let mut hasty = server.open().await;
    hasty.window(slot, false, &[("/a", hits(1))]).await;
    refused(&mut hasty, "hello").await;
    let cases: [(&str, &[Said]); 7] = [
        ("id makes no sense", &[(u64::MAX, 1, false)]),
        ("span makes no sense", &[(slot, u32::MAX, false)]),
        // It ends after what was received, but begins before that.
        ("begins at or before slot", &[(slot, 1, false), (slot + 2, 2, false), (slot + 3, 2, false)]),
        ("slots must grow", &[(slot, 1, false), (slot + 2, 1, false), (slot + 1, 1, false)]),
        ("second baseline", &[(0, 1, true), (0, 1, true)]),
        ("was requested", &[(slot, 1, true)]),
        ("16 windows are unacknowledged", &[]),
    ];
    for (number, (words, windows)) in cases.iter().enumerate() {
        let mut bad = server.attach("bad", &format!("bad-{number}")).await;
        let early = windows.iter().all(|(_, _, baseline)| *baseline);
        if !early || windows.is_empty() {
            bad.report(Snapshot, &[("/bad", hits(99))]).await;
        }
        for (id, span, baseline) in *windows {
            bad.window_of((*id, *span), *baseline, &[("/bad", hits(1))]).await;
        }
        if windows.is_empty() {
            for at in 0..40 {
                bad.window(slot + at, false, &[("/bad", hits(1))]).await;
            }
        }
        refused(&mut bad, words).await;
    }
    let mut unasked = server.attach("bad", "unasked").await;
    unasked.report(Snapshot, &[("/bad", hits(1))]).await;
    unasked.window(0, true, &[]).await;
    refused(&mut unasked, "not requested").await;
    let mut early = server.attach("bad", "early").await;
    early.window(slot, false, &[("/bad", hits(1))]).await;
    refused(&mut early, "before the snapshot").await;
    let mut implausible = server.attach("bad", "implausible").await;
    implausible.report(Snapshot, &[("/bad", hits(1))]).await;
    let mut huge = GoldenMetrics::default();
    huge.hits = 1 << 60;
    implausible.window(slot, false, &[("/bad", huge)]).await;
    refused(&mut implausible, "2^50").await;

    good.window(slot, false, &[("/a", hits(1))]).await;
    acked(&mut good, slot).await;
    good.report(Change, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 2).await;
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_was_taken_over_hands_nothing_over() {
    let (folder, slot) = (tempfile::tempdir().unwrap(), slot());
    let server = TestControlPlane::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    who.session = 0;
    let (mut first, _) = again(&server, &mut who).await;
    first.report(Snapshot, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 1).await;
    let (mut second, _) = again(&server, &mut who).await;
    second.report(Snapshot, &[("/a", hits(5))]).await;
    server.row_with("shop", "/a", 5).await;

    first.window(slot, false, &[("/a", hits(1000))]).await;
    assert!(first.ended().await.message().contains("newer stream"));
    second.window(slot, false, &[("/a", hits(5))]).await;
    acked(&mut second, slot).await;
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    server.row_with("shop", "/a", 5).await;
    server.stop().await;
}

#[tokio::test]
async fn a_replay_with_other_contents_below_the_mark_changes_nothing() {
    let (folder, slot) = (tempfile::tempdir().unwrap(), slot());
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(8))]).await;
    sidecar.window(slot, false, &[("/a", hits(5))]).await;
    acked(&mut sidecar, slot).await;
    sidecar.window(slot, false, &[("/a", hits(500))]).await;
    sidecar.window(slot + 1, false, &[("/a", hits(3))]).await;
    acked(&mut sidecar, slot + 1).await;
    sidecar.window_of((slot, 9), false, &[("/a", hits(500))]).await;
    refused(&mut sidecar, "which is on disk").await;
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    server.row_with("shop", "/a", 8).await;
    server.stop().await;
}

async fn refused(sidecar: &mut FakeSidecar, words: &str) {
    let status = sidecar.ended().await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains(words), "{words}: {status}");
}
