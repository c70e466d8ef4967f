//! A small OpenID provider for the tour: it signs one user in without asking, with a key that it makes at its start.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::ports::listen_anywhere;

/// The client and the audience of the tour's tokens.
pub(super) const AUDIENCE: &str = "legacy";

/// The one user.
const USER: &str = "ada";

/// How long a token is valid, in seconds: a reader may stay at a step for hours.
const VALID_S: u64 = 24 * 3600;

/// Sign-ins that may be under way.
const CODES_MAX: usize = 64;

/// A provider on loopback.
#[derive(Debug)]
pub(super) struct Provider(Arc<ProviderState>);

#[derive(Debug)]
struct ProviderState {
    address: SocketAddr,
    key: Ed25519KeyPair,
    /// The nonces of sign-ins, by their codes.
    codes: Mutex<HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Authorization {
    redirect_uri: String,
    state: String,
    nonce: String,
}

#[derive(Debug, Deserialize)]
struct TokenRequest {
    code: String,
}

impl Provider {
    /// Listens, with a key of its own.
    pub(super) fn start(tasks: &mut JoinSet<()>) -> anyhow::Result<Self> {
        let (listener, address) = listen_anywhere()?;
        let made = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new());
        let key = made.and_then(|key| Ed25519KeyPair::from_pkcs8(key.as_ref()).map_err(|_| ring::error::Unspecified));
        let key = key.map_err(|_| anyhow!("make a key for the provider of the tour"))?;
        let provider = Arc::new(ProviderState { address, key, codes: Mutex::default() });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&provider));
        let listener = tokio::net::TcpListener::from_std(listener).context("take over the provider's listener")?;
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::warn!(%error, "the provider of the tour has ended");
            }
        });
        Ok(Self(provider))
    }

    /// Its issuer.
    pub(super) fn issuer(&self) -> String {
        self.0.issuer()
    }

    /// An access token for this audience.
    pub(super) fn access_token(&self, audience: &str) -> String {
        self.0.signed("at+jwt", json!({"aud": audience}))
    }
}

impl ProviderState {
    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token (RFC 7515, section 3.1) with Ed25519 (RFC 8037).
    fn signed(&self, kind: &str, mut claims: Value) -> String {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        (claims["iss"], claims["sub"]) = (self.issuer().into(), USER.into());
        (claims["iat"], claims["exp"]) = (now_s.into(), (now_s + VALID_S).into());
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let content = format!("{}.{}", encode(&json!({"alg": "EdDSA", "typ": kind, "kid": "tour"})), encode(&claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.key.sign(content.as_bytes()));
        format!("{content}.{signature}")
    }
}

async fn configuration(State(provider): State<Arc<ProviderState>>) -> Json<Value> {
    let issuer = provider.issuer();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    }))
}

async fn keys(State(provider): State<Arc<ProviderState>>) -> Json<Value> {
    let x = BASE64_URL_SAFE_NO_PAD.encode(provider.key.public_key().as_ref());
    Json(json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "tour", "use": "sig", "alg": "EdDSA"}]}))
}

/// Signs the user in at once. A real provider shows a form here.
async fn authorize(
    State(provider): State<Arc<ProviderState>>,
    Query(asked): Query<Authorization>,
) -> Result<Redirect, StatusCode> {
    let redirect = asked.redirect_uri.strip_prefix("http://127.0.0.1:").ok_or(StatusCode::BAD_REQUEST)?;
    let code = format!("{:032x}", rand::random::<u128>());
    let mut codes = provider.codes.lock().unwrap_or_else(PoisonError::into_inner);
    if codes.len() >= CODES_MAX {
        codes.clear();
    }
    codes.insert(code.clone(), asked.nonce);
    let state = reqwest::Url::parse_with_params("http://a/", [("state", &asked.state)]).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Redirect::to(&format!("http://127.0.0.1:{redirect}?code={code}&{}", state.query().unwrap_or_default())))
}

async fn token(State(provider): State<Arc<ProviderState>>, Form(asked): Form<TokenRequest>) -> Result<Json<Value>, StatusCode> {
    let nonce = provider.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(&asked.code);
    let nonce = nonce.ok_or(StatusCode::BAD_REQUEST)?;
    let id_token = provider.signed("JWT", json!({"aud": AUDIENCE, "nonce": nonce}));
    let access_token = provider.signed("at+jwt", json!({"aud": AUDIENCE}));
    Ok(Json(json!({"token_type": "Bearer", "expires_in": VALID_S, "id_token": id_token, "access_token": access_token})))
}
