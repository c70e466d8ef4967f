//! The URL at which users reach the dashboard behind a proxy.

use std::str::FromStr;

use axum::http::uri::{Authority, Uri};
use decorators::provider_url::is_loopback_name;

/// A public URL: scheme, host, perhaps a port, and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: Scheme,
    /// Host and port as browsers write them: without the port that the scheme implies.
    authority: Authority,
    /// Empty, or segments that each begin with a slash, without a slash at the end.
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl PublicUrl {
    /// Whether browsers use TLS to the proxy.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        is_loopback_name(self.authority.host())
    }

    /// Whether a `Host` header matches it, with or without a port: proxies often drop the port.
    pub fn is_named_by(&self, host: &Authority) -> bool {
        self.authority.host().eq_ignore_ascii_case(host.host())
    }

    /// The origin as browsers send it (RFC 6454, section 6.2).
    pub fn origin(&self) -> String {
        let scheme = if self.is_https() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// The origin and the path, without a slash at the end.
    pub fn address(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// The path: empty, or without a slash at the end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The part of a path below this URL's path; `None` if it is not below it.
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.path).filter(|_| !self.path.is_empty())?;
        match rest {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it must be a URL such as https://mesh.example or https://tools.example/sitio".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let path = uri.path().trim_end_matches('/');
        if uri.query().is_some() || text.contains('#') || path.contains("//") {
            return Err(wrong());
        }
        let implied = if scheme == Scheme::Https { 443 } else { 80 };
        let host = authority.host().to_ascii_lowercase();
        let shown = match authority.port_u16() {
            Some(port) if port != implied => format!("{host}:{port}"),
            _ => host,
        };
        Ok(Self { scheme, authority: shown.parse().map_err(|_| wrong())?, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_as_browsers_write_it() {
        for (text, origin, address) in [
            ("https://Mesh.example", "https://mesh.example", "https://mesh.example"),
            ("https://mesh.example:443/", "https://mesh.example", "https://mesh.example"),
            ("http://mesh.example:8080/sitio/", "http://mesh.example:8080", "http://mesh.example:8080/sitio"),
            ("https://[::1]:8443/a/b", "https://[::1]:8443", "https://[::1]:8443/a/b"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.origin().as_str(), url.address().as_str()), (origin, address));
        }
        for text in
            ["", "mesh.example", "/sitio", "ftp://a", "https://", "https://a@b", "https://a/?b", "https://a/#b", "https://a//b"]
        {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_taken_off_where_the_proxy_leaves_it_on() {
        let url: PublicUrl = "https://mesh.example/sitio".parse().unwrap();
        for (path, rest) in
            [("/sitio", Some("/")), ("/sitio/", Some("/")), ("/sitio/pods", Some("/pods")), ("/sitios", None), ("/pods", None)]
        {
            assert_eq!(url.below(path), rest, "{path}");
        }
        let at_the_root: PublicUrl = "https://mesh.example".parse().unwrap();
        assert_eq!(at_the_root.below("/pods"), None);
    }
}
