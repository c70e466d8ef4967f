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

    /// The values of a cookie; a browser may send several. HTTP/2 may split the field (RFC 9113, section 8.2.3).
    pub(super) fn values<'a>(self, cookie: Cookie, request: &Request<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = self.name(cookie);
        let values = pairs(request).filter_map(move |pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        values.filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Removes both cookies from what the service gets: they are none of its business. The others stay as they are if they are UTF-8.
    pub(super) fn strip(self, request: &mut Request<'_>) {
        let names = [Cookie::Session, Cookie::Flow].map(|cookie| format!("{}=", self.name(cookie)));
        let is_own = |pair: &&[u8]| names.iter().any(|own| pair.starts_with(own.as_bytes()));
        if !pairs(request).any(|pair| is_own(&pair)) {
            return;
        }
        // A field that the sidecar sets is text, so a value of other bytes is left out.
        let kept = pairs(request).filter(|pair| !is_own(pair)).filter_map(|pair| std::str::from_utf8(pair).ok());
        let kept = kept.collect::<Vec<_>>().join("; ");
        if kept.is_empty() { request.remove("Cookie") } else { request.set("Cookie", kept) }
    }
}

/// The pairs of all Cookie fields. Only spaces and tabs surround them: a browser lets a page set a cookie whose name begins
/// with another white space, and a reader that drops it would see the name of a cookie that no page can set.
fn pairs<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let fields = request.head().fields.iter().filter(|field| field.name.eq_ignore_ascii_case("cookie"));
    fields.flat_map(|field| field.value.split(|byte| *byte == b';')).map(|pair| {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let begin = pair.iter().position(|byte| !is_blank(byte)).unwrap_or(pair.len());
        let end = pair.iter().rposition(|byte| !is_blank(byte)).map_or(begin, |last| last + 1);
        &pair[begin..end]
    })
}
