//! A sidecar that lies, stammers or stares harms nobody but itself.

use mesh::report::Coverage::{Change, Snapshot};
use proto::wire::{self, up};
use tonic::Code;

use crate::harness::{Stage, greeting, hits};

#[tokio::test]
async fn a_bad_frame_ends_its_own_stream_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path());
    let mut good = stage.attach("shop", "good").await;
    good.report(Snapshot, &[("/a", hits(1))]).await;

    let mut mute = stage.open().await;
    mute.say(wire::Live::default().into()).await;
    assert_refused(mute.ended().await, "hello");

    let mut nameless = stage.open().await;
    nameless.say(up::Message::Hello(wire::Hello { protocol: wire::PROTOCOL, ..wire::Hello::default() })).await;
    assert_refused(nameless.ended().await, "missing");

    let mut huge = greeting("shop", "huge");
    huge.workload.node = "x".repeat(254);
    assert_refused(stage.attach_as(huge).await.ended().await, "node");

    let mut stranger = stage.attach("shop", "stranger").await;
    let stat = wire::Stat { id: 7, untimed: 1, ..wire::Stat::default() };
    stranger.say(wire::Live { snapshot: true, stats: vec![stat], ..wire::Live::default() }.into()).await;
    assert_refused(stranger.ended().await, "never defined");

    let mut hasty = stage.attach("shop", "hasty").await;
    hasty.report(Change, &[("/a", hits(1000))]).await;
    assert_refused(hasty.ended().await, "snapshot");

    let mut boaster = stage.attach("shop", "boaster").await;
    let mut golden = hits(1);
    golden.bytes_in = u64::MAX;
    boaster.report(Snapshot, &[("/a", golden)]).await;
    assert_refused(boaster.ended().await, "cannot be true");

    let mut prophet = stage.attach("shop", "prophet").await;
    prophet.confirm(99).await;
    assert_refused(prophet.ended().await, "revision 99");

    let mut shouter = stage.attach("shop", "shouter").await;
    let path = wire::Sample { path: "x".repeat(2 << 20), ..wire::Sample::default() };
    shouter.say(wire::Live { samples: vec![path], ..wire::Live::default() }.into()).await;
    assert_eq!(shouter.ended().await.code(), Code::OutOfRange);

    good.report(Change, &[("/a", hits(1))]).await;
    stage.row_with("shop", "/a", 2).await;
    let metrics = reqwest::get(format!("http://{}/metrics", stage.http)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("sitio_discarded_total{what=\"frame_refused\"} 8"), "{metrics}");
    stage.stop().await;
}

#[tokio::test]
async fn everything_over_the_limit_is_counted_under_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path());
    let routes: Vec<_> = (0..4500).map(|number| format!("/route-{number}-x")).collect();
    for (at, routes) in routes.chunks(900).enumerate() {
        let endpoints: Vec<_> = routes.iter().map(|route| (route.as_str(), hits(1))).collect();
        let mut sidecar = stage.attach("shop", &format!("shop-{at}")).await;
        sidecar.report(Snapshot, &endpoints).await;
        stage.row_with("shop", routes[0].as_str(), 1).await;
        if at == 4 {
            stage.row_with("shop", "(other)", 404).await;
        }
    }
    stage.stop().await;
}

#[track_caller]
fn assert_refused(status: tonic::Status, words: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains(words), "{status}");
}
