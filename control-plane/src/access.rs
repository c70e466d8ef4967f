//! Who may do what: on loopback whoever sits at this machine, elsewhere whoever knows the token; and no page of a stranger's.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};

use crate::access::sessions::cookie;
use crate::api::problem::Problem;
use crate::clock;
use crate::token::Token;

mod sessions;
mod sign_in;

/// Where a browser is sent that has not signed in.
const SIGN_IN: &str = "/sign-in";

/// What anybody may ask for: Kubernetes cannot sign in, and the sign-in page needs its style.
const OPEN_TO_ALL: [&str; 4] = ["/livez", "/readyz", SIGN_IN, "/favicon.svg"];

/// The same for a folder.
const OPEN_FOLDER: &str = "/static/";

/// Guards every route.
#[derive(Debug)]
pub struct Access {
    token: Option<Token>,
}

impl Access {
    /// Open to this machine without a token, and to those who know it with one.
    pub fn new(token: Option<Token>) -> Arc<Self> {
        Arc::new(Self { token })
    }

    /// Puts itself before all routes, and adds the sign-in page.
    pub fn guard(self: Arc<Self>, routes: Router) -> Router {
        let routes = if self.token.is_some() { routes.merge(sign_in::routes(Arc::clone(&self))) } else { routes };
        routes.layer(middleware::from_fn_with_state(self, check))
    }
}

async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let (headers, path) = (request.headers(), request.uri().path());
    let is_open = OPEN_TO_ALL.contains(&path) || path.starts_with(OPEN_FOLDER);
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    match &access.token {
        None if !is_open && !is_loopback_name(headers) => return not_by_that_name().into_response(),
        Some(token) if !is_open && !admits(token, headers) => return sign_in_first(&request),
        _ => {}
    }
    if !only_reads && !is_same_origin(headers) {
        return not_from_there().into_response();
    }
    // A stranger's page may lead here, but not ask behind its reader's back: each answer has its cost.
    if !is_open && is_fetched_elsewhere(headers) {
        return not_from_there().into_response();
    }
    next.run(request).await
}

/// Whether whoever asks has shown the token, now or when signing in.
fn admits(token: &Token, headers: &HeaderMap) -> bool {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    authorization.is_some_and(|authorization| token.is_in(authorization))
        || cookie(headers).is_some_and(|session| sessions::is_open(token, session, clock::now_ms() / 1000))
}

/// Whether the request was meant for this machine by name. A page of a stranger's can make its own name lead here
/// (DNS rebinding), but cannot make a browser send another name than that.
fn is_loopback_name(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let Some(host) = host else { return false };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let is_local = name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    is_local || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a browser says that a page of another site asks, and not somebody who follows a link (Fetch Metadata).
fn is_fetched_elsewhere(headers: &HeaderMap) -> bool {
    let is = |name: &str, word: &[u8]| headers.get(name).is_some_and(|value| value.as_bytes() == word);
    is("sec-fetch-site", b"cross-site") && !is("sec-fetch-mode", b"navigate")
}

/// Whether a browser, if it is one, says that the request comes from our own pages (Fetch Metadata; RFC 6454, section 7).
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let site_is_ours = text("sec-fetch-site").is_none_or(|site| matches!(site, b"same-origin" | b"none"));
    let origin_is_ours = match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => false,
    };
    site_is_ours && origin_is_ours
}

fn sign_in_first(request: &Request) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    if request.method() == Method::GET && accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        return Redirect::to(&sign_in::address(request.uri())).into_response();
    }
    let detail = "send the control plane's token as Authorization: Bearer, or sign in on the dashboard";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "sign-in", "Sign in first", detail);
    ([(header::WWW_AUTHENTICATE, "Bearer realm=\"sitio\"")], problem).into_response()
}

fn not_by_that_name() -> Problem {
    let detail = "without a token, the control plane answers only to localhost and 127.0.0.1";
    Problem::new(StatusCode::FORBIDDEN, "host", "Not under that name", detail)
}

fn not_from_there() -> Problem {
    let detail = "a page of another origin has asked: ask from the dashboard's own pages, or by a script outside of browsers";
    Problem::new(StatusCode::FORBIDDEN, "origin", "Not from there", detail)
}

#[cfg(test)]
mod tests;
