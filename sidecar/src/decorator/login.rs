//! `login`: signs people in at an OpenID provider, and keeps their sessions in encrypted cookies.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use decorators::login::{LOGIN_PREFIX, Login};
use openid::code_flow::{CodeFlow, CodeFlowError, Proof};
use openid::provider::Known;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};

use crate::decorator::background::Background;
use crate::decorator::claim_rules::{ClaimFault, ClaimRules};
use crate::decorator::issuer_keys::IssuerKeys;
use crate::decorator::login::asked::{Asked, own_path};
use crate::decorator::login::cookies::{Channel, Cookie};
use crate::decorator::login::sealed::{Purpose, Sealer};
use crate::decorator::request::Request;
use crate::decorator::{Decorator, FailureMode, Released, Step};
use crate::head::answer::Answer;

mod asked;
mod cookies;
mod pages;
mod sealed;

/// How long the sign-in at the provider may take.
const FLOW: Duration = Duration::from_secs(10 * 60);

/// How long an exchange of a code may take: it is three requests to the provider.
const EXCHANGE_MAX: Duration = Duration::from_secs(15);

/// Exchanges of codes at a time. Anyone may cause one, and each is a request to the provider.
const EXCHANGES_MAX: usize = 64;

/// States that are remembered. A provider refuses an older code by itself.
const COMPLETED_MAX: usize = 1024;

/// Bytes of a file with a secret or a key.
const SECRET_BYTES_MAX: u64 = 4096;

/// Bytes of the secret of a key: as many as the key has.
const KEY_BYTES_MIN: usize = 32;

pub(super) struct SignIn {
    inner: Arc<Inner>,
}

struct Inner {
    keys: IssuerKeys,
    flow: CodeFlow,
    rules: ClaimRules,
    sealer: Sealer,
    channel: Channel,
    session: Duration,
    exchanges: Semaphore,
    completed: Mutex<CompletedFlows>,
    background: Background,
}

/// The states of sign-ins whose code was exchanged, the oldest first.
#[derive(Default)]
struct CompletedFlows(VecDeque<String>);

impl CompletedFlows {
    /// Adds a state. Returns false if it is there already.
    fn insert(&mut self, state: &str) -> bool {
        if self.0.iter().any(|known| known == state) {
            return false;
        }
        if self.0.len() >= COMPLETED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(state.to_owned());
        true
    }
}

/// A sign-in that has begun. The browser keeps it, so that people who only begin cannot fill the pod's memory.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    at_s: u64,
}

/// A session. Roles were checked when it was made; a change of the configuration ends it.
#[derive(Debug, Serialize, Deserialize)]
struct Session {
    until_s: u64,
    fields: Vec<(String, String)>,
}

impl SignIn {
    pub(super) fn new(config: &Login, background: &Background) -> Result<Self, String> {
        let within = |why: String| format!("login: {why}");
        let keys = IssuerKeys::open(config.issuer.as_str(), config.ca_file.as_deref(), background).map_err(within)?;
        let public_url = config.public_url.as_str().trim_end_matches('/');
        let secret = config.client_secret_file.as_deref().map(read).transpose().map_err(within)?;
        let client_secret = secret.map(|text| String::from_utf8_lossy(text.trim_ascii()).into_owned());
        let key = match config.key_file.as_deref() {
            Some(file) => read(file).map_err(within)?,
            None => rand::random::<[u8; KEY_BYTES_MIN]>().to_vec(),
        };
        if key.len() < KEY_BYTES_MIN {
            return Err(format!("login: the key file has {} bytes, and must have {KEY_BYTES_MIN} or more", key.len()));
        }
        let configuration = serde_json::to_string(config).map_err(|why| why.to_string())?;
        let flow = CodeFlow {
            provider: keys.provider(),
            client_id: config.client_id.clone(),
            client_secret,
            scopes: config.scopes.clone(),
            redirect_uri: format!("{public_url}{LOGIN_PREFIX}callback"),
            signed_out_uri: format!("{public_url}{LOGIN_PREFIX}signed-out"),
        };
        let inner = Inner {
            keys,
            flow,
            rules: ClaimRules::new(&config.roles, &config.client_roles, &[], &config.forward),
            sealer: Sealer::new(&key, &configuration),
            channel: if public_url.starts_with("https://") { Channel::Tls } else { Channel::Plain },
            session: config.session.0,
            exchanges: Semaphore::new(EXCHANGES_MAX),
            completed: Mutex::default(),
            background: background.clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let open = fs::File::open(file).and_then(|open| open.take(SECRET_BYTES_MAX).read_to_end(&mut bytes));
    open.map(|_| bytes).map_err(|why| format!("read {file}: {why}"))
}

impl Decorator for SignIn {
    fn name(&self) -> &'static str {
        "login"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        let inner = &self.inner;
        inner.rules.strip(request);
        let asked = Asked::from_request(request);
        // A planted cookie does not open, and must not hide the genuine one.
        let mut sessions = inner.channel.values(Cookie::Session, request);
        let session = sessions.find_map(|value| inner.sealer.open::<Session>(Purpose::Session, value));
        let session = session.filter(|session| now_s() < session.until_s);
        match asked {
            Asked::Service => {}
            Asked::Begin { next } => return begin(inner, next),
            Asked::Callback { code, state } => {
                let mut flows = inner.channel.values(Cookie::Flow, request);
                let begun = flows.find_map(|value| inner.sealer.open::<Begun>(Purpose::Flow, value));
                return inner.complete(code, &state, begun);
            }
            Asked::SignOut => return Step::Answer(inner.sign_out()),
            Asked::SignedOut => return Step::Answer(pages::signed_out()),
            Asked::Nothing => return Step::Answer(pages::nothing()),
        }
        match session {
            Some(session) => {
                inner.channel.strip(request);
                for (name, value) in session.fields {
                    request.set(name, value);
                }
                Step::Pass
            }
            None if asked::is_navigation(request) => begin(inner, request.target().to_owned()),
            None => Step::Answer(pages::no_session(inner.flow.provider.issuer())),
        }
    }

    fn failure_mode(&self) -> FailureMode {
        FailureMode::Closed
    }
}

/// Leads the browser to the provider, at once if its addresses are known.
fn begin(inner: &Arc<Inner>, next: String) -> Step {
    if let Some(known) = inner.keys.known() {
        return Step::Answer(inner.lead_there(&known, &next));
    }
    let inner = Arc::clone(inner);
    Step::Hold(Box::pin(async move {
        inner.keys.fetched().await;
        Released::Answer(match inner.keys.known() {
            Some(known) => inner.lead_there(&known, &next),
            None => pages::provider_away(),
        })
    }))
}

impl Inner {
    fn lead_there(&self, known: &Known, next: &str) -> Answer {
        let random = || rand::random::<[u8; 32]>().map(|byte| format!("{byte:02x}")).concat();
        let next = own_path(next);
        let begun = Begun { state: random(), nonce: random(), verifier: random(), next, at_s: now_s() };
        let proof = Proof { state: &begun.state, nonce: &begun.nonce, verifier: &begun.verifier };
        let (there, sealed) = (self.flow.begin(&known.endpoints, proof), self.sealer.seal(Purpose::Flow, &begun));
        match (there, sealed) {
            (Ok(there), Some(sealed)) => pages::lead_to(there).with("Set-Cookie", self.channel.set(Cookie::Flow, &sealed, FLOW)),
            (Err(why), _) => {
                tracing::error!("the OpenID provider cannot be used: {why}");
                pages::provider_away()
            }
            (Ok(_), None) => pages::not_begun(),
        }
    }

    /// Completes a sign-in on the background runtime, if this browser has begun it.
    fn complete(self: &Arc<Self>, code: String, state: &str, begun: Option<Begun>) -> Step {
        let is_current = |begun: &Begun| now_s().saturating_sub(begun.at_s) < FLOW.as_secs();
        // The cookie is encrypted, so its state is known only to this pod and the provider: the comparison gives nothing away.
        let begun = begun.filter(|begun| is_current(begun) && begun.state == state);
        let ended = self.channel.set(Cookie::Flow, "", Duration::ZERO);
        let Some(begun) = begun else { return Step::Answer(pages::not_begun().with("Set-Cookie", ended)) };
        if code.is_empty() {
            return Step::Answer(pages::cancelled().with("Set-Cookie", ended));
        }
        // The provider takes a code once, so a second request with the same state is a replay or a flood.
        if !self.completed.lock().unwrap_or_else(PoisonError::into_inner).insert(&begun.state) {
            return Step::Answer(pages::not_begun().with("Set-Cookie", ended));
        }
        let inner = Arc::clone(self);
        Step::Hold(Box::pin(async move {
            let answer = tokio::time::timeout(EXCHANGE_MAX, inner.exchange_in_turn(code, begun)).await;
            Released::Answer(answer.unwrap_or_else(|_| pages::provider_away()).with("Set-Cookie", ended))
        }))
    }

    /// Waits for a place, and exchanges the code on the background runtime. The exchange ends with the request: its owner is
    /// kept in what holds it.
    async fn exchange_in_turn(self: Arc<Self>, code: String, begun: Begun) -> Answer {
        let Ok(_place) = self.exchanges.acquire().await else { return pages::provider_away() };
        let (sender, answer) = oneshot::channel();
        let inner = Arc::clone(&self);
        let _owner = self.background.spawn(async move {
            let answer = inner.exchange(&code, &begun).await;
            let _ = sender.send(answer);
        });
        answer.await.unwrap_or_else(|_| pages::provider_away())
    }

    async fn exchange(&self, code: &str, begun: &Begun) -> Answer {
        let proof = Proof { state: &begun.state, nonce: &begun.nonce, verifier: &begun.verifier };
        let user = match self.flow.complete(code, proof, |claims| self.rules.has_paths(claims)).await {
            Ok(user) => user,
            Err(why) => {
                tracing::error!("a sign-in at the OpenID provider failed: {why}");
                return match why {
                    CodeFlowError::Provider(_) => pages::provider_away(),
                    CodeFlowError::Token(_) => pages::not_begun(),
                };
            }
        };
        let fields = match self.rules.fields(&user.claims) {
            Ok(fields) => fields.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            Err(ClaimFault::Missing) => return pages::no_role(),
            Err(ClaimFault::TooLarge(claim)) => return pages::too_large(&claim),
        };
        let session = Session { until_s: now_s().saturating_add(self.session.as_secs()), fields };
        match self.sealer.seal(Purpose::Session, &session) {
            Some(sealed) => {
                pages::lead_to(begun.next.clone()).with("Set-Cookie", self.channel.set(Cookie::Session, &sealed, self.session))
            }
            None => pages::too_large("their sum"),
        }
    }

    /// Ends the session, and leads to the provider's own sign-out (OpenID Connect RP-Initiated Logout 1.0).
    fn sign_out(&self) -> Answer {
        let there = self.keys.known().and_then(|known| self.flow.sign_out(&known.endpoints, None));
        let there = there.map_or_else(|| Cow::from(format!("{LOGIN_PREFIX}signed-out")), Cow::from);
        pages::lead_to(there).with("Set-Cookie", self.channel.set(Cookie::Session, "", Duration::ZERO))
    }
}

/// Seconds since the Unix epoch.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
