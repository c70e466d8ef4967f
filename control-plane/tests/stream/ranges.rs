//! Tests of pages for a range between two instants: they show its sums, do not update, and explain invalid input.

use control_plane::clock::now_ms;
use jiff::Timestamp;
use mesh::report::Coverage::Snapshot;
use reqwest::StatusCode;
use reqwest::header::COOKIE;

use crate::harness::{TestControlPlane, eventually, hits};

const HOUR_MS: u64 = 3_600_000;

/// A slot has ten seconds.
const SLOT_MS: u64 = 10_000;

/// A zone two hours ahead of UTC all year.
const ZONE: &str = "sitio_zone=Etc/GMT-2";

async fn page(server: &TestControlPlane, path: &str) -> (StatusCode, String) {
    let client = reqwest::Client::new();
    let response = client.get(format!("http://{}{path}", server.http)).header(COOKIE, ZONE).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

fn instant(unix_ms: u64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms as i64).unwrap()
}

#[tokio::test]
async fn pages_show_the_sums_between_two_instants_and_stand_still() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let from_ms = now_ms() / HOUR_MS * HOUR_MS - 24 * HOUR_MS;
    let (slot, half) = (from_ms / SLOT_MS, HOUR_MS / 2 / SLOT_MS);
    let mut sidecar = server.attach("shop", "shop-1").await;
    sidecar.report(Snapshot, &[("/a", hits(1250))]).await;
    let hour = HOUR_MS / SLOT_MS;
    for (id, count) in [(slot - 3 * hour, 1000), (slot - half, 40), (slot + half, 200), (slot + hour + half, 10)] {
        sidecar.window(id, false, &[("/a", hits(count))]).await;
    }
    let query = format!("from={}&to={}", instant(from_ms), instant(from_ms + HOUR_MS));
    server.row_with("shop", "/a", 1250).await;
    // All counts are on disk, and the last hours have none in memory only.
    eventually(async || {
        let recent = server.get("/api/v1/timeline?service=shop&route=/a&window=6h").await;
        if recent["whole"]["hits"] == 0 { Ok(()) } else { Err(recent) }
    })
    .await;
    let all = server.get(&format!("/api/v1/endpoints?{query}")).await;
    let row = &all["endpoints"][0];
    assert_eq!(row["hits"], 200, "{all}");
    let id = row["id"].as_str().unwrap();

    // The form sends times in the zone of the reader.
    let field = |unix_ms: u64| instant(unix_ms + 2 * HOUR_MS).strftime("%Y-%m-%dT%H:%M").to_string();
    let sent = format!("from={}&to={}", field(from_ms), field(from_ms + HOUR_MS));
    for query in [&query, &sent] {
        for path in ["/".to_owned(), format!("/endpoints/{id}")] {
            let (status, html) = page(&server, &format!("{path}?{query}")).await;
            assert_eq!(status, StatusCode::OK, "{html}");
            for words in ["data-live=\"no\"", ", whole minutes.", "Live updates are off", "Back to live", "up 400 %"] {
                assert!(html.contains(words), "{path}?{query} lacks {words}: {html}");
            }
            assert!(html.contains(&format!("value=\"{}\"", field(from_ms))) && !html.contains("id=\"pause\""), "{html}");
            let carried = format!("?from={:.3}&#38;to={:.3}", instant(from_ms), instant(from_ms + HOUR_MS));
            assert!(html.contains(&carried), "links lead to the same range: {html}");
        }
    }
    let (_, html) = page(&server, &format!("/?{query}")).await;
    assert!(html.contains("data-k=\"hits\">200<"), "{html}");
    let (_, csv) = page(&server, &format!("/endpoints/{id}/csv/steps.csv?{query}")).await;
    let lines: Vec<&str> = csv.lines().skip(1).collect();
    let counted: u64 = lines.iter().map(|line| line.split(',').nth(2).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!((lines.len(), counted), (60, 200), "{csv}");
    assert!(lines[0].starts_with(&format!("{:.3},60,", instant(from_ms))), "{csv}");
    assert!(page(&server, "/").await.1.contains("data-live=\"yes\""), "without a range the page is live");
    server.stop().await;
}

#[tokio::test]
async fn a_range_that_makes_no_sense_gets_a_page_that_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    for (query, words) in [
        ("from=yesterday", "an instant such as 2026-01-31T12:00:00Z"),
        ("to=2025-01-31T12:00", "it needs from"),
        ("from=2099-01-31T12:00", "before now"),
        ("from=2020-01-31T12:00", "longer than 90d"),
        ("window=5m&from=2025-01-31T12:00", "but not both"),
    ] {
        for path in ["/", "/endpoints/e000000000000", "/endpoints.csv"] {
            let (status, html) = page(&server, &format!("{path}?{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}?{query}: {html}");
            assert!(html.contains(words) && html.contains("Back to the overview"), "{path}?{query}: {html}");
        }
    }
    server.stop().await;
}
