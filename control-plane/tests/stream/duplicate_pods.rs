//! Tests of two processes that claim the same pod uid, because of a copied manifest or an attack.

use mesh::report::Coverage::{Change, Snapshot};

use crate::harness::{TestControlPlane, eventually, greeting, hits};

/// Further ahead than any real clock, and below the limit at which an epoch is refused.
const AHEAD_NS: u64 = 23 * 3600 * 1_000_000_000;

#[tokio::test]
async fn a_process_with_another_pods_uid_and_a_later_epoch_silences_no_pod() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut living = server.attach("shop", "a").await;
    living.report(Snapshot, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 1).await;

    let mut ahead = greeting("shop", "a");
    ahead.epoch += AHEAD_NS;
    let mut impostor = server.attach_as(ahead).await;
    impostor.report(Snapshot, &[("/a", hits(3))]).await;
    server.row_with("shop", "/a", 4).await;

    // The living pod is counted, gets rules, and is listed beside the other.
    living.report(Change, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 5).await;
    server.turn_off("shop", "/a").await;
    while living.rules().await.rules.is_empty() {}
    while impostor.rules().await.rules.is_empty() {}
    eventually(async || {
        let pods = server.get("/api/v1/pods").await;
        let rows = pods["pods"].as_array().unwrap();
        let is_shown = rows.len() == 2 && rows.iter().all(|row| row["claimants"] == 2 && row["connected"] == true);
        if is_shown { Ok(()) } else { Err(pods) }
    })
    .await;
    server.stop().await;
}
