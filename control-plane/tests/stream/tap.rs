//! Tests that a tap shows matching exchanges, counts what it drops, and ends with its reader; lying sidecars harm no other.

use mesh::endpoint::Endpoint;
use mesh::exchange::Exchange;
use mesh::report::Coverage::{Change, Snapshot};
use mesh::tap::{Dropped, Sighting, Tap};
use proto::convert::taps::{TapUpdate, taps};
use proto::wire;
use proto::wire::{down, up};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{FakeSidecar, SOON, TestControlPlane, eventually, hits};

/// A reader of server-sent events.
struct Reader {
    response: reqwest::Response,
    text: String,
}

impl Reader {
    async fn open(server: &TestControlPlane, query: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(format!("http://{}/api/v1/tap{query}", server.http)).send().await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        let mut reader = Self { response, text: String::new() };
        assert_eq!(reader.next("tap").await["limit_per_s"], json!(50));
        reader
    }

    /// The next event of that name.
    async fn next(&mut self, name: &str) -> Value {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let line = |field: &str| event.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().to_owned();
                let (reported, data) = (line("event: "), line("data: "));
                self.text = String::from(rest);
                if reported == name {
                    return serde_json::from_str(&data).unwrap();
                }
            }
            let more = tokio::time::timeout(SOON, self.response.chunk()).await.expect("an event arrives soon").unwrap();
            self.text.push_str(std::str::from_utf8(&more.expect("the stream is open")).unwrap());
        }
    }
}

/// The next set of taps that a sidecar receives.
async fn describe(sidecar: &mut FakeSidecar) -> Vec<Tap> {
    loop {
        if let down::Message::Taps(set) = sidecar.next_message().await.expect("the stream is open").expect("the stream is open") {
            return taps(set).unwrap();
        }
    }
}

fn seen(tap: u64, status: u16) -> Sighting {
    let exchange = Exchange { status, path: "/a".into(), ..Exchange::default() };
    Sighting { tap, endpoint: Endpoint::named("GET", "/a").unwrap(), exchange }
}

async fn send(sidecar: &FakeSidecar, seen: Vec<Sighting>, dropped: Vec<(u64, Dropped)>) {
    sidecar.send(up::Message::Tapped(TapUpdate { seen, dropped }.into())).await;
}

#[tokio::test]
async fn each_tap_shows_what_it_asked_for_and_counts_what_it_drops() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut shop, mut cart) = (server.attach("shop", "shop-1").await, server.attach("cart", "cart-1").await);
    server.wait_for_pod("shop-1").await;
    server.wait_for_pod("cart-1").await;

    let mut failures = Reader::open(&server, "?service=shop&status=5xx&route=/a*&method=GET").await;
    let set = describe(&mut shop).await;
    assert_eq!((set.len(), set[0].per_second_max, set[0].filter.route.as_deref()), (1, 50, Some("/a*")));
    assert_eq!(
        failures.next("pod").await,
        json!({"namespace": "default", "service": "shop", "pod": "shop-1", "state": "tapped"})
    );
    let mut all = Reader::open(&server, "").await;
    assert_eq!((describe(&mut shop).await.len(), describe(&mut cart).await.len()), (2, 1));

    let (first, second) = (set[0].id, set[0].id + 1);
    let dropped = vec![(first, Dropped { over_rate: 3, over_queue: 4 })];
    send(&shop, vec![seen(first, 200), seen(first, 503), seen(second, 200)], dropped).await;
    send(&cart, vec![seen(second, 404)], vec![]).await;

    let shown = failures.next("exchange").await;
    assert_eq!((&shown["status"], &shown["pod"], &shown["route"]), (&json!(503), &json!("shop-1"), &json!("/a")), "{shown}");
    assert_eq!(failures.next("dropped").await, json!({"rate": 3, "queue": 4, "reader": 0, "unasked": 1, "pods": 0}));
    let mut statuses = [all.next("exchange").await, all.next("exchange").await].map(|shown| shown["status"].as_u64().unwrap());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404]);

    drop(failures);
    assert_eq!(describe(&mut shop).await.iter().map(|tap| tap.id).collect::<Vec<_>>(), [second]);
    // An exchange that was under way when the tap ended is late, and is no violation.
    send(&shop, vec![seen(first, 503)], vec![]).await;
    drop(cart);
    while all.next("pod").await["state"] != "gone" {}
    shop.report(Snapshot, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 1).await;
    drop(all);
    assert_eq!(describe(&mut shop).await, []);
    server.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_comes_later_is_tapped_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut all = Reader::open(&server, "?pod=shop-2").await;
    let mut late = server.attach("shop", "shop-2").await;
    let id = describe(&mut late).await[0].id;
    send(&late, vec![seen(id, 200)], vec![]).await;
    assert_eq!(all.next("exchange").await["pod"], "shop-2");
    server.drain.cancel();
    assert_eq!(all.next("ended").await["why"], "the control plane is shutting down");
    server.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_lies_ends_its_own_stream_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut good = server.attach("shop", "good").await;
    let mut all = Reader::open(&server, "").await;
    let id = describe(&mut good).await[0].id;
    let raw = |seen: Vec<wire::Seen>| up::Message::Tapped(wire::Tapped { seen, dropped: vec![] });
    let one = |path: &str| wire::Seen {
        tap: id,
        method: "GET".into(),
        route: "/a".into(),
        sample: Some(wire::Sample { path: path.into(), ..wire::Sample::default() }),
    };
    for (at, (lie, words)) in [
        (raw(vec![wire::Seen { tap: id + 1, ..one("/a") }]), "there is no tap"),
        (raw(vec![one("/a"); 65]), "tapped.seen is over its limit of 64"),
        (raw(vec![one(&"/".repeat(257))]), "sample.path"),
        (raw(vec![wire::Seen { route: "a\n".into(), ..one("/a") }]), "tapped.seen"),
        (raw(vec![wire::Seen { sample: None, ..one("/a") }]), "missing"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut liar = server.attach("shop", &format!("liar-{at}")).await;
        describe(&mut liar).await;
        liar.send(lie).await;
        let status = liar.ended().await;
        assert!(status.message().contains(words), "{status} instead of {words}");
    }
    good.report(Snapshot, &[("/a", hits(1))]).await;
    good.report(Change, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 2).await;
    send(&good, vec![seen(id, 200)], vec![]).await;
    let shown = all.next("exchange").await;
    assert_eq!(shown["pod"], "good", "nothing of what was a lie: {shown}");
    server.stop().await;
}

#[tokio::test]
async fn taps_are_limited_and_a_slow_reader_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut shop = server.attach("shop", "shop-1").await;
    let mut stuck = Vec::new();
    for _ in 0..7 {
        stuck.push(Reader::open(&server, "").await);
    }
    let mut good = Reader::open(&server, "?status=404").await;
    let (status, problem) = server.ask(Method::GET, "/api/v1/tap", None).await;
    assert_eq!((status, &problem["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(503)), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("8 taps"), "{problem}");

    let mut set = describe(&mut shop).await;
    while set.len() < 8 {
        set = describe(&mut shop).await;
    }
    for _ in 0..200 {
        send(&shop, set[..7].iter().map(|tap| seen(tap.id, 200)).collect(), vec![]).await;
    }
    send(&shop, vec![seen(set[7].id, 404)], vec![]).await;
    assert_eq!(good.next("exchange").await["status"], 404);
    shop.report(Snapshot, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 1).await;

    stuck.clear();
    eventually(async || {
        let metrics = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
        if metrics.contains("\nsitio_taps_open 1\n") { Ok(()) } else { Err(metrics) }
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_filter_is_refused_with_what_would_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    for (query, words) in [
        ("?status=bad", "5xx"),
        ("?route=users", "/users/{id}"),
        ("?method=G%20T", "GET"),
        ("?limit_per_s=0", "1 to 500"),
        ("?limit_per_s=many", "1 to 500"),
        ("?color=red", "color"),
    ] {
        let (status, problem) = server.ask(Method::GET, &format!("/api/v1/tap{query}"), None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{query}: {problem}");
    }
    server.stop().await;
}
