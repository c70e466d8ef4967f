//! Tests of the marks on an endpoint's page when pods are replaced or restarted, also with another sidecar.

use std::time::Duration;

use mesh::report::Coverage::Snapshot;
use proto::convert::greeting::Greeting;
use proto::wire;
use proto::wire::up;

use crate::harness::{FakeSidecar, TestControlPlane, eventually, greeting, hits};

/// The greeting of a pod whose process started this long ago, with a sidecar of this version.
fn started(pod: &str, ago: Duration, version: &str) -> Greeting {
    let mut greeting = greeting("shop", pod);
    greeting.uptime = Some(ago);
    greeting.workload.version = version.into();
    greeting
}

async fn leave(sidecar: &FakeSidecar) {
    sidecar.send(up::Message::Bye(wire::Bye { why: "a rollout".into() })).await;
}

/// The endpoint's page, once it has these words.
async fn page_with(server: &TestControlPlane, path: &str, words: &str) -> String {
    eventually(async || {
        let page = reqwest::get(format!("http://{}{path}", server.http)).await.unwrap().text().await.unwrap();
        if page.contains(words) { Ok(page) } else { Err(format!("{words} is not in {page}")) }
    })
    .await
}

#[tokio::test]
async fn pods_that_were_replaced_and_a_new_version_are_marks_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (long_ago, lately) = (Duration::from_secs(1800), Duration::from_secs(60));
    let mut first = server.attach_as(started("shop-1", long_ago, "0.1.0")).await;
    first.report(Snapshot, &[("/a", hits(1))]).await;
    let row = server.row_with("shop", "/a", 1).await;
    let path = format!("/endpoints/{}?window=1h", row["id"].as_str().unwrap());
    let page = page_with(&server, &path, "class=\"marks\"").await;
    assert!(!page.contains("pod started") && !page.contains("pod restarted"), "the first start is no mark: {page}");

    leave(&first).await;
    let mut second = server.attach_as(started("shop-2", lately, "0.2.0")).await;
    second.report(Snapshot, &[("/a", hits(1))]).await;
    let page = page_with(&server, &path, "1 pod replaced, sidecar 0.1.0 → 0.2.0").await;
    assert!(page.contains(">1 pod replaced, new sidecar</text>"), "the chart has a short label: {page}");

    // Without another uid, the next process is the same pod, restarted.
    leave(&second).await;
    page_with(&server, "/pods", "2 pods").await;
    let mut again = server.attach_as(started("shop-2", Duration::from_secs(30), "0.3.0")).await;
    again.report(Snapshot, &[("/a", hits(1))]).await;
    page_with(&server, &path, "1 pod restarted, sidecar 0.2.0 → 0.3.0").await;
    server.stop().await;
}
