//! The two addresses of a sign-in at the provider: the one that leads there, and the one that it leads back to.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::access::openid::flow::SignInFlow;
use crate::access::openid::{BEGIN, CALLBACK, OpenId, OpenIdFailure};
use crate::access::policy::Access;
use crate::access::refusal::{AccessDenied, Wants};
use crate::access::sessions::SESSION;
use crate::access::sessions::owner::SessionOwner;
use crate::clock;
use crate::http::PeerAddr;

pub(crate) fn routes(access: Arc<Access>) -> Router {
    Router::new().route(BEGIN, get(begin)).route(CALLBACK, get(complete)).with_state(access)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BeginQuery {
    next: String,
}

/// What the provider sends back (RFC 6749, sections 4.1.2 and 4.1.2.1).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Return {
    code: String,
    state: String,
    error: String,
}

async fn begin(State(access): State<Arc<Access>>, Query(BeginQuery { next }): Query<BeginQuery>) -> Response {
    let Some(openid) = &access.options.openid else { return no_provider() };
    let flow = SignInFlow::begin(&next, clock::now_ms() / 1000);
    match openid.begin(&flow).await {
        Ok(there) => ([(header::SET_COOKIE, flow.set_cookie(access.options.cookies()))], Redirect::to(&there)).into_response(),
        Err(error) => {
            tracing::error!("the OpenID provider cannot be used: {error}");
            page(AccessDenied::provider(&openid.name()), BEGIN)
        }
    }
}

async fn complete(
    State(access): State<Arc<Access>>,
    peer: Option<Extension<PeerAddr>>,
    headers: HeaderMap,
    Query(came): Query<Return>,
) -> Response {
    let Some(openid) = &access.options.openid else { return no_provider() };
    let (cookies, now_s) = (access.options.cookies(), clock::now_ms() / 1000);
    let from = access.address(peer.as_deref(), &headers);
    let ended = AppendHeaders([(header::SET_COOKIE, SignInFlow::clear_cookie(cookies))]);
    let Some(flow) = SignInFlow::from_return(&came.state, &headers, cookies, now_s) else {
        tracing::warn!(address = %from, "a sign-in at the OpenID provider was not begun in this browser, or took too long");
        return (ended, page(AccessDenied::not_begun(), CALLBACK)).into_response();
    };
    if came.code.is_empty() || !came.error.is_empty() {
        tracing::info!(address = %from, error = %log_word(&came.error), "the OpenID provider has not signed the user in");
        return (ended, page(AccessDenied::cancelled(), CALLBACK)).into_response();
    }
    match openid.complete(&came.code, &flow).await {
        Ok(owner) => {
            if let SessionOwner::OpenId { name, role, .. } = &owner {
                tracing::info!(user = name, %role, address = %from, "signed in at the OpenID provider");
            }
            let session = access.sessions.open(owner, now_s).await;
            let cookie = AppendHeaders([(header::SET_COOKIE, cookies.set_session(&session, SESSION))]);
            // Two levels up from the path of the provider's return.
            (ended, cookie, Redirect::to(&format!("../..{}", flow.next))).into_response()
        }
        Err(failure) => (ended, page(refusal(openid, &failure, &from.to_string()), CALLBACK)).into_response(),
    }
}

/// Logs why a sign-in failed, and returns what the user is shown.
fn refusal(openid: &OpenId, failure: &OpenIdFailure, address: &str) -> AccessDenied {
    match failure {
        OpenIdFailure::NoRole { name, .. } => {
            tracing::warn!(address, "refused a sign-in: {failure}");
            AccessDenied::no_role(name)
        }
        OpenIdFailure::Flow(_) => {
            tracing::error!(address, "a sign-in at the OpenID provider failed: {failure}");
            AccessDenied::provider(&openid.name())
        }
    }
}

fn page(refusal: AccessDenied, path: &str) -> Response {
    refusal.answer(Wants::Page, path)
}

fn no_provider() -> Response {
    (StatusCode::NOT_FOUND, "this control plane has no OpenID provider\n").into_response()
}

/// A word that came from elsewhere, as it may stand in a log.
fn log_word(word: &str) -> String {
    word.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(64).collect()
}
