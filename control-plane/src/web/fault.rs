//! What a request that no handler could read gets: a page for people, where the framework would send bare text.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::page::Problem;

/// What is read of the framework's words; they are one sentence.
const WORDS_BYTES_MAX: usize = 1024;

/// Addresses whose answers only scripts and browsers read.
const FOR_PROGRAMS: [&str; 3] = ["/events", "/tap/events", "/static/"];

/// Replaces bare text by a page, and redirects from an address with a slash too many to the one without it.
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

/// Whether an answer has no form of its own.
fn is_bare(response: &Response) -> bool {
    let is_page = response.extensions().get::<Problem>().is_some();
    !is_page && response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// The page that says the same.
async fn page(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let words = to_bytes(body, WORDS_BYTES_MAX).await.unwrap_or_default();
    let words = match String::from_utf8_lossy(&words).trim() {
        "" => "This address does not take that kind of request. Begin at the overview.".to_owned(),
        words => format!("{}. Correct the address, or begin at the overview.", words.trim_end_matches('.')),
    };
    let mut page = Problem::unreadable_request(parts.status, words).into_response();
    if let Some(allowed) = parts.headers.remove(ALLOW) {
        page.headers_mut().insert(ALLOW, allowed);
    }
    page
}

/// The same address without its last slash, relative to it, so that it holds under any path of a proxy.
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
