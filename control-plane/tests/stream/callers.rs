//! Tests that callers are listed by the service that owns their address, and that invented callers are refused.

use mesh::callers::{CALLERS_MAX, Callers, Calls};
use mesh::report::Coverage::{Change, Snapshot};
use proto::convert::greeting::Greeting;
use proto::wire;
use proto::wire::up;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::Code;

use crate::harness::{TestControlPlane, eventually, greeting, hits};

fn at(service: &str, pod: &str, address: &str) -> Greeting {
    let mut greeting = greeting(service, pod);
    greeting.workload.addresses = vec![address.parse().unwrap()];
    greeting
}

fn callers(reported: &[(&str, u64)]) -> Callers {
    let mut callers = Callers::default();
    for (address, hits) in reported {
        callers.add(address.parse().ok(), Calls { hits: *hits, failures: 0, last_ms: control_plane::clock::now_ms() });
    }
    callers
}

/// Reads the callers of an endpoint after it has counted this many requests.
async fn describe(server: &TestControlPlane, service: &str, route: &str, hits: u64) -> Value {
    let id = server.row_with(service, route, hits).await["id"].as_str().unwrap().to_owned();
    server.get(&format!("/api/v1/endpoints/{id}/callers")).await
}

/// `[["web", 5], ["192.0.2.7", 2]]`, and so on.
fn names(reported: &Value) -> Value {
    let name = |row: &Value| [&row["service"], &row["address"], &row["kind"]].into_iter().find(|name| !name.is_null()).cloned();
    reported["callers"].as_array().unwrap().iter().map(|row| json!([name(row), row["hits"]])).collect()
}

#[tokio::test]
async fn pods_are_named_by_service_and_every_hit_has_a_caller() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let web = server.attach_as(at("web", "web-0", "10.0.0.1")).await;
    server.wait_for_pod("web-0").await;
    let mut cart = server.attach_as(at("cart", "cart-0", "10.0.0.2")).await;
    cart.callers = callers(&[("::ffff:10.0.0.1", 5), ("192.0.2.7", 2), ("", 1)]);
    cart.report(Snapshot, &[("/a", hits(8))]).await;
    cart.callers = callers(&[("10.0.0.1", 4)]);
    cart.report(Change, &[("/a", hits(4))]).await;

    let all = describe(&server, "cart", "/a", 12).await;
    assert_eq!(names(&all), json!([["web", 9], ["192.0.2.7", 2], ["other", 1]]), "{all}");
    assert_eq!((&all["hits"], &all["unknown_hits"]), (&json!(12), &json!(0)));
    let pod = &all["callers"][0]["pods"][0];
    assert_eq!((&pod["pod"], &pod["address"], &pod["share"]), (&json!("web-0"), &json!("10.0.0.1"), &json!(0.75)), "{all}");

    // A pod that has left is still listed as a caller.
    web.send(up::Message::Bye(wire::Bye { why: String::new() })).await;
    eventually(async || {
        let pods = server.get("/api/v1/pods").await;
        let web = pods["pods"].as_array().unwrap().iter().find(|pod| pod["pod"] == "web-0").unwrap().clone();
        if web["connected"] == false { Ok(()) } else { Err(web) }
    })
    .await;
    assert_eq!(names(&describe(&server, "cart", "/a", 12).await)[0], json!(["web", 9]));
    let (status, problem) = server.ask(Method::GET, "/api/v1/endpoints/e000000000000/callers", None).await;
    assert_eq!((status, &problem["type"].as_str().unwrap().ends_with("unknown-endpoint")), (StatusCode::NOT_FOUND, &true));
    server.stop().await;
}

#[tokio::test]
async fn live_pods_resend_their_callers_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (first, cart_is) = (TestControlPlane::start(folder.path()), at("cart", "cart-0", "10.0.0.2"));
    let mut cart = first.attach_as(cart_is.clone()).await;
    cart.callers = callers(&[("192.0.2.7", 3)]);
    cart.report(Snapshot, &[("/a", hits(3))]).await;
    assert_eq!(names(&describe(&first, "cart", "/a", 3).await), json!([["192.0.2.7", 3]]));
    first.stop().await;

    let second = TestControlPlane::start(folder.path());
    let mut cart = second.attach_as(Greeting { session: 2, ..cart_is }).await;
    cart.callers = callers(&[("192.0.2.7", 3), ("192.0.2.8", 1)]);
    for _ in 0..2 {
        cart.report(Snapshot, &[("/a", hits(4))]).await;
    }
    assert_eq!(names(&describe(&second, "cart", "/a", 4).await), json!([["192.0.2.7", 3], ["192.0.2.8", 1]]));
    second.stop().await;
}

#[tokio::test]
async fn a_sidecar_with_invented_callers_is_rejected_and_affects_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut good = server.attach("cart", "good").await;
    good.callers = callers(&[("10.0.0.1", 1)]);
    good.report(Snapshot, &[("/a", hits(1))]).await;

    let one =
        |v4: Vec<u8>, hits: Vec<u64>| wire::Callers { id: 1, v4, ago_ms: vec![0; hits.len()], hits, ..wire::Callers::default() };
    let good_one = one(vec![10, 0, 0, 1], vec![1]);
    for (name, made_up, words) in [
        ("a-million", vec![one(vec![7; 400_000], vec![1; 100_000])], "callers is over its limit of 32"),
        ("too-many", vec![one(vec![7; 4 * (CALLERS_MAX + 1)], vec![1; CALLERS_MAX + 1])], "callers is over its limit of 32"),
        ("half-an-address", vec![one(vec![7; 5], vec![1])], "4 or 16 bytes"),
        ("two-lengths", vec![one(vec![7; 4], vec![1, 1, 1])], "for each address"),
        ("more-than-there-are", vec![one(vec![7; 4], vec![u64::MAX])], "more often than it was asked"),
        ("twice", vec![good_one.clone(), good_one.clone()], "twice"),
        ("endless", vec![good_one.clone(); 2000], "callers is over its limit of 1025"),
    ] {
        let mut liar = server.attach("cart", name).await;
        let live = wire::Live { callers: made_up, ..liar.frame(Snapshot, &[("/a", hits(4))]) };
        liar.send(live.into()).await;
        let status = liar.ended().await;
        assert!(status.code() == Code::InvalidArgument && status.message().contains(words), "{name}: {status}");
    }

    // Values that are only unusual are corrected: a future time becomes now, and callers of an
    // undefined endpoint are ignored.
    let mut strange = server.attach("cart", "strange").await;
    let mut live = strange.frame(Snapshot, &[("/a", hits(4))]);
    live.at_ms = u64::MAX;
    live.callers = vec![one([10, 0, 0, 9].repeat(2), vec![1, 3]), wire::Callers { id: 77, ..good_one }];
    strange.send(live.into()).await;
    let all = describe(&server, "cart", "/a", 5).await;
    assert_eq!(names(&all), json!([["10.0.0.9", 4], ["10.0.0.1", 1]]), "{all}");
    assert!(all["callers"][0]["last_seen"].as_str().unwrap() <= all["taken_at"].as_str().unwrap(), "{all}");
    let metrics = reqwest::get(format!("http://{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("sitio_discarded_total{what=\"frame_refused\"} 7"), "{metrics}");
    server.stop().await;
}
