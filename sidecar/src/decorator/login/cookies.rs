//! The two cookies of a sign-in (RFC 6265), and what of the browser's cookies the service gets.

use std::time::Duration;

use crate::decorator::request::Request;

/// The cookie of a session, and that of a sign-in that has begun.
const NAMES: [&str; 2] = ["sitio_session", "sitio_login"];

/// Whether browsers reach the service by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// They do. Then no other host can set these cookies (`__Host-`), and they are never sent in the clear.
    Tls,
    /// They do not, as on a laptop.
    Plain,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// That of a session.
    Session,
    /// That of a sign-in.
    Flow,
}

impl Channel {
    fn name(self, cookie: Cookie) -> String {
        let name = NAMES[cookie as usize];
        if self == Self::Tls { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// A `Set-Cookie`. It is sent along when another site links to the service, and not when it posts to it.
    pub(super) fn set(self, cookie: Cookie, value: &str, age: Duration) -> String {
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        let (name, seconds) = (self.name(cookie), age.as_secs());
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The value of a cookie. HTTP/2 may split the field (RFC 9113, section 8.2.3).
    pub(super) fn value<'a>(self, cookie: Cookie, request: &Request<'a>) -> Option<&'a str> {
        let name = self.name(cookie);
        pairs(request).find_map(|pair| pair.split_once('=').filter(|(found, _)| *found == name)).map(|(_, value)| value)
    }

    /// Removes both cookies from what the service gets: they are none of its business.
    pub(super) fn strip(self, request: &mut Request<'_>) {
        let names = [Cookie::Session, Cookie::Flow].map(|cookie| self.name(cookie));
        let is_own = |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| names.iter().any(|own| own == name));
        if !pairs(request).any(|pair| is_own(&pair)) {
            return;
        }
        let kept = pairs(request).filter(|pair| !is_own(pair)).collect::<Vec<_>>().join("; ");
        if kept.is_empty() { request.remove("Cookie") } else { request.set("Cookie", kept) }
    }
}

fn pairs<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a str> {
    let fields = request.head().fields.iter().filter(|field| field.name.eq_ignore_ascii_case("cookie"));
    fields.filter_map(|field| std::str::from_utf8(field.value).ok()).flat_map(|value| value.split(';')).map(str::trim)
}
