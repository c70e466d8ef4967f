//! Tests that a sidecar with invalid frames or impossible counts is refused, and harms no other.

use mesh::golden::GoldenMetrics;
use mesh::report::Coverage::{Change, Snapshot};
use proto::wire;
use proto::wire::up;
use tonic::Code;

use crate::harness::{TestControlPlane, greeting, hits};

#[tokio::test]
async fn a_bad_frame_ends_its_own_stream_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut good = server.attach("shop", "good").await;
    good.report(Snapshot, &[("/a", hits(1))]).await;

    let mut mute = server.open().await;
    mute.send(wire::Live::default().into()).await;
    assert_refused(mute.ended().await, "hello");

    let mut nameless = server.open().await;
    nameless.send(up::Message::Hello(wire::Hello { protocol: wire::PROTOCOL, ..wire::Hello::default() })).await;
    assert_refused(nameless.ended().await, "missing");

    let mut huge = greeting("shop", "huge");
    huge.workload.node = "x".repeat(254);
    assert_refused(server.attach_as(huge).await.ended().await, "node");

    let mut stranger = server.attach("shop", "stranger").await;
    let stat = wire::Stat { id: 7, untimed: 1, ..wire::Stat::default() };
    stranger.send(wire::Live { snapshot: true, stats: vec![stat], ..wire::Live::default() }.into()).await;
    assert_refused(stranger.ended().await, "never defined");

    let mut hasty = server.attach("shop", "hasty").await;
    hasty.report(Change, &[("/a", hits(1000))]).await;
    assert_refused(hasty.ended().await, "snapshot");

    let mut boaster = server.attach("shop", "boaster").await;
    let mut golden = hits(1);
    golden.bytes_in = u64::MAX;
    boaster.report(Snapshot, &[("/a", golden)]).await;
    assert_refused(boaster.ended().await, "are impossible");

    let mut prophet = server.attach("shop", "prophet").await;
    prophet.confirm(99).await;
    assert_refused(prophet.ended().await, "revision 99");

    let mut shouter = server.attach("shop", "shouter").await;
    let path = wire::Sample { path: "x".repeat(2 << 20), ..wire::Sample::default() };
    shouter.send(wire::Live { samples: vec![path], ..wire::Live::default() }.into()).await;
    assert_eq!(shouter.ended().await.code(), Code::OutOfRange);

    good.report(Change, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 2).await;
    let metrics = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("sitio_discarded_total{what=\"frame_refused\"} 8"), "{metrics}");
    server.stop().await;
}

/// Makes counts impossible.
type Lie = fn(&mut GoldenMetrics);

#[tokio::test]
async fn numbers_that_cannot_be_true_are_refused_with_a_reason_and_counted_and_harm_no_other_pod() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut good = server.attach("shop", "good").await;
    good.report(Snapshot, &[("/a", hits(1))]).await;
    let lies: [(&str, Lie); 7] = [
        ("more requests fail", |golden| golden.failed = 40_000),
        ("answered by a rule", |golden| golden.by_rule = 11),
        ("more statuses", |golden| golden.add_status(404, 1)),
        ("more requests are timed", |golden| golden.latency.add_zeros(1)),
        ("sum of latencies", |golden| golden.total_us = 100_001),
        ("a maximum is over its sum", |golden| golden.bytes_out_max = 1001),
        ("562949953421312 requests", |golden| *golden = hits(1 << 49)),
    ];

    for (at, (words, lie)) in lies.into_iter().enumerate() {
        let mut golden = hits(10);
        lie(&mut golden);
        if golden.hits > 10 {
            (golden.total_us, golden.max_us, golden.bytes_out) = (0, 0, 0);
        }
        let name = format!("liar-{at}");
        let mut liar = server.attach("shop", &name).await;
        liar.report(Snapshot, &[("/a", hits(10))]).await;
        liar.report(Change, &[("/a", golden)]).await;
        assert_refused(liar.ended().await, words);
        let pods = server.get("/api/v1/pods").await;
        let pod = pods["pods"].as_array().unwrap().iter().find(|pod| pod["pod"] == name.as_str()).unwrap();
        assert!(pod["refused"]["why"].as_str().unwrap().contains(words) && pod["refused"]["times"] == 1, "{pod}");
    }

    let page = reqwest::get(format!("http://{}/pods", server.http)).await.unwrap().text().await.unwrap();
    assert!(page.contains("Refused: the counts of GET /a are impossible: more requests fail"), "{page}");
    good.report(Change, &[("/a", hits(1))]).await;
    let row = server.row_with("shop", "/a", 2 + 7 * 10).await;
    assert_eq!(row["failed"], 0, "{row}");
    let metrics = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("sitio_discarded_total{what=\"frame_refused\"} 7"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn everything_over_the_limit_is_counted_under_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let routes: Vec<_> = (0..4500).map(|number| format!("/route-{number}-x")).collect();
    for (at, routes) in routes.chunks(900).enumerate() {
        let endpoints: Vec<_> = routes.iter().map(|route| (route.as_str(), hits(1))).collect();
        let mut sidecar = server.attach("shop", &format!("shop-{at}")).await;
        sidecar.report(Snapshot, &endpoints).await;
        server.row_with("shop", routes[0].as_str(), 1).await;
        if at == 4 {
            server.row_with("shop", "(other)", 404).await;
        }
    }
    server.stop().await;
}

#[track_caller]
fn assert_refused(status: tonic::Status, words: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains(words), "{status}");
}
