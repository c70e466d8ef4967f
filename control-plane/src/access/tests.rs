//! Tests of which requests the access check allows, and which it refuses.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};

use crate::access::accounts::fingerprint;
use crate::access::policy::{Access, AccessOptions};
use crate::access::sender::{is_ours, names_us};
use crate::access::sessions::Sessions;
use crate::access::sessions::owner::SessionOwner;
use crate::clock;
use crate::public_url::PublicUrl;
use crate::token::SecretToken;

const OURS: &str = "127.0.0.1:8090";

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let name = |name: &'static str| name.parse::<header::HeaderName>().unwrap();
    pairs.iter().map(|(key, value)| (name(key), header::HeaderValue::from_static(value))).collect()
}

fn public(url: &str) -> PublicUrl {
    url.parse().unwrap()
}

fn access(token: Option<&str>, public_url: Option<PublicUrl>) -> Arc<Access> {
    let options = AccessOptions { token: token.and_then(SecretToken::new), public_url, ..AccessOptions::default() };
    Access::new(options, Sessions::in_folder(tempfile::tempdir().unwrap().path(), 0))
}

fn request(method: Method, path: &str, pairs: &[(&'static str, &'static str)]) -> Request {
    let mut request = Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
    *request.headers_mut() = headers(pairs);
    request
}

fn status(access: &Access, method: Method, path: &str, pairs: &[(&'static str, &'static str)]) -> u16 {
    access.check(&request(method, path, pairs)).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
}

#[test]
fn only_names_of_this_machine_are_names_of_this_machine() {
    for host in ["localhost", "LocalHost:8090", "127.0.0.1:1", "127.9.9.9", "[::1]:8090", "sitio.localhost:8090"] {
        assert!(names_us(&headers(&[("host", host)]), None), "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "evillocalhost", "[::2]", "a b"]
    {
        assert!(!names_us(&headers(&[("host", host)]), None), "{host}");
        assert!(!names_us(&headers(&[("host", host)]), Some(&public("https://mesh.example"))), "{host}");
    }
    assert!(!names_us(&HeaderMap::new(), None));
    assert!(names_us(&headers(&[("host", "mesh.example")]), Some(&public("https://mesh.example:8443/sitio"))));
}

#[test]
fn another_site_may_lead_to_a_page_and_gets_nothing_else() {
    let access = access(None, None);
    for site in ["cross-site", "same-site"] {
        let asks = |path: &str, mode, dest| {
            let pairs = [("host", OURS), ("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
            status(&access, Method::GET, path, &pairs)
        };
        for path in ["/", "/pods", "/map?window=1h", "/audit", "/tap", "/endpoints/e1", "/endpoints/e1/pin"] {
            assert_eq!(asks(path, "navigate", "document"), 200, "{path}");
            for (mode, dest) in
                [("navigate", "iframe"), ("navigate", "object"), ("navigate", "embed"), ("no-cors", "image"), ("cors", "empty")]
            {
                assert_eq!(asks(path, mode, dest), 403, "{path} as {dest}");
            }
        }
        for path in [
            "/api/v1/tap",
            "/api/v1/endpoints",
            "/events",
            "/tap/events",
            "/metrics",
            "/pods.csv",
            "/endpoints/e1/csv/steps.csv",
            "/endpoints/e1/impact",
            "/endpoints/e1/requests",
            "/rules/r1/progress",
        ] {
            assert_eq!(asks(path, "navigate", "document"), 403, "{path}");
            assert_eq!(asks(path, "cors", "empty"), 403, "{path}");
        }
    }
    let own = [("host", OURS), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    assert_eq!(status(&access, Method::GET, "/events", &own), 200);
    assert_eq!(status(&access, Method::GET, "/events", &[("host", OURS)]), 200, "a client that is no browser says nothing");
}

#[test]
fn a_change_must_come_from_our_own_pages_or_from_no_page() {
    let host = ("host", OURS);
    for ours in [
        vec![host],
        vec![host, ("origin", "http://127.0.0.1:8090")],
        vec![host, ("origin", "https://127.0.0.1:8090"), ("sec-fetch-site", "same-origin")],
        vec![host, ("sec-fetch-site", "none")],
    ] {
        assert!(is_ours(&headers(&ours), None), "{ours:?}");
    }
    for foreign in [
        vec![host, ("origin", "http://127.0.0.1:8091")],
        vec![host, ("origin", "null")],
        vec![host, ("origin", "http://evil.example")],
        vec![host, ("sec-fetch-site", "same-site")],
        vec![host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8090")],
        vec![("origin", "http://127.0.0.1:8090")],
    ] {
        assert!(!is_ours(&headers(&foreign), None), "{foreign:?}");
        assert!(!is_ours(&headers(&foreign), Some(&public("https://mesh.example"))), "{foreign:?}");
    }
}

#[test]
fn behind_a_proxy_that_drops_the_port_our_own_pages_may_change_something() {
    // What nginx forwards with `proxy_set_header Host $host`, and with its default, while it listens on port 8443.
    for host in ["mesh.example", "127.0.0.1:8090"] {
        let by_metadata = [("host", host), ("origin", "https://mesh.example:8443"), ("sec-fetch-site", "same-origin")];
        assert!(is_ours(&headers(&by_metadata), None), "browsers say it where they speak TLS");
        let by_origin = [("host", host), ("origin", "http://mesh.example:8443")];
        assert!(!is_ours(&headers(&by_origin), None), "nothing says that this is our port");
        assert!(is_ours(&headers(&by_origin), Some(&public("http://mesh.example:8443/sitio"))));
        assert!(!is_ours(&headers(&by_origin), Some(&public("https://mesh.example:8443"))), "another scheme is another origin");
    }
}

#[test]
fn before_sign_in_nothing_is_open_but_probes_files_and_the_sign_in_page() {
    let access = access(Some("a-token-of-a-decent-length"), None);
    for path in ["/livez", "/readyz", "/favicon.svg", "/static/sitio.css", "/sign-in"] {
        assert_eq!(status(&access, Method::GET, path, &[("host", "any.example")]), 200, "{path}");
    }
    for path in ["/", "/nowhere", "/static", "/livez/x", "/api/v1/about", "/metrics", "/events", "/sign-in/x"] {
        assert_eq!(status(&access, Method::GET, path, &[("host", "any.example")]), 401, "{path}");
        let right = [("host", "any.example"), ("authorization", "Bearer a-token-of-a-decent-length")];
        assert_eq!(status(&access, Method::GET, path, &right), 200, "{path}");
    }
}

#[tokio::test]
async fn guesses_are_limited_and_a_session_is_not() {
    let access = access(Some("a-token-of-a-decent-length"), None);
    let guesses = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"].map(|guess| format!("Bearer {guess}"));
    let statuses: Vec<u16> = guesses
        .iter()
        .map(|guess| {
            let mut request = request(Method::GET, "/api/v1/pods", &[("host", OURS)]);
            request.headers_mut().insert(header::AUTHORIZATION, guess.parse().unwrap());
            access.check(&request).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
        })
        .collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401, 429, 429]);

    let credential = fingerprint("a-token-of-a-decent-length");
    let session = access.sessions.open(SessionOwner::Token { credential }, clock::now_ms() / 1000).await;
    let mut signed_in = request(Method::GET, "/api/v1/pods", &[("host", OURS)]);
    signed_in.headers_mut().insert(header::COOKIE, format!("sitio_session={session}").parse().unwrap());
    assert!(access.check(&signed_in).is_ok());
}
