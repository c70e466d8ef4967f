//! What a request asks of `login`: one of its own addresses, or the service.

use decorators::login::LOGIN_PREFIX;

use crate::decorator::request::Request;

/// Bytes of the address to return to. A longer one is left out: cookies have room for 4 KiB.
const NEXT_BYTES_MAX: usize = 1024;

/// Bytes of a code or a state. Those of providers have a few hundred.
const PARAMETER_BYTES_MAX: usize = 2048;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Something of the service.
    Service,
    /// To sign in, and then to return.
    Begin { next: String },
    /// The provider leads back. Without a code, it has not signed the user in.
    Callback { code: String, state: String },
    /// To sign out.
    SignOut,
    /// The provider leads back after the sign-out.
    SignedOut,
    /// An address that is reserved, and that is none.
    Nothing,
}

impl Asked {
    /// What this request asks for.
    pub(super) fn from_request(request: &Request<'_>) -> Self {
        let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
        let Some(own) = path.strip_prefix(LOGIN_PREFIX) else { return Self::Service };
        match (own, request.method()) {
            ("start", "GET") => Self::Begin { next: parameter(query, "next") },
            ("callback", "GET") => Self::Callback { code: parameter(query, "code"), state: parameter(query, "state") },
            // A page of another site could otherwise end sessions by an image.
            ("sign-out", "GET" | "POST") if !is_from_another_site(request) => Self::SignOut,
            ("signed-out", "GET") => Self::SignedOut,
            _ => Self::Nothing,
        }
    }
}

/// Whether a browser asks for a page, which may be a redirect. Scripts, images and sockets get 401: a redirect to another site
/// would be of no use to them.
pub(super) fn is_navigation(request: &Request<'_>) -> bool {
    let is_read = matches!(request.method(), "GET" | "HEAD");
    let is_socket = request.field("upgrade").is_some();
    let is_script = request.field("x-requested-with").is_some();
    match request.field("sec-fetch-mode") {
        Some(mode) => is_read && !is_socket && mode == b"navigate",
        None => is_read && !is_socket && !is_script && request.head().connectivity.accepts_html,
    }
}

fn is_from_another_site(request: &Request<'_>) -> bool {
    request.field("sec-fetch-site").is_some_and(|site| site == b"cross-site" || site == b"same-site")
}

/// The path of this service to return to: nothing that a browser reads as the address of another host.
pub(super) fn own_path(next: &str) -> String {
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_own = next.starts_with('/') && !next.starts_with("//") && !next.starts_with(LOGIN_PREFIX);
    if is_plain && is_own && next.len() <= NEXT_BYTES_MAX { next.to_owned() } else { "/".to_owned() }
}

/// The decoded value of a parameter of a query; empty if it is absent, repeated, or too long.
fn parameter(query: &str, name: &str) -> String {
    let mut values = query.split('&').filter_map(|pair| pair.split_once('=').filter(|(found, _)| *found == name));
    match (values.next(), values.next()) {
        (Some((_, value)), None) if value.len() <= PARAMETER_BYTES_MAX => decoded(value),
        _ => String::new(),
    }
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let digits = rest.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = if code.is_some() { &rest[3..] } else { after };
        bytes.push(code.unwrap_or(if *byte == b'+' { b' ' } else { *byte }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_no_other_host() {
        for own in ["/", "/orders?page=2&a=b", "/a//b", "/%2f%2fevil.example"] {
            assert_eq!(own_path(own), own);
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "orders",
            "/a\r\nSet-Cookie: a=b",
            "/ü",
            "/.sitio/login/sign-out",
        ] {
            assert_eq!(own_path(other), "/", "{other}");
        }
        assert_eq!(own_path(&"/a".repeat(NEXT_BYTES_MAX)), "/");
    }

    #[test]
    fn parameters_are_decoded_once_and_a_repeated_one_is_none() {
        assert_eq!(parameter("state=a%2Bb+c&code=x%zz%", "state"), "a+b c");
        assert_eq!(parameter("state=a%2Bb+c&code=x%zz%", "code"), "x%zz%");
        assert_eq!(parameter("code=a&code=b", "code"), "");
        assert_eq!(parameter("xcode=a", "code"), "");
        assert_eq!(parameter(&format!("code={}", "a".repeat(PARAMETER_BYTES_MAX + 1)), "code"), "");
    }
}
