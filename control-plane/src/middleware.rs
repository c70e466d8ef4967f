//! The middleware of the HTTP port, in one place: every request and every response passes it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::access::guard;
use crate::access::policy::Access;
use crate::api::problem::ProblemResponse;
use crate::dashboard::assets;
use crate::public_url::PublicUrl;

/// The default content security policy: no script, no frame, nothing loaded.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Wraps all routes in the access check and in the common middleware.
pub fn around(routes: Router, access: Arc<Access>, public_url: Option<PublicUrl>) -> Router {
    let routes = guard(access, routes)
        // Text shrinks to a tenth. Event streams are excluded by their type: each event must be sent at once.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn(with_one_host))
        .layer(middleware::from_fn(with_headers));
    let Some(public_url) = public_url else { return routes };
    // The router matches the path before its own layers run, so this layer wraps the router.
    let shorten = move |request: Request| below(&public_url, request);
    Router::new().fallback_service(ServiceBuilder::new().layer(MapRequestLayer::new(shorten)).service(routes))
}

/// Removes the path of the public URL, if the proxy has kept it.
fn below(public_url: &PublicUrl, mut request: Request) -> Request {
    let Some(rest) = public_url.below(request.uri().path()) else { return request };
    let target = match request.uri().query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    if let Ok(target) = PathAndQuery::try_from(target) {
        parts.path_and_query = Some(target);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Refuses a request with no host, or two: a proxy and the guard might use different ones (RFC 9112, section 3.2).
async fn with_one_host(request: Request, next: Next) -> Response {
    if names_one_host(request.version(), request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let detail = "the request must name one host, in one Host header that agrees with its target";
    ProblemResponse::new(StatusCode::BAD_REQUEST, "host-header", "Not one host", detail).into_response()
}

fn names_one_host(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    match (first, second, uri.authority()) {
        (_, Some(_), _) => false,
        (None, None, _) => version < Version::HTTP_11,
        (Some(host), None, Some(authority)) => host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()),
        (Some(_), None, None) => true,
    }
}

/// Adds the security headers of every response; a policy that a route has set stays.
async fn with_headers(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_file = path.starts_with(assets::FOLDER) || path == assets::ICON;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // With `no-referrer` a browser would hide the origin of the dashboard's own forms too, and they would be refused as
    // another site's (Fetch, "append a request `Origin` header"). Other sites get no referrer this way either.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if !(is_file && headers.contains_key(header::CACHE_CONTROL)) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests;
