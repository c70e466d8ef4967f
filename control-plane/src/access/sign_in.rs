//! The sign-in page: a user and a password, or the shared token, become a session.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Extension, Form, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::access::accounts::file::UsersFile;
use crate::access::accounts::fingerprint;
use crate::access::openid::OpenId;
use crate::access::password::PASSWORD_BYTES_MAX;
use crate::access::policy::{Access, SIGN_IN};
use crate::access::refusal::{AccessDenied, Wants, html};
use crate::access::return_address::{encoded, own};
use crate::access::sessions::SESSION;
use crate::access::sessions::owner::SessionOwner;
use crate::attempt_limiter::Guess;
use crate::clock;
use crate::dashboard::root::Root;
use crate::http::PeerAddr;

/// Bytes of the form: a user, a password, and the address of the page to return to.
const FORM_BYTES_MAX: usize = 16 << 10;

pub(super) fn routes(access: Arc<Access>) -> Router {
    let limit = DefaultBodyLimit::max(FORM_BYTES_MAX);
    Router::new().route(SIGN_IN, get(page).post(sign_in)).layer(limit).with_state(access)
}

/// The relative address of the sign-in page from `uri`, with `uri` as the page to return to.
pub(super) fn address(uri: &Uri) -> String {
    let Some(root) = Root::from_path(uri.path()) else { return SIGN_IN.to_owned() };
    let back = uri.path_and_query().map_or("/", |back| back.as_str());
    format!("{root}{}?next={}", &SIGN_IN[1..], encoded(back))
}

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    root: Root,
    title: &'static str,
    next: String,
    /// What was wrong with the last attempt; empty before the first.
    problem: String,
    /// The name that was tried.
    user: String,
    has_users: bool,
    /// The provider; empty without one.
    provider: String,
    /// The page to return to, in a query.
    next_encoded: String,
    has_token: bool,
}

#[derive(Debug, Deserialize)]
struct SignInQuery {
    #[serde(default)]
    next: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attempt {
    user: String,
    password: String,
    token: String,
    next: String,
}

/// Why there is no session.
enum SignInFailure {
    /// The user, the password or the token is wrong.
    Wrong(&'static str),
    /// Too many attempts, by this address or as this user.
    TooMany(AccessDenied),
}

async fn page(State(access): State<Arc<Access>>, Query(wanted): Query<SignInQuery>) -> Response {
    form(&access, StatusCode::OK, &Attempt { next: wanted.next, ..Attempt::default() }, "")
}

async fn sign_in(
    State(access): State<Arc<Access>>,
    peer: Option<Extension<PeerAddr>>,
    headers: HeaderMap,
    attempt: Result<Form<Attempt>, FormRejection>,
) -> Response {
    let Ok(Form(attempt)) = attempt else {
        return form(&access, StatusCode::BAD_REQUEST, &Attempt::default(), "The form is incomplete. Try again.");
    };
    let from = access.address(peer.as_deref(), &headers);
    let owner = if attempt.user.is_empty() && access.options.shared_token().is_some() {
        owner_by_token(&access, attempt.token.trim(), from)
    } else {
        owner_by_password(&access, attempt.user.trim(), &attempt.password, from).await
    };
    match owner {
        Ok(owner) => signed_in(&access, owner, &attempt.next).await,
        Err(SignInFailure::Wrong(why)) => form(&access, StatusCode::FORBIDDEN, &attempt, why),
        Err(SignInFailure::TooMany(refusal)) => refusal.answer(Wants::from_headers(&headers), SIGN_IN),
    }
}

/// Opens a session, and returns to the page that was asked for.
async fn signed_in(access: &Access, owner: SessionOwner, next: &str) -> Response {
    let session = access.sessions.open(owner, clock::now_ms() / 1000).await;
    let cookie = access.options.cookies().set_session(&session, SESSION);
    ([(header::SET_COOKIE, cookie)], Redirect::to(&format!(".{}", own(next)))).into_response()
}

fn owner_by_token(access: &Access, shown: &str, from: IpAddr) -> Result<SessionOwner, SignInFailure> {
    let token = access.options.shared_token().ok_or(SignInFailure::Wrong("Sign in with a user and a password."))?;
    match access.guesses.check(token, shown, from, Instant::now()) {
        Guess::Right => Ok(SessionOwner::Token { credential: fingerprint(token.secret()) }),
        Guess::Wrong => Err(SignInFailure::Wrong("Wrong token.")),
        Guess::TooMany { retry_after } => Err(SignInFailure::TooMany(AccessDenied::too_many_guesses(retry_after))),
    }
}

async fn owner_by_password(access: &Access, name: &str, password: &str, from: IpAddr) -> Result<SessionOwner, SignInFailure> {
    const WRONG: SignInFailure = SignInFailure::Wrong("Wrong user or password.");
    let accounts = access.options.users.as_ref().map(UsersFile::accounts).unwrap_or_default();
    if password.len() > PASSWORD_BYTES_MAX || !accounts.has_users() {
        return Err(WRONG);
    }
    let too_many = |wait| SignInFailure::TooMany(AccessDenied::too_many_guesses(wait));
    access.guesses.begin(name, from, Instant::now()).map_err(too_many)?;
    let user = accounts.user(name);
    // An unknown user takes the time of a known one.
    let hash = user.map(|user| &user.password).or_else(|| accounts.some_hash()).cloned();
    let busy = |_| {
        // Nothing was compared, so the attempt does not count.
        access.guesses.give_back(name, from);
        SignInFailure::TooMany(AccessDenied::busy())
    };
    let is_right = match hash {
        Some(hash) => access.passwords.check(hash, password.to_owned()).await.map_err(busy)?,
        None => false,
    };
    let Some(user) = user.filter(|_| is_right) else {
        // The name is not logged: people type their password into the wrong field.
        tracing::warn!(address = %from, known = user.is_some(), "a sign-in failed: wrong user or password");
        return Err(WRONG);
    };
    access.guesses.give_back(name, from);
    tracing::info!(user = name, address = %from, "signed in");
    Ok(SessionOwner::User { name: name.to_owned(), credential: user.account.credential })
}

fn form(access: &Access, status: StatusCode, attempt: &Attempt, problem: &str) -> Response {
    let options = &access.options;
    let page = SignInPage {
        root: Root::BESIDE,
        title: "Sign in",
        next: own(&attempt.next),
        next_encoded: encoded(&own(&attempt.next)),
        provider: options.openid.as_ref().map(OpenId::name).unwrap_or_default(),
        problem: problem.to_owned(),
        user: attempt.user.clone(),
        has_users: options.users.as_ref().is_some_and(|users| users.accounts().has_users()),
        has_token: options.shared_token().is_some(),
    };
    html(status, &page)
}
