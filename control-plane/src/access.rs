//! Access control of the HTTP port: who sends a request, sign-in and sign-out; no page of another site.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};

use crate::access::policy::Access;
use crate::access::refusal::Wants;

mod account_page;
pub mod accounts;
pub mod caller;
pub mod openid;
pub mod password;
pub mod policy;
mod refusal;
mod return_address;
mod sender;
pub mod sessions;
pub mod settings;
mod sign_in;

/// Wraps all routes in the access check, and adds the sign-in page.
pub fn guard(access: Arc<Access>, routes: Router) -> Router {
    let routes = if access.options.needs_sign_in() {
        routes
            .merge(sign_in::routes(Arc::clone(&access)))
            .merge(account_page::routes(Arc::clone(&access)))
            .merge(openid::pages::routes(Arc::clone(&access)))
    } else {
        routes
    };
    routes.layer(middleware::from_fn_with_state(access, check))
}

async fn check(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let refusal = match access.check(&request) {
        Ok(principal) => {
            if let Some(principal) = principal {
                request.extensions_mut().insert(Arc::new(principal));
            }
            return next.run(request).await;
        }
        Err(refusal) => refusal,
    };
    let wants = Wants::from_headers(request.headers());
    let may_sign_in = refusal.status == StatusCode::UNAUTHORIZED && wants == Wants::Page;
    if may_sign_in && request.method() == Method::GET {
        return Redirect::to(&sign_in::address(request.uri())).into_response();
    }
    refusal.answer(wants, request.uri().path())
}

#[cfg(test)]
mod tests;
