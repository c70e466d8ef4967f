//! Decides who sends a request: by session, by token, or because only this machine reaches the control plane.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use tokio_util::sync::CancellationToken;

use crate::access::accounts::file::UsersFile;
use crate::access::accounts::fingerprint;
use crate::access::caller::TrustedProxies;
use crate::access::openid::{BEGIN, CALLBACK, OpenId};
use crate::access::password::PasswordChecks;
use crate::access::refusal::AccessDenied;
use crate::access::sender::{RequestKind, is_foreign, is_ours, names_us};
use crate::access::sessions::cookie::Cookies;
use crate::access::sessions::owner::SessionOwner;
use crate::access::sessions::{Session, Sessions};
use crate::attempt_limiter::{Guess, Guesses};
use crate::http::PeerAddr;
use crate::model::principal::{Namespaces, Principal, SignInEnd};
use crate::public_url::PublicUrl;
use crate::token::SecretToken;
use crate::{clock, dashboard};

/// The path of the sign-in page, to which a browser without a session is redirected.
pub(super) const SIGN_IN: &str = "/sign-in";

/// The name of those who present the shared token.
const TOKEN_HOLDER: &str = "token";

/// Paths that need no sign-in: Kubernetes cannot sign in, and the sign-in page needs its style.
const OPEN_TO_ALL: [&str; 6] = ["/livez", "/readyz", SIGN_IN, BEGIN, CALLBACK, dashboard::assets::ICON];

/// How often the users file is read, and how soon a session ends that has expired or whose user was removed.
const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// The ways to sign in, and where browsers are.
#[derive(Debug, Default)]
pub struct AccessOptions {
    /// The shared token. Every sidecar has it, so it opens the dashboard only while there is no other way to sign in.
    pub token: Option<SecretToken>,
    /// The users, and the tokens for scripts.
    pub users: Option<UsersFile>,
    /// The OpenID provider.
    pub openid: Option<OpenId>,
    /// The URL of the dashboard in browsers, if there is a proxy in front of it.
    pub public_url: Option<PublicUrl>,
    /// Proxies whose reports of client addresses are trusted.
    pub proxies: TrustedProxies,
}

/// The access check before every route.
#[derive(Debug)]
pub struct Access {
    pub(super) options: AccessOptions,
    pub(super) sessions: Sessions,
    pub(super) passwords: PasswordChecks,
    pub(super) guesses: Guesses,
}

impl AccessOptions {
    /// Whether people have to sign in. Otherwise this machine has access, and no other reaches the port.
    pub fn needs_sign_in(&self) -> bool {
        self.token.is_some() || self.users.is_some() || self.openid.is_some()
    }

    /// The shared token, if it opens the dashboard.
    pub(super) fn shared_token(&self) -> Option<&SecretToken> {
        self.token.as_ref().filter(|_| self.users.is_none() && self.openid.is_none())
    }

    /// How the cookies of the sign-in look.
    pub(super) fn cookies(&self) -> Cookies<'_> {
        Cookies(self.public_url.as_ref())
    }
}

impl Access {
    /// The access check with these ways to sign in.
    pub fn new(options: AccessOptions, sessions: Sessions) -> Arc<Self> {
        Arc::new(Self { options, sessions, passwords: PasswordChecks::default(), guesses: Guesses::default() })
    }

    /// Reads the users file again and ends sessions, until drained.
    pub async fn run(self: Arc<Self>, drain: CancellationToken) {
        let mut ticks = tokio::time::interval(REFRESH_EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.refresh().await,
                () = drain.cancelled() => return self.refresh().await,
            }
        }
    }

    async fn refresh(self: &Arc<Self>) {
        let access = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || access.options.users.iter().for_each(UsersFile::refresh));
        if let Err(panic) = reading.await {
            tracing::error!(%panic, "the users file could not be read");
        }
        self.sessions.sweep(|owner| self.principal_of(owner).is_some(), clock::now_ms() / 1000).await;
    }

    /// Who sends a request, or why it is refused; `None` for what is open to all.
    pub(super) fn check(&self, request: &Request) -> Result<Option<Principal>, AccessDenied> {
        let (headers, path) = (request.headers(), request.uri().path());
        let is_open = OPEN_TO_ALL.contains(&path) || path.starts_with(dashboard::assets::FOLDER);
        let public_url = self.options.public_url.as_ref();
        if !self.options.needs_sign_in() && !is_open && !names_us(headers, public_url) {
            return Err(AccessDenied::host());
        }
        // The provider leads back by a link of another site, which its state guards.
        let is_sign_in = [SIGN_IN, BEGIN, CALLBACK].contains(&path);
        let target = if dashboard::is_page(path) || is_sign_in { RequestKind::Page } else { RequestKind::Other };
        if is_foreign(request.method(), headers, target) {
            return Err(AccessDenied::origin());
        }
        let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !only_reads && !is_ours(headers, public_url) {
            return Err(AccessDenied::origin());
        }
        match self.options.needs_sign_in() {
            _ if is_open => Ok(None),
            true => self.authenticate(request).map(Some),
            false => Ok(Some(Principal::local_operator())),
        }
    }

    /// The principal of a valid session or of a token.
    fn authenticate(&self, request: &Request) -> Result<Principal, AccessDenied> {
        let headers = request.headers();
        let address = self.address(request.extensions().get(), headers);
        if let Some(principal) = self.session(headers).and_then(|session| self.principal_in(&session)) {
            return Ok(Principal { address: Some(address), ..principal });
        }
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = authorization.and_then(SecretToken::shown_in).ok_or_else(AccessDenied::sign_in)?;
        let holder = self.holder_of(shown);
        match self.guesses.check_by(shown, address, Instant::now(), || holder.is_some()) {
            Guess::Right => holder.map(|holder| Principal { address: Some(address), ..holder }).ok_or_else(AccessDenied::sign_in),
            Guess::Wrong => Err(AccessDenied::sign_in()),
            Guess::TooMany { retry_after } => Err(AccessDenied::too_many_guesses(retry_after)),
        }
    }

    /// The open session that a request presents.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        self.sessions.find(self.options.cookies().session(headers)?, clock::now_ms() / 1000)
    }

    fn principal_in(&self, session: &Session) -> Option<Principal> {
        let principal = self.principal_of(&session.owner)?;
        Some(Principal { sign_in: principal.sign_in.with_session(Arc::clone(&session.ends)), ..principal })
    }

    /// What the owner of a session may do now; `None` if they may no longer sign in.
    fn principal_of(&self, owner: &SessionOwner) -> Option<Principal> {
        match owner {
            SessionOwner::Token { credential } => {
                let token = self.options.shared_token()?;
                (fingerprint(token.secret()) == *credential).then(token_holder)
            }
            SessionOwner::User { name, credential } => {
                let accounts = self.options.users.as_ref()?.accounts();
                let account = &accounts.user(name)?.account;
                (account.credential == *credential).then(|| account.principal())
            }
            SessionOwner::OpenId { name, role, namespaces, grants, .. } => {
                let openid = self.options.openid.as_ref()?;
                (openid.grants() == *grants).then(|| Principal {
                    name: name.as_str().into(),
                    role: *role,
                    namespaces: namespaces.clone().map_or(Namespaces::All, Namespaces::from_names),
                    ..token_holder()
                })
            }
        }
    }

    /// Whose token it is.
    fn holder_of(&self, shown: &str) -> Option<Principal> {
        let accounts = self.options.users.as_ref().map(UsersFile::accounts);
        let of_script = accounts.and_then(|accounts| accounts.token(shown).map(|account| account.principal()));
        of_script.or_else(|| self.options.shared_token().filter(|token| token.is(shown)).map(|_| token_holder()))
    }

    /// The client address of a request. All connections with an unknown peer count as one address.
    pub(super) fn address(&self, peer: Option<&PeerAddr>, headers: &HeaderMap) -> IpAddr {
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |PeerAddr(peer)| *peer);
        self.options.proxies.caller(peer, headers)
    }
}

fn token_holder() -> Principal {
    Principal {
        name: TOKEN_HOLDER.into(),
        namespaces: Namespaces::All,
        sign_in: SignInEnd::default(),
        ..Principal::local_operator()
    }
}
