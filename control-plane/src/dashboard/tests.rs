//! Tests of the dashboard's routes: addresses, headers, and the first events of streams.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::counts::fleet::Fleet;
use crate::dashboard::state::STREAMS_MAX;
use crate::dashboard::*;
use crate::model::principal::Principal;
use crate::store::redb::RedbStore;

/// The pages of a control plane without sidecars, its drain, and its data folder.
fn empty() -> (Router, CancellationToken, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (store, drain) = (Arc::new(RedbStore::open(folder.path()).unwrap()), CancellationToken::new());
    let fleet = Fleet::new(Duration::from_secs(60));
    let (plane, _) = AppState::open(store, fleet, "0.0.0.0:8091".parse().unwrap(), drain.clone()).unwrap();
    let operator = Arc::new(Principal::local_operator());
    (pages(Arc::new(plane)).layer(axum::Extension(operator)), drain, folder)
}

async fn get(pages: &mut Router, path: &str) -> Response {
    let request = Request::get(path).header(header::HOST, "mesh.example:8090").body(Body::empty()).unwrap();
    pages.call(request).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().into()).unwrap()
}

#[tokio::test]
async fn every_page_forbids_scripts_that_are_not_ours() {
    let (mut pages, _drain, _folder) = empty();
    for (path, status) in [("/", 200), ("/pods", 200), ("/map", 200), ("/audit", 200), ("/endpoints/e0", 404), ("/nowhere", 404)]
    {
        let response = get(&mut pages, path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let headers = response.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("trusted-types sitio-stream"), "{path}: {policy}");
        let back = if path.starts_with("/endpoints/") { "href=\"../\"" } else { "href=\"./\"" };
        assert!(text(response).await.contains(back), "{path} has a way back");
    }
}

#[tokio::test]
async fn no_page_and_no_script_names_an_address_from_the_root_of_the_host() {
    let (mut pages, _drain, _folder) = empty();
    let script = text(get(&mut pages, "/static/sitio.js").await).await + &text(get(&mut pages, "/static/tap.js").await).await;
    for path in ["/", "/pods", "/map", "/audit", "/tap", "/endpoints/e0", "/endpoints/e0/pin", "/no/where/at/all"] {
        let html = text(get(&mut pages, path).await).await;
        for attribute in ["href", "action", "formaction", "src"] {
            assert!(!html.contains(&format!("{attribute}=\"/")), "{path} has an absolute {attribute}: {html}");
        }
    }
    for rooted in ["`/", "'/a", "'/e", "\"/a", "\"/e", "path=/"] {
        assert!(!script.contains(rooted), "{rooted}");
    }
}

#[tokio::test]
async fn the_first_steps_name_an_address_that_can_be_reached() {
    let (mut pages, _drain, _folder) = empty();
    let html = text(get(&mut pages, "/").await).await;
    assert!(html.contains("sitio run --control-plane http://mesh.example:8091"));
}

#[tokio::test]
async fn the_files_a_page_names_are_there() {
    let (mut pages, _drain, _folder) = empty();
    let html = text(get(&mut pages, "/").await).await;
    let named: Vec<&str> = html.split('"').filter(|part| part.starts_with("./static/") || *part == "favicon.svg").collect();
    assert_eq!(named.len(), 3);
    for file in named {
        assert_eq!(get(&mut pages, &format!("/{}", file.trim_start_matches("./"))).await.status(), StatusCode::OK, "{file}");
    }
}

#[tokio::test]
async fn a_stream_begins_with_everything_and_ends_when_we_leave() {
    let (mut pages, drain, _folder) = empty();
    let response = get(&mut pages, "/events?window=1m").await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");

    let mut stream = response.into_body().into_data_stream();
    let first = String::from_utf8(stream.next().await.unwrap().unwrap().into()).unwrap();
    assert!(first.starts_with("event: snap\ndata: {\"t\":") && first.contains("\"state\":\"no-pods\""), "{first}");
    assert!(first.contains("\"window\":\"1 min\""), "{first}");

    drain.cancel();
    while let Some(message) = stream.next().await {
        message.unwrap();
    }
}

#[tokio::test]
async fn every_page_that_moves_has_a_stream_of_its_own() {
    let (mut pages, drain, _folder) = empty();
    for (page, said) in [
        ("overview", "\"window\":\"5 min\""),
        ("pods", "\"foot\":\"0 pods\""),
        ("map", "\"shape\":"),
        ("audit", "\"state\":\"nothing\""),
    ] {
        let response = get(&mut pages, &format!("/events?page={page}")).await;
        let mut stream = response.into_body().into_data_stream();
        let first = String::from_utf8(stream.next().await.unwrap().unwrap().into()).unwrap();
        assert!(first.contains(&format!("\"v\":\"{}\"", assets::version())), "{first}");
        assert!(first.contains(said), "{page}: {first}");
    }
    drain.cancel();
}

/// The first event of each view, by the number of the view.
async fn first_events(response: Response, views: usize) -> std::collections::BTreeMap<String, String> {
    assert_eq!(response.status(), StatusCode::OK);
    let mut stream = response.into_body().into_data_stream();
    let mut events = std::collections::BTreeMap::new();
    while events.len() < views {
        let event = String::from_utf8(stream.next().await.unwrap().unwrap().into()).unwrap();
        let (number, event) = event.strip_prefix("id: ").and_then(|event| event.split_once('\n')).expect("it names its view");
        events.entry(number.to_owned()).or_insert_with(|| event.to_owned());
    }
    events
}

#[tokio::test]
async fn an_address_with_a_slash_too_many_leads_to_the_page() {
    let (mut pages, _drain, _folder) = empty();
    for (asked, place) in [("/pods/", "../pods"), ("/map/?window=1h", "../map?window=1h"), ("/endpoints/e0/pin/", "../pin")] {
        let response = get(&mut pages, asked).await;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT, "{asked}");
        assert_eq!(response.headers()[header::LOCATION], place, "{asked}");
    }
    assert_eq!(get(&mut pages, "/pods//").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_address_that_cannot_be_read_gets_a_page_with_a_way_back() {
    let (mut pages, _drain, _folder) = empty();
    for (asked, words) in [
        ("/?window=5m&window=1h", "duplicate field `window`"),
        ("/pods?find=a&find=b", "duplicate field `find`"),
        ("/map?window=5m&window=1h", "duplicate field `window`"),
        ("/audit?by=a&by=b", "duplicate field `by`"),
        ("/tap?status=1&status=2", "duplicate field `status`"),
        ("/endpoints/e0?window=1m&window=5m", "duplicate field `window`"),
        ("/endpoints.csv?find=a&find=b", "duplicate field `find`"),
        ("/endpoints/%FF", "UTF-8"),
    ] {
        let response = get(&mut pages, asked).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{asked}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8", "{asked}");
        let html = text(response).await;
        assert!(html.contains("Back to the overview") && html.contains(words), "{asked}: {html}");
    }
    // A script receives plain text.
    let response = get(&mut pages, "/events?window=5m&window=1h").await;
    assert!(text(response).await.contains("duplicate field `window`"));
    let post = Request::post("/pods").body(Body::empty()).unwrap();
    let response = pages.call(post).await.unwrap();
    assert_eq!(
        (response.status(), response.headers()[header::ALLOW].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD")
    );
    assert!(text(response).await.contains("Back to the overview"));
}

#[tokio::test]
async fn one_stream_carries_what_many_windows_look_at() {
    let (mut pages, drain, _folder) = empty();
    let views = "view=events%3Fpage%3Dpods&view=events%3Fwindow%3D1m&view=tap/events%3Fstatus%3Dbad";
    let events = first_events(get(&mut pages, &format!("/events/shared?{views}")).await, 3).await;
    assert!(events["0"].contains("\"foot\":\"0 pods\""), "{events:?}");
    assert!(events["1"].contains("\"window\":\"1 min\""), "{events:?}");
    assert!(events["2"].contains("status=bad"), "{events:?}");
    drain.cancel();
}

#[tokio::test]
async fn a_shared_stream_is_bounded_and_carries_nothing_but_streams() {
    let (mut pages, _drain, _folder) = empty();
    let too_many = vec!["view=events"; shared::VIEWS_MAX + 1].join("&");
    for views in ["", "view=endpoints.csv", "view=events%3Fwindow%3D1m%26window%3D5m", "view=%20", &too_many] {
        let response = get(&mut pages, &format!("/events/shared?{views}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{views}");
    }
    // Refused and ended streams release their permits.
    for _ in 0..STREAMS_MAX {
        drop(get(&mut pages, "/events/shared?view=events&view=nothing").await);
    }
    assert_eq!(get(&mut pages, "/events").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_table_is_a_file_too() {
    let (mut pages, _drain, _folder) = empty();
    for table in ["endpoints", "pods", "audit"] {
        let response = get(&mut pages, &format!("/{table}.csv")).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8");
        let named = response.headers()[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(named.starts_with(&format!("attachment; filename=\"sitio-{table}-")), "{named}");
        assert_eq!(text(response).await.lines().count(), 1, "{table} has nothing but its heads");
    }
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_switched() {
    let (mut pages, _drain, _folder) = empty();
    assert_eq!(get(&mut pages, "/rules/r1/progress").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get(&mut pages, "/endpoints/e0/impact").await.status(), StatusCode::NOT_FOUND);
}
