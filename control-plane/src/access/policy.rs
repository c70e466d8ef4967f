//! Decides which requests have access: without a token those of this machine, with one those that present it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};

use crate::access::caller::TrustedProxies;
use crate::access::refusal::AccessDenied;
use crate::access::sender::{RequestKind, is_foreign, is_ours, names_us};
use crate::access::sessions::{COOKIE, SessionKey};
use crate::attempt_limiter::{Guess, Guesses};
use crate::http::{PeerAddr, cookie};
use crate::model::principal::{Principal, SignInEnd};
use crate::public_url::PublicUrl;
use crate::token::SecretToken;
use crate::{clock, dashboard};

/// The path of the sign-in page, to which a browser without a session is redirected.
pub(super) const SIGN_IN: &str = "/sign-in";

/// The name of those who present the shared token.
const TOKEN_HOLDER: &str = "token";

/// Paths that need no sign-in: Kubernetes cannot sign in, and the sign-in page needs its style.
const OPEN_TO_ALL: [&str; 4] = ["/livez", "/readyz", SIGN_IN, dashboard::assets::ICON];

/// The access check before every route.
#[derive(Debug)]
pub struct Access {
    pub(super) token: Option<SecretToken>,
    pub(super) sessions: SessionKey,
    pub(super) public_url: Option<PublicUrl>,
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

    /// Who sends a request, or why it is refused; `None` for what is open to all.
    pub(super) fn check(&self, request: &Request) -> Result<Option<Principal>, AccessDenied> {
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
            _ if is_open => Ok(None),
            Some(token) => self.authenticate(token, request).map(Some),
            None => Ok(Some(Principal::local_operator())),
        }
    }

    /// The principal of a valid session or of the token.
    fn authenticate(&self, token: &SecretToken, request: &Request) -> Result<Principal, AccessDenied> {
        let headers = request.headers();
        if cookie(headers, COOKIE).is_some_and(|session| self.sessions.is_open(token, session, clock::now_ms() / 1000)) {
            let session = SignInEnd::default().with_session(Arc::default());
            return Ok(self.token_holder(request, session));
        }
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = authorization.and_then(SecretToken::shown_in).ok_or_else(AccessDenied::sign_in)?;
        match self.check_token_of(token, shown, request) {
            Guess::Right => Ok(self.token_holder(request, SignInEnd::default())),
            Guess::Wrong => Err(AccessDenied::sign_in()),
            Guess::TooMany { retry_after } => Err(AccessDenied::too_many_guesses(retry_after)),
        }
    }

    fn token_holder(&self, request: &Request, sign_in: SignInEnd) -> Principal {
        let peer = request.extensions().get::<PeerAddr>().map(|PeerAddr(peer)| *peer);
        let address = peer.map(|peer| self.proxies.caller(peer, request.headers()));
        Principal { name: TOKEN_HOLDER.into(), address, sign_in, ..Principal::local_operator() }
    }

    fn check_token_of(&self, token: &SecretToken, shown: &str, request: &Request) -> Guess {
        let peer = request.extensions().get::<PeerAddr>().map(|PeerAddr(peer)| *peer);
        self.check_token(token, shown, peer, request.headers())
    }

    /// Checks a presented token. All connections with an unknown peer count as one address.
    pub(super) fn check_token(&self, token: &SecretToken, shown: &str, peer: Option<IpAddr>, headers: &HeaderMap) -> Guess {
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.guesses.check(token, shown, self.proxies.caller(peer, headers), Instant::now())
    }
}
