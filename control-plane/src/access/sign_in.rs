//! The sign-in page: one field for the token, which becomes a session that no script can read.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::access::sessions::{self, COOKIE, SESSION};
use crate::access::{Access, SIGN_IN};
use crate::clock;
use crate::web::root::Root;

/// No script, no frame, and the form goes nowhere else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn routes(access: Arc<Access>) -> Router {
    Router::new().route(SIGN_IN, get(page).post(sign_in)).with_state(access)
}

/// Where to sign in, seen from `uri`, to come back to it.
pub(super) fn address(uri: &Uri) -> String {
    let Some(root) = Root::from_path(uri.path()) else { return SIGN_IN.to_owned() };
    let back = uri.path_and_query().map_or("/", |back| back.as_str());
    let encoded: String = back.bytes().map(encoded).collect();
    format!("{root}{}?next={encoded}", &SIGN_IN[1..])
}

fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Sitio</title>
<link rel="stylesheet" href="static/sitio.css">
<main>
  <h1>Sign in to Sitio</h1>
  {% if failed %}<p role="alert">That is not the token.</p>{% endif %}
  <form method="post" action="sign-in">
    <input type="hidden" name="next" value="{{ next }}">
    <p><label for="token">Token of this control plane (its <code>SITIO_TOKEN</code>)</label></p>
    <p><input id="token" name="token" type="password" autocomplete="current-password" required autofocus></p>
    <p><button type="submit">Sign in</button></p>
  </form>
</main>
</html>
"#
)]
struct SignInPage {
    next: String,
    failed: bool,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Attempt {
    token: String,
    #[serde(default)]
    next: String,
}

async fn page(Query(wanted): Query<Wanted>) -> Response {
    (StatusCode::OK, SignInPage { next: own(&wanted.next), failed: false }).into_response()
}

async fn sign_in(State(access): State<Arc<Access>>, Form(attempt): Form<Attempt>) -> Response {
    let next = own(&attempt.next);
    let Some(token) = access.token.as_ref().filter(|token| token.is(attempt.token.trim())) else {
        tracing::warn!("somebody tried to sign in with a wrong token");
        return (StatusCode::FORBIDDEN, SignInPage { next, failed: true }).into_response();
    };
    let session = sessions::open(token, clock::now_ms() / 1000);
    // A link in a chat or a mail leads to the page it names; what changes something is guarded by where it comes from.
    // Without `Path` it goes to wherever the sign-in page is, which a proxy may serve below a path (RFC 6265, section 5.1.4).
    let cookie = format!("{COOKIE}={session}; HttpOnly; SameSite=Lax; Max-Age={}", SESSION.as_secs());
    ([(header::SET_COOKIE, cookie)], Redirect::to(&format!(".{next}"))).into_response()
}

/// A path of ours, so that a sign-in never ends on a stranger's page.
fn own(next: &str) -> String {
    // Browsers drop tabs and line ends from an address before they read it.
    let is_odd = |letter: char| letter == '\\' || letter.is_control();
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(is_odd);
    if is_ours { next.to_owned() } else { "/".to_owned() }
}

impl IntoResponse for SignInPage {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
        ];
        match self.render() {
            Ok(page) => (headers, Html(page)).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}
