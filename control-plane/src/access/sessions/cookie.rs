//! The cookies of the sign-in: their names and attributes, with and without TLS, at the root and below a path.

use std::time::Duration;

use axum::http::HeaderMap;

use crate::http;
use crate::public_url::PublicUrl;

/// The cookie with the id of a session.
const SESSION_COOKIE: &str = "sitio_session";

/// Where browsers reach the dashboard, which decides how its cookies look.
#[derive(Debug, Clone, Copy)]
pub struct Cookies<'a>(pub Option<&'a PublicUrl>);

impl Cookies<'_> {
    /// The session that a request presents.
    pub fn session(self, headers: &HeaderMap) -> Option<&str> {
        self.value(SESSION_COOKIE, headers)
    }

    /// The value of a cookie that [`set`](Self::set) has set.
    pub fn value<'h>(self, name: &str, headers: &'h HeaderMap) -> Option<&'h str> {
        http::cookie(headers, &self.name(name))
    }

    /// A `Set-Cookie` with the id of a session.
    pub fn set_session(self, id: &str, lasts: Duration) -> String {
        self.set(SESSION_COOKIE, id, lasts)
    }

    /// A `Set-Cookie` that removes the session.
    pub fn clear_session(self) -> String {
        self.set(SESSION_COOKIE, "", Duration::ZERO)
    }

    /// A `Set-Cookie` that no script can read. With `Lax` a link in a chat opens the page that it names, and a provider
    /// can lead back; changes are guarded by their origin.
    pub fn set(self, name: &str, value: &str, lasts: Duration) -> String {
        let (name, lasts) = (self.name(name), lasts.as_secs());
        // Without a known URL, the cookie applies below the directory of the sign-in page, which a proxy may serve below
        // a path (RFC 6265, section 5.1.4).
        let path = self.0.map(|url| format!("; Path={}", path(url))).unwrap_or_default();
        // No header proves that there is TLS in front: any client can send any header.
        let secure = if self.is_secure() { "; Secure" } else { "" };
        format!("{name}={value}; HttpOnly; SameSite=Lax; Max-Age={lasts}{path}{secure}")
    }

    /// With TLS, a prefix keeps other hosts of the domain and plain HTTP from setting the cookie (RFC 6265bis, section
    /// 4.1.3). `__Host-` needs the path `/`; below a path, that would give the cookie to the neighbours of the dashboard.
    fn name(self, name: &str) -> String {
        match self.0 {
            Some(url) if url.is_https() && path(url) == "/" => format!("__Host-{name}"),
            Some(url) if url.is_https() => format!("__Secure-{name}"),
            _ => name.to_owned(),
        }
    }

    fn is_secure(self) -> bool {
        self.0.is_some_and(PublicUrl::is_https)
    }
}

fn path(url: &PublicUrl) -> String {
    format!("{}/", url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_and_the_attributes_follow_from_the_public_url() {
        let url = |text: &str| text.parse::<PublicUrl>().unwrap();
        let base = "HttpOnly; SameSite=Lax; Max-Age=60";
        for (url, expected) in [
            (None, format!("sitio_session=id; {base}")),
            (Some(url("http://mesh.example/sitio")), format!("sitio_session=id; {base}; Path=/sitio/")),
            (Some(url("https://mesh.example")), format!("__Host-sitio_session=id; {base}; Path=/; Secure")),
            (Some(url("https://mesh.example/sitio")), format!("__Secure-sitio_session=id; {base}; Path=/sitio/; Secure")),
        ] {
            let cookies = Cookies(url.as_ref());
            let cookie = cookies.set_session("id", Duration::from_secs(60));
            assert_eq!(cookie, expected);
            let mut headers = HeaderMap::new();
            headers.insert("cookie", format!("a=b; {}", cookie.split(';').next().unwrap()).parse().unwrap());
            assert_eq!(cookies.session(&headers), Some("id"));
        }
    }
}
