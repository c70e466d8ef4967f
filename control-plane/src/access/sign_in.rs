//! The sign-in page: one field for the token, which becomes a session cookie that no script can read.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::access::policy::{Access, SIGN_IN};
use crate::access::refusal::{AccessDenied, Wants, html};
use crate::access::sessions::{COOKIE, SESSION};
use crate::attempt_limiter::Guess;
use crate::clock;
use crate::dashboard::root::Root;
use crate::http::PeerAddr;
use crate::public_url::PublicUrl;

pub(super) fn routes(access: Arc<Access>) -> Router {
    Router::new().route(SIGN_IN, get(page).post(sign_in)).with_state(access)
}

/// The relative address of the sign-in page from `uri`, with `uri` as the page to return to.
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
#[template(path = "sign-in.html")]
struct SignInPage {
    root: Root,
    title: &'static str,
    next: String,
    /// What was wrong with the last attempt; empty before the first.
    problem: &'static str,
}

#[derive(Debug, Deserialize)]
struct SignInForm {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Attempt {
    token: String,
    #[serde(default)]
    next: String,
}

async fn page(Query(wanted): Query<SignInForm>) -> Response {
    form(StatusCode::OK, &wanted.next, "")
}

async fn sign_in(
    State(access): State<Arc<Access>>,
    peer: Option<Extension<PeerAddr>>,
    headers: HeaderMap,
    attempt: Result<Form<Attempt>, FormRejection>,
) -> Response {
    let Ok(Form(Attempt { token: shown, next })) = attempt else {
        return form(StatusCode::BAD_REQUEST, "/", "The form is incomplete. Try again.");
    };
    // This route exists only with a token.
    let Some(token) = access.token.as_ref() else { return Redirect::to("./").into_response() };
    let peer: Option<IpAddr> = peer.map(|Extension(PeerAddr(peer))| peer);
    match access.check_token(token, shown.trim(), peer, &headers) {
        Guess::Right => {}
        Guess::Wrong => return form(StatusCode::FORBIDDEN, &next, "Wrong token."),
        Guess::TooMany { retry_after } => {
            return AccessDenied::too_many_guesses(retry_after).answer(Wants::from_headers(&headers), SIGN_IN);
        }
    }
    let session = access.sessions.open(token, clock::now_ms() / 1000);
    let cookie = set_cookie(&session, access.public_url.as_ref());
    ([(header::SET_COOKIE, cookie)], Redirect::to(&format!(".{}", own(&next)))).into_response()
}

/// Without `Path` the cookie applies below the directory of the sign-in page, which a proxy may serve below a path (RFC
/// 6265, section 5.1.4). With `Lax` a link in a chat opens the page that it names; changes are guarded by their origin.
fn set_cookie(session: &str, public_url: Option<&PublicUrl>) -> String {
    // No header proves that there is TLS in front: any client can send any header.
    let secure = if public_url.is_some_and(PublicUrl::is_https) { "; Secure" } else { "" };
    format!("{COOKIE}={session}; HttpOnly; SameSite=Lax; Max-Age={}{secure}", SESSION.as_secs())
}

fn form(status: StatusCode, next: &str, problem: &'static str) -> Response {
    html(status, &SignInPage { root: Root::BESIDE, title: "Sign in", next: own(next), problem })
}

/// A local path, so that a sign-in never ends on a page of another site.
fn own(next: &str) -> String {
    // Browsers remove tabs and line breaks from an address before they parse it.
    let is_odd = |letter: char| letter == '\\' || letter.is_control();
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(is_odd);
    if is_ours { next.to_owned() } else { "/".to_owned() }
}
