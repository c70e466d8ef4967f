//! Proofs of who is let in, and who is turned away.

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), HeaderValue::from_static(value))).collect()
}

#[test]
fn only_names_of_this_machine_are_names_of_this_machine() {
    for host in ["localhost", "LocalHost:8090", "127.0.0.1:1", "127.9.9.9", "[::1]:8090", "sitio.localhost:8090"] {
        assert!(is_loopback_name(&headers(&[("host", host)])), "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "evillocalhost", "[::2]", "a b"]
    {
        assert!(!is_loopback_name(&headers(&[("host", host)])), "{host}");
    }
    assert!(!is_loopback_name(&HeaderMap::new()));
}

#[test]
fn a_page_of_another_site_may_lead_here_and_no_more() {
    let cross = ("sec-fetch-site", "cross-site");
    assert!(!is_fetched_elsewhere(&headers(&[cross, ("sec-fetch-mode", "navigate")])));
    assert!(!is_fetched_elsewhere(&headers(&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")])));
    assert!(!is_fetched_elsewhere(&HeaderMap::new()));
    for mode in ["no-cors", "cors", "websocket"] {
        assert!(is_fetched_elsewhere(&headers(&[cross, ("sec-fetch-mode", mode)])), "{mode}");
    }
}

#[test]
fn a_change_must_come_from_our_own_pages_or_from_no_page() {
    let host = ("host", "127.0.0.1:8090");
    for ours in [
        vec![host],
        vec![host, ("origin", "http://127.0.0.1:8090")],
        vec![host, ("origin", "https://127.0.0.1:8090"), ("sec-fetch-site", "same-origin")],
        vec![host, ("sec-fetch-site", "none")],
    ] {
        assert!(is_same_origin(&headers(&ours)), "{ours:?}");
    }
    for foreign in [
        vec![host, ("origin", "http://127.0.0.1:8091")],
        vec![host, ("origin", "null")],
        vec![host, ("origin", "http://evil.example")],
        vec![host, ("sec-fetch-site", "same-site")],
        vec![host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8090")],
        vec![("origin", "http://127.0.0.1:8090")],
    ] {
        assert!(!is_same_origin(&headers(&foreign)), "{foreign:?}");
    }
}
