//! Tests that adding and removing a pin changes no total, and leaves no counts under an unused name.

use mesh::report::Coverage::{Change, Snapshot};
use mesh::window::slot_of;
use reqwest::{Method, StatusCode};
use serde_json::json;

use control_plane::clock::now_ms;

use crate::harness::{TestControlPlane, eventually, hits};

const PINNED: &str = "/users/{name}";

/// Returns the hits of a route in a window, from its chart and from the table.
async fn in_window(server: &TestControlPlane, route: &str, window: &str) -> (u64, u64) {
    let chart = server.get(&format!("/api/v1/timeline?service=shop&route={route}&window={window}")).await;
    let table = server.get(&format!("/api/v1/endpoints?window={window}&service=shop")).await;
    let row = table["endpoints"].as_array().unwrap().iter().find(|row| row["route"] == route);
    (chart["whole"]["hits"].as_u64().unwrap(), row.map_or(0, |row| row["hits"].as_u64().unwrap()))
}

/// Waits until this many windows are on disk.
async fn kept(server: &TestControlPlane, windows: u64) {
    eventually(async || {
        let status = server.get("/api/v1/status").await;
        if status["store"]["windows"]["kept"] == windows { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test]
async fn a_pin_that_is_withdrawn_gives_back_what_was_on_disk_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    let first = slot_of(now_ms()) - 3;
    sidecar.report(Snapshot, &[("/users/jane", hits(10)), ("/users/bob", hits(5))]).await;
    sidecar.window(first, false, &[("/users/jane", hits(10)), ("/users/bob", hits(4))]).await;
    kept(&server, 1).await;
    assert_eq!(in_window(&server, "/users/bob", "7d").await, (5, 5));

    // Given a pin that has merged both...
    let order = json!({"service": "shop", "pattern": PINNED});
    let (status, rule) = server.ask(Method::POST, "/api/v1/routes", Some(&order)).await;
    assert_eq!(status, StatusCode::CREATED, "{rule}");
    let rule = format!("/api/v1/rules/{}", rule["id"].as_str().unwrap());
    let mut desired = sidecar.rules().await;
    while desired.rules.is_empty() {
        desired = sidecar.rules().await;
    }
    sidecar.confirm(desired.revision).await;
    sidecar.report(Change, &[(PINNED, hits(3))]).await;
    sidecar.window(first + 1, false, &[(PINNED, hits(3))]).await;
    server.row_with("shop", PINNED, 18).await;
    kept(&server, 2).await;
    for window in ["6h", "7d", "90d"] {
        assert_eq!(in_window(&server, PINNED, window).await, (18, 18), "{window}");
    }

    // ...when it is withdrawn, then each name has its counts from disk, and the last one has the
    // counts that are not on disk.
    let (status, ended) = server.ask(Method::DELETE, &rule, None).await;
    assert_eq!(status, StatusCode::OK, "{ended}");
    for window in ["6h", "7d", "90d"] {
        assert_eq!(in_window(&server, PINNED, window).await, (4, 4), "{window}");
        assert_eq!(in_window(&server, "/users/jane", window).await, (10, 10), "{window}");
        assert_eq!(in_window(&server, "/users/bob", window).await, (4, 4), "{window}");
    }
    for (route, hits) in [(PINNED, 4), ("/users/jane", 10), ("/users/bob", 4)] {
        server.row_with("shop", route, hits).await;
    }
    sidecar.report(Change, &[("/users/jane", hits(1))]).await;
    server.row_with("shop", "/users/jane", 11).await;
    assert_eq!(in_window(&server, "/users/jane", "7d").await, (11, 11));
    server.stop().await;

    let server = TestControlPlane::start(folder.path());
    for (route, hits) in [(PINNED, 3), ("/users/jane", 10), ("/users/bob", 4)] {
        assert_eq!(in_window(&server, route, "7d").await, (hits, hits), "{route} after a restart");
    }
    server.stop().await;
}
