//! Middleware that replaces the framework's plain error texts by an error page.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::dashboard::page::PageError;

/// Maximum bytes read of the framework's text; it is one sentence.
const WORDS_BYTES_MAX: usize = 1024;

/// Paths whose responses only scripts and browsers read.
const FOR_PROGRAMS: [&str; 3] = ["/events", "/tap/events", "/static/"];

/// Replaces plain error texts by a page, and redirects to addresses without trailing slash.
pub async fn explain(request: Request, next: Next) -> Response {
    let address = request.uri().clone();
    let response = next.run(request).await;
    if FOR_PROGRAMS.iter().any(|path| address.path().starts_with(path)) {
        return response;
    }
    match without_slash(&address) {
        Some(place) if response.status() == StatusCode::NOT_FOUND => {
            (StatusCode::PERMANENT_REDIRECT, [(LOCATION, place)]).into_response()
        }
        _ if response.status().is_client_error() && is_bare(&response) => page(response).await,
        _ => response,
    }
}

/// Whether a response has no format of its own.
fn is_bare(response: &Response) -> bool {
    let is_page = response.extensions().get::<PageError>().is_some();
    !is_page && response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// An error page with the same text.
async fn page(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let words = to_bytes(body, WORDS_BYTES_MAX).await.unwrap_or_default();
    let words = match String::from_utf8_lossy(&words).trim() {
        "" => "This address does not support that method. Start at the overview.".to_owned(),
        words => format!("{}. Correct the address, or start at the overview.", words.trim_end_matches('.')),
    };
    let mut page = PageError::unreadable_request(parts.status, words).into_response();
    if let Some(allowed) = parts.headers.remove(ALLOW) {
        page.headers_mut().insert(ALLOW, allowed);
    }
    page
}

/// The address without its trailing slash, relative, so that it works under any proxy path.
fn without_slash(address: &Uri) -> Option<HeaderValue> {
    let last = address.path().strip_suffix('/')?.rsplit('/').next().filter(|last| !last.is_empty())?;
    let query = address.query().map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::from_str(&format!("../{last}{query}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_slash_is_dropped_and_no_other_host_is_named() {
        let without = |address: &str| without_slash(&address.parse().unwrap()).map(|place| place.to_str().unwrap().to_owned());
        assert_eq!(without("/pods/").as_deref(), Some("../pods"));
        assert_eq!(without("/endpoints/e1/?window=1h").as_deref(), Some("../e1?window=1h"));
        assert_eq!(without("//evil.example/").as_deref(), Some("../evil.example"));
        assert_eq!((without("/"), without("/pods"), without("/pods//")), (None, None, None));
    }
}
