//! Checks which origin a request comes from, as browsers report it: Fetch Metadata, `Origin` and `Host`.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use decorators::provider_url::is_loopback_name;

use crate::public_url::PublicUrl;

/// Whether the request names this machine, or the public URL. A hostile page can make its own name resolve to this
/// machine (DNS rebinding), but the browser then sends that name.
pub(super) fn names_us(headers: &HeaderMap, public_url: Option<&PublicUrl>) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok()) else {
        return false;
    };
    is_loopback_name(host.host()) || public_url.is_some_and(|url| url.is_named_by(&host))
}

/// Whether a page of another origin requests anything but a page.
///
/// Another site may link to a page. A frame, an image, a script or a stream of another site, or of another port of this
/// host (`same-site`), is refused: each response has a cost, and the number of taps is limited.
pub(super) fn is_foreign(method: &Method, headers: &HeaderMap, target: RequestKind) -> bool {
    let is = |name: &str, word: &[u8]| headers.get(name).is_some_and(|value| value.as_bytes() == word);
    let is_elsewhere = is("sec-fetch-site", b"cross-site") || is("sec-fetch-site", b"same-site");
    let is_visit = *method == Method::GET && is("sec-fetch-mode", b"navigate") && is("sec-fetch-dest", b"document");
    is_elsewhere && !(is_visit && target == RequestKind::Page)
}

/// The kind of resource that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// An HTML page.
    Page,
    /// Data for a script, a file or a stream.
    Other,
}

/// Whether a change comes from a page of the dashboard, or from no page.
///
/// `Sec-Fetch-Site` compares addresses as the browser sees them, so it is right even if a proxy rewrites `Host`.
/// Browsers send it over TLS and to this machine. Otherwise `Origin` is compared with `Host` and with the public URL.
pub(super) fn is_ours(headers: &HeaderMap, public_url: Option<&PublicUrl>) -> bool {
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), _, _) => matches!(site, b"same-origin" | b"none"),
        (None, None, _) => true,
        (None, Some(origin), host) => {
            let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            let is_host = authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host));
            is_host || public_url.is_some_and(|url| url.origin().as_bytes() == origin)
        }
    }
}
