//! Finds the proxy of a request from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, by the rules of `curl`.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

/// The address of the proxy for `url`, without user and password; `None` if there is none.
///
/// The HTTP client uses the same rules. A proxy is never used for this machine.
pub(crate) fn proxy_for(url: &Url) -> Option<String> {
    if is_this_machine(url) {
        return None;
    }
    address(&Matcher::from_system(), url)
}

/// Whether the URL is on this machine, which no proxy can reach for us.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn address(matcher: &Matcher, url: &Url) -> Option<String> {
    let proxy = matcher.intercept(&url.as_str().parse::<Uri>().ok()?)?;
    let (uri, host) = (proxy.uri(), proxy.uri().host()?);
    let scheme = uri.scheme_str().unwrap_or("http");
    Some(uri.port_u16().map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_knows_this_machine() {
        for (url, expected) in [
            ("http://127.0.0.1:1/", true),
            ("http://[::1]:1/", true),
            ("http://localhost/", true),
            ("http://mesh.localhost/", true),
            ("http://mesh.example/", false),
        ] {
            assert_eq!(is_this_machine(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let matcher = Matcher::builder().https("http://me:secret@proxy.example:3128").no("direct.example").build();
        let through = |url: &str| address(&matcher, &Url::parse(url).unwrap());
        assert_eq!(through("https://mesh.example/").as_deref(), Some("http://proxy.example:3128"));
        assert_eq!(through("https://direct.example/"), None);
        assert_eq!(through("http://mesh.example/"), None, "it is for https alone");
    }
}
