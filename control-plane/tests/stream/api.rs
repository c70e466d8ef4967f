//! Tests of the API's entry: problem documents, authentication, and a shutdown that does not wait for open streams.

use std::collections::BTreeSet;

use control_plane::app::options::AppOptions;
use control_plane::token::SecretToken;
use proto::wire::Up;
use proto::wire::mesh_client::MeshClient;
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_stream::pending;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use crate::harness::{TestControlPlane, disable_command, eventually, greeting};

#[tokio::test]
async fn every_failure_is_a_problem_document() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", server.http);

    for (request, expected) in [
        (client.get(url("/api/v1/nothing")), 404),
        (client.get(url("/api/nothing")), 404),
        (client.get(url("/api/v1/rules/r9")), 404),
        (client.delete(url("/api/v1/rules/r9")), 404),
        (client.post(url("/api/v1/rules/r9/resend")), 404),
        (client.put(url("/api/v1/rules")), 405),
        (client.post(url("/api/v1/endpoints")), 405),
        (client.get(url("/api/v1/endpoints?window=91d")), 400),
        (client.get(url("/api/v1/endpoints?windw=5m")), 400),
        (client.get(url("/api/v1/audit?limit=-1")), 400),
        (client.get(url("/api/v1/endpoints/e0/history")), 404),
        (client.get(url("/api/v1/tap?status=bad")), 400),
        (client.get(url("/api/v1/tap?service=missing")), 404),
        (client.post(url("/api/v1/rules")).body("{}"), 415),
        (client.post(url("/api/v1/rules")).header("content-type", "application/json").body("{"), 400),
        (client.post(url("/api/v1/rules")).header("content-type", "application/json").body(vec![b' '; 1 << 20]), 413),
        (client.get(url("/api/v1/pods")).header("host", "evil.example"), 403),
        (client.post(url("/api/v1/rules")).json(&disable_command("a", "/b")).header("origin", "http://evil.example"), 403),
        (client.post(url("/api/v1/rules")).json(&disable_command("a", "/b")).header("sec-fetch-site", "cross-site"), 403),
    ] {
        let request = request.build().unwrap();
        let name = format!("{} {}", request.method(), request.url());
        let response = client.execute(request).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{name}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{name}");
        let problem: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        assert_eq!(problem["status"], expected);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_description_describes_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let document = server.get("/api/v1/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<_> = paths.keys().cloned().collect();
    assert_eq!(described, served(), "what is served is described, and the other way round");
    for (path, operations) in paths {
        for method in &methods {
            let url = format!("http://{}{}", server.http, path.replace("{id}", "r1"));
            let status = client.request(method.clone(), url).send().await.unwrap().status();
            let described = operations.get(method.as_str().to_lowercase()).is_some();
            assert_eq!(status != StatusCode::METHOD_NOT_ALLOWED, described, "{method} {path}: {status}");
        }
    }
    server.stop().await;
}

/// The paths of the routes, parsed from the source, because a router does not list them.
fn served() -> BTreeSet<String> {
    let source = include_str!("../../src/api.rs");
    let (v1, rest) = source.split_once(".fallback(").unwrap();
    let of = |part: &'static str, prefix: &'static str| {
        let routes = part.split(".route(\"").skip(1).filter(|route| !route.contains("any(unknown_resource)"));
        routes.map(move |route| format!("{prefix}{}", route.split('"').next().unwrap()))
    };
    of(v1, "/api/v1").chain(of(rest, "")).collect()
}

#[tokio::test]
async fn with_a_token_only_those_who_know_it_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::with(AppOptions { token: SecretToken::new("s3cret"), ..AppOptions::in_folder(folder.path()) });
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let get = |path: &str| client.get(format!("http://{}{path}", server.http));

    assert_eq!(get("/livez").send().await.unwrap().status(), 200);
    assert_eq!(get("/api/v1/pods").send().await.unwrap().status(), 401);
    assert_eq!(get("/api/v1/pods").bearer_auth("wrong").send().await.unwrap().status(), 401);
    assert_eq!(get("/api/v1/pods").bearer_auth("s3cret").header("host", "sitio.example").send().await.unwrap().status(), 200);

    for path in ["/static/nothing.css", "/static/a/b", "/static/a/b/c", "/static/"] {
        for accept in ["text/html", "*/*"] {
            let nothing = get(path).header("accept", accept).send().await.unwrap();
            let kind = nothing.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
            assert!(nothing.status() == 404 && !kind.contains("html"), "{path}: {} {kind}", nothing.status());
            let body = nothing.text().await.unwrap();
            assert!(body.len() < 100, "{path} shows something of the mesh: {body}");
        }
    }

    let sent = get("/pods?a=1").header("accept", "text/html").send().await.unwrap();
    assert_eq!(
        (sent.status(), &sent.headers()["location"]),
        (StatusCode::SEE_OTHER, &"./sign-in?next=/pods%3Fa%3D1".parse().unwrap())
    );
    let page = get("/sign-in?next=%22%3E%3Cscript%3E").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("SITIO_TOKEN") && !page.contains("<script>"), "{page}");
    let sign_in = |token: &str, next: &str| {
        let form = format!("token={token}&next={next}");
        let content_type = "application/x-www-form-urlencoded";
        client.post(format!("http://{}/sign-in", server.http)).header("content-type", content_type).body(form).send()
    };
    assert_eq!(sign_in("wrong", "/").await.unwrap().status(), 403);
    let signed_in = sign_in("s3cret", "//evil.example").await.unwrap();
    assert_eq!(signed_in.headers()["location"], "./", "no redirect to another host");
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("s3cret"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    assert_eq!(get("/api/v1/pods").header("cookie", session).send().await.unwrap().status(), 200);
    assert_eq!(get("/api/v1/pods").header("cookie", "sitio_session=00").send().await.unwrap().status(), 401);

    let refused = server.dial().await.attach(Request::new(pending::<Up>())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    let mut known = Request::new(pending::<Up>());
    known.metadata_mut().insert("authorization", "Bearer s3cret".parse().unwrap());
    assert!(server.dial().await.attach(known).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn wrong_tokens_of_sidecars_are_limited_and_another_address_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::with(AppOptions { token: SecretToken::new("s3cret"), ..AppOptions::in_folder(folder.path()) });
    for attempt in 0..10 {
        let refused = server.attach_with(&format!("wrong-{attempt}"), greeting("shop", "a")).await.err().unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated, "attempt {attempt}: {refused}");
    }
    // The budget of an address grows by one attempt every six seconds, so a slow machine may need a few more. Then the
    // right token is refused as well, so that a guess shows nothing.
    let mut attempts = 10_u32..;
    eventually(async || {
        let wrong = format!("wrong-{}", attempts.next().unwrap());
        assert!(server.attach_with(&wrong, greeting("shop", "a")).await.is_err(), "{wrong}");
        let right = server.attach_with("s3cret", greeting("shop", "a")).await.err().map(|refused| refused.to_string());
        let is_limited = right.iter().any(|why| why.contains("too many wrong tokens from 127.0.0.1, retry in "));
        if is_limited { Ok(()) } else { Err(right) }
    })
    .await;

    // Another address is let in.
    let attach_from = async |address: [u8; 4]| {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.grpc)).unwrap().local_address(Some(address.into()));
        let mut request = Request::new(pending::<Up>());
        request.metadata_mut().insert("authorization", "Bearer s3cret".parse().unwrap());
        MeshClient::new(endpoint.connect().await.unwrap()).attach(request).await.map(drop)
    };
    attach_from([127, 0, 0, 2]).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_seen_is_escaped_in_every_answer() {
    const POD: &str = "a\u{202e}b";
    const SERVICE: &str = "sh\u{200b}op";
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let _sidecar = server.attach(SERVICE, POD).await;
    server.wait_for_pod(POD).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", server.http);
    let unseen = disable_command("no\u{202e}where", "/a");

    let pods = client.get(url("/api/v1/pods")).send().await.unwrap().text().await.unwrap();
    let refused = client.post(url("/api/v1/rules")).json(&unseen).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let refused = refused.text().await.unwrap();

    for (text, escaped) in [(&pods, r"a\u202eb"), (&pods, r"sh\u200bop"), (&refused, r"no\u202ewhere")] {
        assert!(text.contains(escaped) && !text.contains(['\u{202e}', '\u{200b}']), "{text}");
    }
    // A program reads the same names as were sent.
    let pods: serde_json::Value = serde_json::from_str(&pods).unwrap();
    assert_eq!((&pods["pods"][0]["pod"], &pods["pods"][0]["service"]), (&json!(POD), &json!(SERVICE)));
    server.stop().await;
}

#[tokio::test]
async fn beyond_loopback_there_is_no_control_plane_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let any = || std::net::TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let listeners = control_plane::app::listeners::AppListeners { http: any(), grpc: any(), webhook: None };

    let refused = control_plane::app::run(AppOptions::in_folder(folder.path()), listeners, CancellationToken::new()).await;

    assert!(refused.unwrap_err().to_string().contains("token"));
}

#[tokio::test]
async fn it_leaves_at_once_although_streams_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestControlPlane::start(folder.path());
    let mut sidecar = server.attach("shop", "shop-1").await;
    let silent = server.open().await;
    sidecar.rules().await;
    let events = reqwest::get(format!("http://{}/events", server.http)).await.unwrap();
    assert_eq!(events.status(), 200);

    server.stop().await;

    assert_eq!(sidecar.ended().await.code(), Code::Unavailable);
    drop((silent, events));
    let again = TestControlPlane::start(folder.path());
    assert_eq!(again.get("/api/v1/rules").await["rules"], json!([]), "the store was let go");
    again.stop().await;
}
