//! Tests that recent exchanges are fetched from the pods on request, and that silent or lying pods are listed and harm no other.

use mesh::exchange::{Exchange, Outcome};
use mesh::report::Coverage::{Change, Snapshot};
use proto::convert::pages::pages;
use proto::wire;
use proto::wire::{down, up};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::Code;

use crate::harness::{FakeSidecar, TestControlPlane, hits};

/// What a sidecar sends instead of an answer to this fetch.
type Lie = Box<dyn Fn(u64) -> Vec<wire::Page>>;

async fn fetched(sidecar: &mut FakeSidecar) -> wire::Fetch {
    loop {
        if let down::Message::Fetch(fetch) =
            sidecar.next_message().await.expect("the stream is open").expect("the stream is open")
        {
            return fetch;
        }
    }
}

async fn answer(sidecar: &mut FakeSidecar, exchanges: &[Exchange]) {
    let fetch = fetched(sidecar).await;
    assert_eq!((fetch.method.as_str(), fetch.route.as_str()), ("GET", "/a"));
    for page in pages(fetch.id, exchanges) {
        sidecar.send(up::Message::Page(page)).await;
    }
}

fn exchange(started_ms: u64, status: u16, took_us: u64) -> Exchange {
    Exchange { started_ms, status, took_us, path: "/a".into(), ..Exchange::default() }
}

fn started(history: &Value) -> Vec<u64> {
    history["exchanges"].as_array().unwrap().iter().map(|row| row["started_ms"].as_u64().unwrap()).collect()
}

/// Two pods that have counted one request each, and the path of the endpoint's history.
async fn two_pods(server: &TestControlPlane) -> (FakeSidecar, FakeSidecar, String) {
    let (mut one, mut two) = (server.attach("shop", "shop-1").await, server.attach("shop", "shop-2").await);
    one.report(Snapshot, &[("/a", hits(1))]).await;
    two.report(Snapshot, &[("/a", hits(1))]).await;
    let id = server.row_with("shop", "/a", 2).await["id"].as_str().unwrap().to_owned();
    (one, two, format!("/api/v1/endpoints/{id}/history"))
}

#[tokio::test]
async fn the_pods_are_merged_newest_first_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut one, mut two, path) = two_pods(&server).await;
    let of_one: Vec<_> = (0..40).map(|at| exchange(1000 + 2 * at, 200, 5000)).collect();
    let failure = Exchange {
        outcome: Outcome::UpstreamConnect,
        caller: "10.0.0.7".parse().ok(),
        rule: Some("r1".into()),
        first_byte_us: Some(1500),
        ..exchange(1077, 502, 9000)
    };

    let ask = async |query: &str, one: &mut FakeSidecar, two: &mut FakeSidecar| {
        let path = format!("{path}{query}");
        tokio::join!(server.get(&path), answer(one, &of_one), answer(two, std::slice::from_ref(&failure))).0
    };

    let all = ask("", &mut one, &mut two).await;
    assert_eq!((&all["pods"], &all["missing"], &all["route"]), (&json!(["shop-1", "shop-2"]), &json!([]), &json!("/a")));
    assert_eq!((started(&all).len(), &started(&all)[..3]), (41, &[1078, 1077, 1076][..]));
    let row = &all["exchanges"][1];
    assert_eq!((&row["pod"], &row["outcome"], &row["took_ms"]), (&json!("shop-2"), &json!("upstream-connect"), &json!(9.0)));
    assert_eq!((&row["caller"], &row["rule"], &row["first_byte_ms"]), (&json!("10.0.0.7"), &json!("r1"), &json!(1.5)));
    assert_eq!(started(&ask("?status=5xx", &mut one, &mut two).await), [1077]);
    assert_eq!(started(&ask("?slowest&limit=2", &mut one, &mut two).await), [1077, 1078]);

    let alone = format!("{path}?pod=shop-2");
    let (of_two, ()) = tokio::join!(server.get(&alone), answer(&mut two, std::slice::from_ref(&failure)));
    assert_eq!((started(&of_two), &of_two["pods"]), (vec![1077], &json!(["shop-2"])));
    server.stop().await;
}

#[tokio::test]
async fn a_silent_pod_is_named_and_its_late_answer_is_no_offence() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut one, mut two, path) = two_pods(&server).await;
    let one_of = [exchange(1, 200, 1)];

    let (history, ()) = tokio::join!(server.get(&path), answer(&mut one, &one_of));
    assert_eq!((started(&history), &history["missing"]), (vec![1], &json!(["shop-2"])));
    let page = format!("http://{}/endpoints/{}", server.http, path.split('/').nth(4).unwrap());
    let (page, ()) = tokio::join!(reqwest::get(page), answer(&mut one, &one_of));
    let page = page.unwrap().text().await.unwrap();
    assert!(page.contains("Without shop-2: no answer within a second."), "{page}");

    answer(&mut two, &[exchange(2, 200, 1)]).await;
    two.report(Change, &[("/a", hits(1))]).await;
    server.row_with("shop", "/a", 3).await;
    drop(two);
    server.stop().await;
}

#[tokio::test]
async fn a_page_that_lies_ends_its_own_stream_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (mut good, two, path) = two_pods(&server).await;
    let one_of = [exchange(1, 200, 1)];
    drop(two);
    let last = |id, samples| wire::Page { id, samples, last: true };
    let many = vec![wire::Sample::default(); 33];
    let broken = wire::Sample { path: "/\u{1b}[2J".into(), ..wire::Sample::default() };
    let lies: [(Lie, &str); 4] = [
        (Box::new(move |id| vec![last(id + 7, vec![])]), "is under way"),
        (Box::new(move |id| vec![last(id, many.clone())]), "page.samples is over its limit of 32"),
        (Box::new(move |id| vec![last(id, vec![broken.clone()])]), "sample.path"),
        (
            Box::new(|id| vec![wire::Page { id, samples: vec![wire::Sample::default(); 32], last: false }; 9]),
            "over its limit of 256",
        ),
    ];
    for (at, (lie, words)) in lies.into_iter().enumerate() {
        let name = format!("liar-{at}");
        let mut liar = server.attach("shop", &name).await;
        liar.report(Snapshot, &[("/a", hits(1))]).await;
        server.row_with("shop", "/a", 3 + at as u64).await;

        let lying = async {
            let id = fetched(&mut liar).await.id;
            for page in lie(id) {
                liar.send(up::Message::Page(page)).await;
            }
            let status = liar.ended().await;
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert!(status.message().contains(words), "{status} instead of {words}");
        };
        let (history, (), ()) = tokio::join!(server.get(&path), answer(&mut good, &one_of), lying);

        assert_eq!(started(&history), [1], "what is good is shown");
        assert!(history["missing"].as_array().unwrap().contains(&json!(name)), "{history}");
    }
    let mut unasked = server.attach("shop", "unasked").await;
    unasked.send(up::Message::Page(last(1, vec![]))).await;
    assert!(unasked.ended().await.message().contains("is under way"));
    let metrics = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("sitio_discarded_total{what=\"frame_refused\"} 5"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_what_can() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let (_one, _two, path) = two_pods(&server).await;
    for (query, status, words) in [
        ("?status=bad", StatusCode::BAD_REQUEST, "5xx"),
        ("?limit=0", StatusCode::BAD_REQUEST, "1 to 1000"),
        ("?slowest=very", StatusCode::BAD_REQUEST, "true"),
        ("?color=red", StatusCode::BAD_REQUEST, "color"),
        ("?pod=shop-9", StatusCode::NOT_FOUND, "shop-9"),
    ] {
        let (reported, problem) = server.ask(Method::GET, &format!("{path}{query}"), None).await;
        assert_eq!(reported, status, "{query}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{query}: {problem}");
    }
    let (reported, problem) = server.ask(Method::GET, "/api/v1/endpoints/e0/history", None).await;
    assert_eq!((reported, &problem["status"]), (StatusCode::NOT_FOUND, &json!(404)));
    server.stop().await;
}
