//! The account page: who is signed in, with which role, and the ways to sign out.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::access::policy::Access;
use crate::access::refusal::html;
use crate::access::sessions::owner::SessionOwner;
use crate::dashboard::root::Root;
use crate::model::principal::Principal;

/// The account page.
const ACCOUNT: &str = "/account";

/// Ends the session.
const SIGN_OUT: &str = "/sign-out";

pub(super) fn routes(access: Arc<Access>) -> Router {
    Router::new().route(ACCOUNT, get(page)).route(SIGN_OUT, post(sign_out)).with_state(access)
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    root: Root,
    title: &'static str,
    name: String,
    role: String,
    namespaces: String,
    /// Open sessions of the user; 0 if this request has none.
    sessions: usize,
}

#[derive(Template)]
#[template(path = "signed-out.html")]
struct SignedOutPage {
    root: Root,
    title: &'static str,
    /// Whether the provider's page follows.
    leads_on: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SignOutForm {
    /// `all` ends every session of the user.
    sessions: String,
}

async fn page(State(access): State<Arc<Access>>, principal: Option<Extension<Arc<Principal>>>, headers: HeaderMap) -> Response {
    let Some(Extension(principal)) = principal else { return Redirect::to("./").into_response() };
    let session = access.options.cookies().session(&headers);
    let page = AccountPage {
        root: Root::BESIDE,
        title: "Account",
        name: principal.name.to_string(),
        role: principal.role.to_string(),
        namespaces: principal.namespaces.to_string(),
        sessions: session.map_or(0, |session| access.sessions.count_like(session)),
    };
    html(StatusCode::OK, &page)
}

async fn sign_out(State(access): State<Arc<Access>>, headers: HeaderMap, Form(form): Form<SignOutForm>) -> Response {
    let cookies = access.options.cookies();
    let mut owner = None;
    if let Some(session) = cookies.session(&headers) {
        let ended =
            if form.sessions == "all" { access.sessions.end_all_like(session).await } else { access.sessions.end(session).await };
        owner = ended;
    }
    let there = match (&access.options.openid, owner.as_deref()) {
        (Some(openid), Some(SessionOwner::OpenId { id_token, .. })) => openid.sign_out(id_token).await,
        _ => None,
    };
    let page = html(StatusCode::OK, &SignedOutPage { root: Root::BESIDE, title: "Signed out", leads_on: there.is_some() });
    // Not a redirect: a page whose forms may only lead to this server could not follow it (CSP, `form-action`).
    let refresh = there.map(|there| AppendHeaders([(header::REFRESH, format!("0; url={there}"))]));
    ([(header::SET_COOKIE, cookies.clear_session())], refresh, page).into_response()
}
