//! Refusals of the access check: an HTML page for browsers, and `application/problem+json` for programs.

use std::time::Duration;

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::api::problem::ProblemResponse;
use crate::dashboard::root::Root;

/// The policy of a page without script that cannot be framed and whose forms go to this server only.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// A refused request.
#[derive(Debug)]
pub(super) struct AccessDenied {
    pub(super) status: StatusCode,
    name: &'static str,
    title: &'static str,
    detail: String,
    retry_after: Option<Duration>,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    root: Root,
    title: &'a str,
    detail: &'a str,
}

impl AccessDenied {
    /// The token is missing or wrong.
    pub(super) fn sign_in() -> Self {
        let detail = "send a token as Authorization: Bearer, or sign in on the dashboard";
        Self::new(StatusCode::UNAUTHORIZED, "sign-in", "Sign in first", detail)
    }

    /// The OpenID provider cannot be used.
    pub(super) fn provider(name: &str) -> Self {
        let detail = format!(
            "the sign-in service at {name} did not answer as it should: try again in a minute; the log of the control plane has the reason"
        );
        Self::new(StatusCode::BAD_GATEWAY, "provider", "The sign-in service cannot be used now", detail)
    }

    /// The browser comes back from the provider without having been sent there.
    pub(super) fn not_begun() -> Self {
        let detail =
            "this sign-in was not begun in this browser, or it took more than ten minutes: begin again on the sign-in page";
        Self::new(StatusCode::FORBIDDEN, "sign-in", "Begin again", detail)
    }

    /// The provider reports that the user was not signed in.
    pub(super) fn cancelled() -> Self {
        let detail = "the sign-in service has not signed you in, because it was cancelled or refused there: begin again on the sign-in page";
        Self::new(StatusCode::FORBIDDEN, "sign-in", "Not signed in", detail)
    }

    /// The user may not use this control plane.
    pub(super) fn no_role(name: &str) -> Self {
        let detail = format!("you are signed in as {name}, and that account has no role for Sitio: ask an administrator for one");
        Self::new(StatusCode::FORBIDDEN, "role", "No role for Sitio", detail)
    }

    /// Too many sign-ins wait for their passwords to be verified.
    pub(super) fn busy() -> Self {
        let detail = "too many sign-ins are being checked: try again in a second";
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many sign-ins", detail);
        Self { retry_after: Some(Duration::from_secs(1)), ..refusal }
    }

    /// The address or the user has sent too many wrong tokens or passwords.
    pub(super) fn too_many_guesses(retry_after: Duration) -> Self {
        let detail = format!(
            "too many wrong tokens or passwords from this address, or for this user: wait {} s, then send the right one",
            seconds(retry_after)
        );
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "guesses", "Too many attempts", detail);
        Self { retry_after: Some(retry_after), ..refusal }
    }

    /// The request names a host that is not the control plane's.
    pub(super) fn host() -> Self {
        let detail = "without a token, the control plane answers only to localhost, 127.0.0.1 and the host in SITIO_PUBLIC_URL";
        Self::new(StatusCode::FORBIDDEN, "host", "Not under that name", detail)
    }

    /// The request comes from a page of another origin.
    pub(super) fn origin() -> Self {
        let detail = "a page of another origin has asked: ask from the dashboard's own pages, or by a script outside of browsers; \
            if a proxy changes the host or the port, set SITIO_PUBLIC_URL to the address in the browser";
        Self::new(StatusCode::FORBIDDEN, "origin", "Not from there", detail)
    }

    fn new(status: StatusCode, name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, name, title, detail: detail.into(), retry_after: None }
    }

    /// The response in the format that the client wants; `path` is the path of the request.
    pub(super) fn answer(self, wants: Wants, path: &str) -> Response {
        let mut response = match Root::from_path(path).filter(|_| wants == Wants::Page) {
            Some(root) => self.page(root),
            None => ProblemResponse::new(self.status, self.name, self.title, self.detail).into_response(),
        };
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sitio\""));
        }
        if let Some(retry_after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(retry_after)));
        }
        response
    }

    fn page(&self, root: Root) -> Response {
        html(self.status, &RefusalPage { root, title: self.title, detail: &self.detail })
    }
}

/// Renders a page that needs no sign-in.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, [(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "render a page");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be rendered; see the control plane's log\n").into_response()
        }
    }
}

/// The format that a client can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// An HTML page.
    Page,
    /// JSON.
    Json,
}

impl Wants {
    /// The format that these headers accept: only browsers accept HTML.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        if accept.is_some_and(|accept| accept.contains("text/html")) { Self::Page } else { Self::Json }
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000) as u64
}
