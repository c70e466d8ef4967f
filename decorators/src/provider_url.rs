//! The address of an OpenID provider: TLS, unless it is on this machine.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use serde::{Deserialize, Serialize};

/// Bytes of an address.
const URL_BYTES_MAX: usize = 2048;

/// The issuer of an OpenID provider (OpenID Connect Discovery 1.0, section 3): an address without a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderUrl(String);

impl ProviderUrl {
    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks an address that a provider publishes or that is configured: sign-ins and keys depend on what answers there. So it
    /// begins with `https://`, or with `http://` and a name of this machine.
    pub fn check(text: &str) -> Result<(), String> {
        let wrong = |why: &str| format!("{text:?} is no address of an OpenID provider: {why}");
        // Two readers of an address must not see different hosts.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#\"<>".contains(&byte));
        if text.len() > URL_BYTES_MAX || !is_plain {
            return Err(wrong("it is too long, or has characters that no address has"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("write, for example, https://keycloak.example/realms/shop"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("write, for example, https://keycloak.example/realms/shop"));
        };
        if authority.as_str().contains('@') {
            return Err(wrong("it has a user or a password"));
        }
        match scheme {
            "https" => Ok(()),
            "http" if is_loopback_name(authority.host()) => Ok(()),
            _ => Err(wrong("it must begin with https://, because sign-ins depend on it; http:// is only for this machine")),
        }
    }
}

/// Whether a host name can only mean this machine.
pub fn is_loopback_name(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    is_local || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl TryFrom<String> for ProviderUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::check(&text)?;
        if text.contains('?') {
            return Err(format!("{text:?} is no issuer: it has a query"));
        }
        Ok(Self(text))
    }
}

impl From<ProviderUrl> for String {
    fn from(url: ProviderUrl) -> Self {
        url.0
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_reached_by_tls_unless_it_is_on_this_machine() {
        for url in ["https://sso.example/realms/main", "http://127.0.0.1:9000", "http://localhost/x", "http://[::1]:80/"] {
            assert!(ProviderUrl::try_from(url.to_owned()).is_ok(), "{url}");
        }
        for url in [
            "http://sso.example",
            "http://169.254.169.254/latest/meta-data",
            "ftp://sso.example",
            "file:///etc/passwd",
            "sso.example",
            "",
            "https://a@b/",
            "http://127.0.0.1\\@sso.example/",
            "http://127.0.0.1@sso.example/",
            "http://127.0.0.1.sso.example/",
            "https://sso.example/?a=b",
            "https://sso.example/#a",
            "https://sso.example/\r\nHost: x",
        ] {
            assert!(ProviderUrl::try_from(url.to_owned()).is_err(), "{url}");
        }
        assert!(ProviderUrl::check("https://sso.example/keys?client=a").is_ok(), "a published address may have a query");
    }
}
