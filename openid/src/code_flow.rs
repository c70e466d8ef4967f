//! Sign-in at a provider: authorization code with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636).
//!
//! The `openidconnect` crate would bring 50 crates, second versions of sha2, digest and rand, and `rsa`, which has an open
//! advisory. What is here is three requests and their checks.

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use decorators::provider_url::ProviderUrl;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::key_set::{Expected, KeySet, LEEWAY};
use crate::provider::{Endpoints, Provider, ProviderError, json};

/// A client of a provider, by which people sign in.
#[derive(Debug)]
pub struct CodeFlow {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The id of the client.
    pub client_id: String,
    /// Its secret; a public client has none.
    pub client_secret: Option<String>,
    /// What is asked of the provider.
    pub scopes: String,
    /// Where the provider leads back to.
    pub redirect_uri: String,
    /// Where the provider leads back to after a sign-out.
    pub signed_out_uri: String,
}

/// What belongs together in one sign-in. All are random.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// Compared with what comes back, so that no other page can complete a sign-in (RFC 6749, section 10.12).
    pub state: &'a str,
    /// Compared with the id token, so that no token of another sign-in is accepted.
    pub nonce: &'a str,
    /// Proves to the provider that the code is used by who asked for it (RFC 7636).
    pub verifier: &'a str,
}

/// A user who has signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The user's id at the provider.
    pub subject: String,
    /// The claims, of the id token or of the user information.
    pub claims: Value,
    /// The id token.
    pub id_token: String,
}

/// Why a code is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum CodeFlowError {
    /// The provider cannot be used now.
    #[error("{0}")]
    Provider(#[from] ProviderError),
    /// The provider's token is wrong.
    #[error("the provider's id token is refused: {0}")]
    Token(String),
}

#[derive(Deserialize)]
struct TokenResponse {
    id_token: String,
    access_token: Option<String>,
}

/// Adds the claims that the id token has not. Its own are signed, and stay.
fn add_absent(claims: &mut Value, info: Value) {
    if let (Some(claims), Value::Object(info)) = (claims.as_object_mut(), info) {
        for (name, value) in info {
            claims.entry(name).or_insert(value);
        }
    }
}

impl CodeFlow {
    /// The address at the provider that begins a sign-in.
    pub fn begin(&self, endpoints: &Endpoints, proof: Proof<'_>) -> Result<String, ProviderError> {
        let challenge = ring::digest::digest(&ring::digest::SHA256, proof.verifier.as_bytes());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(challenge.as_ref());
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scopes),
            ("state", proof.state),
            ("nonce", proof.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        with_query(&endpoints.authorization_endpoint, &parameters)
    }

    /// Exchanges a code for the user's claims, and checks them. Claims that the id token has not, by `has_wanted`, are asked for.
    pub async fn complete(
        &self,
        code: &str,
        proof: Proof<'_>,
        has_wanted: impl Fn(&Value) -> bool,
    ) -> Result<SignedIn, CodeFlowError> {
        let endpoints = self.provider.endpoints().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", proof.verifier),
        ];
        let request = self.provider.http().post(&endpoints.token_endpoint);
        let request = if let Some(secret) = &self.client_secret {
            // RFC 6749, section 2.3.1: both parts are form-encoded first.
            request.basic_auth(form_encoded(&self.client_id), Some(form_encoded(secret)))
        } else {
            form.push(("client_id", &self.client_id));
            request
        };
        let body = form.iter().map(|(name, value)| format!("{name}={}", form_encoded(value))).collect::<Vec<_>>().join("&");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let tokens: TokenResponse = json(request, &endpoints.token_endpoint).await?;
        let mut claims = self.verified(&tokens.id_token, proof.nonce, &endpoints.issuer).await?;
        let subject = claims["sub"].as_str().unwrap_or_default().to_owned();
        if !has_wanted(&claims)
            && let (Some(userinfo), Some(access_token)) = (&endpoints.userinfo_endpoint, &tokens.access_token)
        {
            // Providers leave claims out of the id token; this answer comes from the provider itself, over TLS.
            let info: Result<Value, _> = json(self.provider.http().get(userinfo).bearer_auth(access_token), userinfo).await;
            // Without it, what the id token has is enough or is not.
            if let Ok(info) = info {
                if info["sub"] != *subject {
                    return Err(CodeFlowError::Token("the user information is of another user".to_owned()));
                }
                add_absent(&mut claims, info);
            }
        }
        Ok(SignedIn { subject, claims, id_token: tokens.id_token })
    }

    /// The claims of an id token (OpenID Connect Core 1.0, section 3.1.3.7).
    async fn verified(&self, id_token: &str, nonce: &str, issuer: &str) -> Result<Value, CodeFlowError> {
        let wrong = |why: &str| CodeFlowError::Token(why.to_owned());
        let kid = KeySet::kid_of(id_token).map_err(|fault| wrong(&fault.to_string()))?;
        let key = self.provider.key(kid.as_deref()).await?;
        let key = key.ok_or_else(|| wrong("it is signed by a key that the provider does not publish"))?;
        let expected = Expected { issuer: issuer.to_owned(), audience: vec![self.client_id.clone()], leeway: LEEWAY };
        let claims: Value = key.verify(id_token, &expected).map_err(|fault| wrong(&fault.to_string()))?;
        if claims["nonce"] != *nonce {
            return Err(wrong("it belongs to another sign-in"));
        }
        let has_others = claims["aud"].as_array().is_some_and(|audiences| audiences.len() > 1);
        let is_ours = match &claims["azp"] {
            Value::Null => !has_others,
            azp => *azp == *self.client_id,
        };
        if is_ours { Ok(claims) } else { Err(wrong("it was issued to another client")) }
    }

    /// The address at the provider that ends the sign-in there, too (OpenID Connect RP-Initiated Logout 1.0). Without the id
    /// token, the provider asks the user.
    pub fn sign_out(&self, endpoints: &Endpoints, id_token: Option<&str>) -> Option<String> {
        let mut parameters =
            vec![("client_id", self.client_id.as_str()), ("post_logout_redirect_uri", self.signed_out_uri.as_str())];
        parameters.extend(id_token.map(|token| ("id_token_hint", token)));
        with_query(endpoints.end_session_endpoint.as_ref()?, &parameters).ok()
    }
}

fn with_query(address: &str, parameters: &[(&str, &str)]) -> Result<String, ProviderError> {
    let wrong = |why: String| ProviderError::Answer { what: address.to_owned(), why };
    ProviderUrl::check(address).map_err(wrong)?;
    let mut url: Url = address.parse().map_err(|error| wrong(format!("it is no address: {error}")))?;
    url.query_pairs_mut().extend_pairs(parameters);
    Ok(url.into())
}

/// Encodes a value of a form (WHATWG URL, `application/x-www-form-urlencoded`).
fn form_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
        let _ = if is_plain { write!(encoded, "{}", byte as char) } else { write!(encoded, "%{byte:02X}") };
        encoded
    })
}
