//! Tests of the middleware that every request and every response passes.

use std::io::Read;

use axum::body::{Body, to_bytes};
use axum::http::Method;
use axum::routing::get;
use tower::Service;

use crate::access::policy::AccessOptions;
use crate::access::sessions::Sessions;
use crate::middleware::*;
use crate::token::SecretToken;

const TOKEN: &str = "a-token-of-a-decent-length";

fn port(token: Option<&str>, public_url: Option<&str>) -> Router {
    let public_url: Option<PublicUrl> = public_url.map(|url| url.parse().unwrap());
    let long = || async { "a line of text that says the same again and again\n".repeat(1000) };
    let routes = Router::new()
        .route("/metrics", get(long))
        .route("/page", get(move || async move { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], long().await) }))
        .route("/json", get(move || async move { ([(header::CONTENT_TYPE, "application/json")], long().await) }))
        .route("/csv", get(move || async move { ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], long().await) }))
        .route("/static/sitio.css", get(|| async { ([(header::CACHE_CONTROL, "public, max-age=31536000")], "b{}") }))
        .route("/tap/events", get(|| async { ([(header::CONTENT_TYPE, "text/event-stream")], ":\n\n".repeat(1000)) }));
    let token = token.and_then(SecretToken::new);
    let options = AccessOptions { token, public_url: public_url.clone(), ..AccessOptions::default() };
    let access = Access::new(options, Sessions::in_folder(tempfile::tempdir().unwrap().path(), 0));
    around(routes, access, public_url)
}

async fn ask(port: &mut Router, method: Method, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    port.call(request).await.unwrap()
}

const HERE: (&str, &str) = ("host", "127.0.0.1:8090");

#[tokio::test]
async fn every_answer_forbids_sniffing_framing_and_keeping() {
    let mut port = port(Some(TOKEN), None);
    let right = ("authorization", "Bearer a-token-of-a-decent-length");
    for (method, path, fields, status) in [
        (Method::GET, "/metrics", vec![HERE, right], 200),
        (Method::GET, "/metrics", vec![HERE], 401),
        (Method::GET, "/metrics", vec![HERE, ("accept", "text/html")], 303),
        (Method::GET, "/nowhere", vec![HERE, right], 404),
        (Method::POST, "/metrics", vec![HERE, right], 405),
        (Method::POST, "/metrics", vec![HERE, right, ("origin", "http://evil.example")], 403),
        (Method::GET, "/metrics", vec![HERE, HERE], 400),
        (Method::GET, "/sign-in", vec![HERE], 200),
        (Method::GET, "/static/sitio.css", vec![HERE], 200),
    ] {
        let answer = ask(&mut port, method, path, &fields).await;
        assert_eq!(answer.status().as_u16(), status, "{path} {fields:?}");
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path} {status}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path} {status}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path} {status}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path} {status}: {policy}");
        let cache = if path.starts_with("/static/") { "public, max-age=31536000" } else { "no-store" };
        assert_eq!(headers["cache-control"], cache, "{path} {status}");
    }
}

#[tokio::test]
async fn a_request_that_names_two_hosts_or_none_is_refused() {
    let mut port = port(None, None);
    for fields in [vec![HERE, HERE], vec![HERE, ("host", "evil.example")], vec![]] {
        assert_eq!(ask(&mut port, Method::GET, "/metrics", &fields).await.status(), 400, "{fields:?}");
    }
    assert_eq!(ask(&mut port, Method::GET, "http://evil.example/metrics", &[HERE]).await.status(), 400);
    assert_eq!(ask(&mut port, Method::GET, "http://127.0.0.1:8090/metrics", &[HERE]).await.status(), 200);
}

#[tokio::test]
async fn text_is_compressed_for_those_that_ask_and_streams_of_events_are_not() {
    let mut port = port(None, None);
    let zipped = ("accept-encoding", "gzip, deflate, br");
    for path in ["/metrics", "/page", "/json", "/csv"] {
        let plain = ask(&mut port, Method::GET, path, &[HERE]).await;
        assert!(!plain.headers().contains_key("content-encoding"), "{path}");
        let plain = to_bytes(plain.into_body(), 1 << 20).await.unwrap();
        let answer = ask(&mut port, Method::GET, path, &[HERE, zipped]).await;
        assert_eq!(answer.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(answer.headers()["vary"], "accept-encoding", "{path}");
        let packed = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        assert!(packed.len() < plain.len() / 10, "{path}: {} of {}", packed.len(), plain.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain, "{path}");
    }

    let events = ask(&mut port, Method::GET, "/tap/events", &[HERE, zipped]).await;
    assert!(!events.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_refusal_is_a_page_for_people_and_json_for_programs() {
    let mut port = port(Some(TOKEN), None);
    let foreign = ("origin", "http://evil.example");
    let page = ask(&mut port, Method::POST, "/sign-in", &[HERE, foreign, ("accept", "text/html")]).await;
    assert_eq!(page.status().as_u16(), 403);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let html = String::from_utf8(to_bytes(page.into_body(), 1 << 20).await.unwrap().into()).unwrap();
    assert!(html.contains("SITIO_PUBLIC_URL") && html.contains("href=\"./\"") && !html.contains("=\"/"), "{html}");
    let json = ask(&mut port, Method::POST, "/sign-in", &[HERE, foreign]).await;
    assert_eq!(json.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn below_a_path_the_proxy_may_leave_the_path_on_or_take_it_off() {
    let mut port = port(Some(TOKEN), Some("https://tools.example/sitio"));
    for (path, leads) in [("/sitio/pods?a=1", "./sign-in?next=/pods%3Fa%3D1"), ("/endpoints/e1", "../sign-in?next=/endpoints/e1")]
    {
        let sent = ask(&mut port, Method::GET, path, &[("host", "tools.example"), ("accept", "text/html")]).await;
        assert_eq!(sent.headers()["location"], leads, "{path}");
    }
}

#[tokio::test]
async fn behind_tls_the_cookie_never_travels_in_the_open() {
    for (public_url, is_secure) in [(None, false), (Some("http://mesh.example"), false), (Some("https://mesh.example"), true)] {
        let mut port = port(Some(TOKEN), public_url);
        let mut request = Request::post("/sign-in").body(Body::from(format!("token={TOKEN}&next=/pods"))).unwrap();
        // Any client can send the last header.
        let form = "application/x-www-form-urlencoded";
        for (name, value) in [HERE, ("content-type", form), ("x-forwarded-proto", "https")] {
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let answer = port.call(request).await.unwrap();
        assert_eq!(answer.headers()["location"], "./pods");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert_eq!(cookie.ends_with("; Secure"), is_secure, "{public_url:?}: {cookie}");
        let prefix = if is_secure { "__Host-sitio_session=" } else { "sitio_session=" };
        assert!(cookie.starts_with(prefix) && cookie.contains("HttpOnly") && !cookie.contains(TOKEN), "{cookie}");
    }
}
