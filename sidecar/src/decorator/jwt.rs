//! `jwt`: lets only requests pass that have a valid access token, and remembers the tokens that it has verified.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use decorators::jwt::{Jwt, TokenField};
use openid::fetched::FETCH_EVERY;
use openid::key_set::{Expected, KeySet, TokenFault};
use openid::provider::Known;
use serde_json::Value;

use crate::decorator::background::Background;
use crate::decorator::claim_rules::{ClaimFault, ClaimRules};
use crate::decorator::issuer_keys::IssuerKeys;
use crate::decorator::jwt::bearer::{Bearer, bearer};
use crate::decorator::jwt::verified_tokens::{Digest, Verified, VerifiedTokens, digest};
use crate::decorator::request::Request;
use crate::decorator::{AddedField, Decorator, FailureMode, Released, Step};
use crate::head::answer::Answer;

mod bearer;
mod verified_tokens;

/// Claims in which providers say what a token is, and kinds that are no access tokens: Keycloak writes `typ`.
const OTHER_KINDS: [&str; 4] = ["ID", "Refresh", "Offline", "Logout"];

pub(super) struct TokenGuard {
    inner: Arc<Inner>,
}

struct Inner {
    keys: IssuerKeys,
    algorithms: Vec<String>,
    expected: Expected,
    rules: ClaimRules,
    token: TokenField,
    verified: VerifiedTokens,
}

/// Why a request does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    /// It has no token.
    NoToken,
    /// It has several `Authorization` fields.
    Ambiguous,
    /// Its token is wrong.
    Invalid(String),
    /// Its token is genuine, and not enough.
    Insufficient,
    /// Tokens cannot be verified now.
    Unavailable,
}

/// What is known of a token.
enum Verdict {
    /// It is accepted, or not.
    Known(Result<Vec<AddedField>, Refusal>),
    /// Its key is unknown.
    KeyUnknown,
}

impl TokenGuard {
    pub(super) fn new(config: &Jwt, background: &Background) -> Result<Self, String> {
        let keys = IssuerKeys::open(config.issuer.as_str(), config.ca_file.as_deref(), background);
        let keys = keys.map_err(|why| format!("jwt: {why}"))?;
        let expected = Expected { issuer: config.issuer.to_string(), audience: config.audience.clone(), leeway: config.leeway.0 };
        let inner = Inner {
            keys,
            algorithms: config.algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect(),
            expected,
            rules: ClaimRules::new(&config.roles, &config.client_roles, &config.scopes, &config.forward),
            token: config.token,
            verified: VerifiedTokens::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Decorator for TokenGuard {
    fn name(&self) -> &'static str {
        "jwt"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        let inner = &self.inner;
        inner.rules.strip(request);
        let token = match bearer(request.head().fields) {
            Bearer::Token(token) => token,
            Bearer::None => return Step::Answer(inner.answer(&Refusal::NoToken)),
            Bearer::Several => return Step::Answer(inner.answer(&Refusal::Ambiguous)),
            Bearer::Malformed(why) => return Step::Answer(inner.answer(&Refusal::Invalid(why.to_owned()))),
        };
        if inner.token == TokenField::Remove {
            request.remove("Authorization");
        }
        match inner.judge(token) {
            Verdict::Known(Ok(fields)) => {
                for (name, value) in fields {
                    request.set(name, value);
                }
                Step::Pass
            }
            Verdict::Known(Err(refusal)) => Step::Answer(inner.answer(&refusal)),
            Verdict::KeyUnknown => Step::Hold(Box::pin(judge_later(Arc::clone(inner), token.to_owned()))),
        }
    }

    fn failure_mode(&self) -> FailureMode {
        FailureMode::Closed
    }
}

/// Judges a token after the keys were fetched.
async fn judge_later(inner: Arc<Inner>, token: String) -> Released {
    inner.keys.fetched().await;
    let refusal = match inner.judge(&token) {
        Verdict::Known(Ok(fields)) => return Released::Pass(fields),
        Verdict::Known(Err(refusal)) => refusal,
        Verdict::KeyUnknown if inner.keys.known().is_none() => Refusal::Unavailable,
        Verdict::KeyUnknown => Refusal::Invalid(TokenFault::UnknownKey.to_string()),
    };
    Released::Answer(inner.answer(&refusal))
}

impl Inner {
    fn judge(&self, token: &str) -> Verdict {
        let Some(known) = self.keys.known() else { return Verdict::KeyUnknown };
        let (digest, now) = (digest(token), now());
        if let Some(verdict) = self.verified.find(&digest, &known, now) {
            return Verdict::Known(verdict.map_err(|()| Refusal::Insufficient));
        }
        match self.verify(token, &known, digest, now) {
            Err(TokenFault::UnknownKey) => Verdict::KeyUnknown,
            Err(fault) => Verdict::Known(Err(Refusal::Invalid(fault.to_string()))),
            Ok(verdict) => Verdict::Known(verdict),
        }
    }

    /// Verifies a token, and remembers it if it is genuine.
    fn verify(
        &self,
        token: &str,
        known: &Arc<Known>,
        digest: Digest,
        now: u64,
    ) -> Result<Result<Vec<AddedField>, Refusal>, TokenFault> {
        let kid = KeySet::kid_of(token)?;
        let key = known.keys.find(kid.as_deref()).ok_or(TokenFault::UnknownKey)?;
        if !self.algorithms.contains(&format!("{:?}", key.algorithm())) {
            return Err(TokenFault::Algorithm);
        }
        let expected = Expected { issuer: known.endpoints.issuer.clone(), ..self.expected.clone() };
        let claims: Value = key.verify(token, &expected)?;
        if claims["typ"].as_str().is_some_and(|kind| OTHER_KINDS.contains(&kind)) {
            return Err(TokenFault::Claim("typ of an access token".to_owned()));
        }
        let ends = claims["exp"].as_f64().unwrap_or_default() as u64;
        let until = ends.saturating_add(self.expected.leeway.as_secs());
        let fields = match self.rules.fields(&claims) {
            Ok(fields) => Ok(fields),
            Err(ClaimFault::Missing) => Err(()),
            Err(ClaimFault::TooLarge(claim)) => {
                return Ok(Err(Refusal::Invalid(format!("its {claim} is too large to be passed on"))));
            }
        };
        self.verified.remember(digest, Verified { until, fields: fields.clone() }, known, now);
        Ok(fields.map_err(|()| Refusal::Insufficient))
    }

    /// The response to a request that does not pass (RFC 6750, section 3).
    fn answer(&self, refusal: &Refusal) -> Answer {
        let realm = format!("Bearer realm=\"{}\"", self.expected.issuer);
        let (status, challenge, text) = match refusal {
            Refusal::NoToken => (401, realm, "This needs an access token in the field Authorization: Bearer.\n".to_owned()),
            Refusal::Ambiguous => {
                let challenge = format!("{realm}, error=\"invalid_request\", error_description=\"several Authorization fields\"");
                (400, challenge, "The request has several Authorization fields.\n".to_owned())
            }
            Refusal::Invalid(why) => {
                let challenge = format!("{realm}, error=\"invalid_token\", error_description=\"{}\"", quotable(why));
                (401, challenge, format!("The access token is refused: {}.\n", quotable(why)))
            }
            Refusal::Insufficient => {
                let scope = match self.rules.scope() {
                    scope if scope.is_empty() => String::new(),
                    scope => format!(", scope=\"{}\"", quotable(&scope)),
                };
                let challenge = format!("{realm}, error=\"insufficient_scope\"{scope}");
                (403, challenge, "The access token has not all roles and scopes that this needs.\n".to_owned())
            }
            Refusal::Unavailable => {
                let answer = Answer::text(503, "Access tokens cannot be verified now: their issuer gives no keys.\n");
                return answer.with("Retry-After", FETCH_EVERY.as_secs().to_string()).with("Cache-Control", "no-store");
            }
        };
        Answer::text(status, text).with("WWW-Authenticate", challenge).with("Cache-Control", "no-store")
    }
}

/// What may stand in a quoted parameter (RFC 6750, section 3).
fn quotable(text: &str) -> String {
    text.chars().filter(|letter| (' '..='~').contains(letter) && !['"', '\\'].contains(letter)).collect()
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
