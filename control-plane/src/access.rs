//! Access control of the HTTP port: without a token this machine only, with one its holders; no page of another site.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};

use crate::access::caller::TrustedProxies;
use crate::access::refusal::{AccessDenied, Wants};
use crate::access::sender::{RequestKind, is_foreign, is_ours, names_us};
use crate::access::sessions::{SessionKey, cookie};
use crate::attempt_limiter::{Guess, Guesses};
use crate::http::PeerAddr;
use crate::public_url::PublicUrl;
use crate::token::SecretToken;
use crate::{clock, dashboard};

pub mod caller;
mod refusal;
mod sender;
pub mod sessions;
mod sign_in;

/// The path of the sign-in page, to which a browser without a session is redirected.
const SIGN_IN: &str = "/sign-in";

/// Paths that need no sign-in: Kubernetes cannot sign in, and the sign-in page needs its style.
const OPEN_TO_ALL: [&str; 4] = ["/livez", "/readyz", SIGN_IN, dashboard::assets::ICON];

/// The access check before every route.
#[derive(Debug)]
pub struct Access {
    token: Option<SecretToken>,
    sessions: SessionKey,
    public_url: Option<PublicUrl>,
    proxies: TrustedProxies,
    guesses: Guesses,
}

impl Access {
    /// Without a token, this machine has access; with one, the clients that present it.
    pub fn new(
        token: Option<SecretToken>,
        sessions: SessionKey,
        public_url: Option<PublicUrl>,
        proxies: TrustedProxies,
    ) -> Arc<Self> {
        Arc::new(Self { token, sessions, public_url, proxies, guesses: Guesses::default() })
    }

    /// Wraps all routes in the access check, and adds the sign-in page.
    pub fn guard(self: Arc<Self>, routes: Router) -> Router {
        let routes = if self.token.is_some() { routes.merge(sign_in::routes(Arc::clone(&self))) } else { routes };
        routes.layer(middleware::from_fn_with_state(self, check))
    }

    /// Allows a request, or returns why it is refused.
    fn judge(&self, request: &Request) -> Result<(), AccessDenied> {
        let (headers, path) = (request.headers(), request.uri().path());
        let is_open = OPEN_TO_ALL.contains(&path) || path.starts_with(dashboard::assets::FOLDER);
        let public_url = self.public_url.as_ref();
        if self.token.is_none() && !is_open && !names_us(headers, public_url) {
            return Err(AccessDenied::host());
        }
        let target = if dashboard::is_page(path) || path == SIGN_IN { RequestKind::Page } else { RequestKind::Other };
        if is_foreign(request.method(), headers, target) {
            return Err(AccessDenied::origin());
        }
        let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !only_reads && !is_ours(headers, public_url) {
            return Err(AccessDenied::origin());
        }
        match &self.token {
            Some(token) if !is_open => self.admit(token, request),
            _ => Ok(()),
        }
    }

    /// Allows a request with a valid session or with the token.
    fn admit(&self, token: &SecretToken, request: &Request) -> Result<(), AccessDenied> {
        let headers = request.headers();
        if cookie(headers).is_some_and(|session| self.sessions.is_open(token, session, clock::now_ms() / 1000)) {
            return Ok(());
        }
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = authorization.and_then(SecretToken::shown_in).ok_or_else(AccessDenied::sign_in)?;
        match self.guess(token, shown, request) {
            Guess::Right => Ok(()),
            Guess::Wrong => Err(AccessDenied::sign_in()),
            Guess::TooMany { retry_after } => Err(AccessDenied::too_many_guesses(retry_after)),
        }
    }

    fn guess(&self, token: &SecretToken, shown: &str, request: &Request) -> Guess {
        let peer = request.extensions().get::<PeerAddr>().map(|PeerAddr(peer)| *peer);
        self.guess_from(token, shown, peer, request.headers())
    }

    /// Checks a presented token. All connections with an unknown peer count as one address.
    fn guess_from(&self, token: &SecretToken, shown: &str, peer: Option<IpAddr>, headers: &HeaderMap) -> Guess {
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.guesses.check(token, shown, self.proxies.caller(peer, headers), Instant::now())
    }
}

async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let Err(refusal) = access.judge(&request) else { return next.run(request).await };
    let wants = Wants::from_headers(request.headers());
    let may_sign_in = refusal.status == StatusCode::UNAUTHORIZED && wants == Wants::Page;
    if may_sign_in && request.method() == Method::GET {
        return Redirect::to(&sign_in::address(request.uri())).into_response();
    }
    refusal.answer(wants, request.uri().path())
}

#[cfg(test)]
mod tests;
