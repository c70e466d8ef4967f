//! Tests that a sidecar that sends too much or false data is refused with a reason, is counted, and harms no other.

use std::net::{IpAddr, Ipv4Addr};

use control_plane::app::options::AppOptions;
use mesh::report::Coverage::{Change, Snapshot};
use proto::wire;
use proto::wire::mesh_client::MeshClient;
use proto::wire::{Up, up};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use crate::harness::{TestControlPlane, greeting, hits};

/// The limit of streams per address in these tests.
const STREAMS: usize = 8;

#[tokio::test]
async fn one_address_cannot_take_the_room_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::with(AppOptions { streams_per_address_max: STREAMS, ..AppOptions::in_folder(folder.path()) });
    let mut good = server.attach("shop", "good").await;
    good.report(Snapshot, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 1).await;

    let greedy = server.dial().await;
    let mut held = Vec::new();
    let mut refused = Vec::new();
    for _ in 0..3 * STREAMS {
        let (up, rest) = mpsc::channel::<Up>(1);
        match greedy.clone().attach(Request::new(ReceiverStream::new(rest))).await {
            Ok(down) => held.push((up, down)),
            Err(status) => refused.push(status),
        }
    }
    assert_eq!((held.len(), refused.len()), (STREAMS - 1, 2 * STREAMS + 1));
    for status in refused {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("SITIO_STREAMS_PER_ADDRESS_MAX"), "{status}");
    }
    let metrics = metrics(&server).await;
    assert!(metrics.contains("sitio_discarded_total{what=\"stream_over_address_limit\"} 17"), "{metrics}");

    // Another address is admitted, and the sidecar that was there before still works.
    attach_from(&server, Ipv4Addr::new(127, 0, 0, 2)).await.unwrap();
    good.report(Change, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 2).await;
    // Closed streams are released.
    drop(held);
    crate::harness::eventually(async || attach_from(&server, Ipv4Addr::LOCALHOST).await.map_err(|status| status.to_string()))
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_hello_that_is_too_large_is_refused_and_one_from_the_future_mutes_no_pod() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    for (labels, bytes) in [(1000, 10), (1, 100_000)] {
        let mut hello = wire::Hello::from(greeting("shop", "labelled"));
        hello.labels = (0..labels).map(|number| (format!("label-{number}"), "x".repeat(bytes))).collect();
        let mut sidecar = server.open().await;
        sidecar.send(up::Message::Hello(hello)).await;
        assert_refused(sidecar.ended().await, "labels is over its limit");
    }

    let mut ahead = greeting("shop", "ahead");
    ahead.epoch = u64::MAX;
    let _ahead = server.attach_as(ahead).await;
    let mut process = server.attach("shop", "ahead").await;
    process.report(Snapshot, &[("/a", hits(3))]).await;
    server.row_with("shop", "/a", 3).await;
    server.stop().await;
}

#[tokio::test]
async fn a_report_from_the_future_counts_what_it_counts_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "early").await;
    let mut live = sidecar.frame(Snapshot, &[("/a", hits(3))]);
    live.at_ms = u64::MAX;
    sidecar.send(live.into()).await;
    sidecar.report(Change, &[("/a", hits(4))]).await;
    server.row_with("shop", "/a", 7).await;
    server.stop().await;
}

#[tokio::test]
async fn a_million_definitions_end_their_own_stream() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let defs = |from: u32, count: u32| -> Vec<wire::Def> {
        let def = |id: u32| wire::Def { id, method: "GET".into(), route: format!("/r{id}"), file: false };
        (from..from + count).map(def).collect()
    };
    let frame =
        |seq: u64, defs: Vec<wire::Def>| up::Message::from(wire::Live { seq, snapshot: seq == 1, defs, ..wire::Live::default() });

    let mut slow = server.attach("shop", "slow").await;
    for seq in 1..=5 {
        slow.send(frame(seq, defs(seq as u32 * 1000, 256))).await;
    }
    assert_refused(slow.ended().await, "defs is over its limit of 1024");

    let mut fast = server.attach("shop", "fast").await;
    fast.send(frame(1, defs(1, 1_000_000))).await;
    assert_eq!(fast.ended().await.code(), Code::OutOfRange);
    let metrics = metrics(&server).await;
    assert!(metrics.contains("sitio_discarded_total{what=\"frame_refused\"} 2"), "{metrics}");
    assert!(metrics.contains("sitio_endpoints 0"), "a definition alone is no endpoint: {metrics}");
    server.stop().await;
}

#[tokio::test]
async fn a_receipt_for_other_rules_than_were_sent_is_no_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut liar = server.attach("shop", "liar").await;
    liar.report(Snapshot, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 1).await;
    let rule = server.turn_off("shop", "/a").await;
    let rules = loop {
        let rules = liar.rules().await;
        if !rules.rules.is_empty() {
            break rules;
        }
    };
    let applied = wire::Applied { revision: rules.revision, rules_hash: 42, ok: true, ..wire::Applied::default() };
    liar.send(up::Message::Applied(applied)).await;
    assert_refused(liar.ended().await, "rules_hash");
    let reported = server.get(&format!("/api/v1/rules/{}", rule["id"].as_str().unwrap())).await;
    assert_eq!(reported["pods"][0]["state"], "pending", "{reported}");
    server.stop().await;
}

#[tokio::test]
async fn markup_in_a_path_stays_text() {
    const PATH: &str = "/<script>alert(1)</script>/\"onload=x";
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "<b>pod").await;
    sidecar.report(Snapshot, &[(PATH, hits(1))]).await;
    let row = server.row_with("shop", PATH, 1).await;
    let page = format!("/endpoints/{}", row["id"].as_str().unwrap());
    for path in ["/", "/pods", &page] {
        let page = reqwest::get(format!("http://{}{path}", server.http)).await.unwrap().text().await.unwrap();
        assert!(!page.contains("<script>alert") && !page.contains("<b>pod"), "{path}: {page}");
        assert!(page.contains("&#60;") || page.contains("&lt;"), "{path} does not show it at all: {page}");
    }
    server.stop().await;
}

async fn attach_from(server: &TestControlPlane, address: Ipv4Addr) -> Result<(), Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc)).unwrap().local_address(Some(IpAddr::from(address)));
    let (_up, rest) = mpsc::channel::<Up>(1);
    MeshClient::new(endpoint.connect().await.unwrap()).attach(Request::new(ReceiverStream::new(rest))).await.map(drop)
}

async fn metrics(server: &TestControlPlane) -> String {
    reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap()
}

#[track_caller]
fn assert_refused(status: Status, words: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains(words), "{status}");
}
