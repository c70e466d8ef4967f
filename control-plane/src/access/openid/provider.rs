//! The provider's endpoints and keys (OpenID Connect Discovery 1.0), fetched when they are needed and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::access::openid::settings::OpenIdSettings;
use crate::fetched::Fetched;
use crate::jwt_crypto;
use crate::jwt_crypto::signing_key;

/// How long one request to the provider may take. A person is waiting.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a response.
const RESPONSE_BYTES_MAX: usize = 256 << 10;

/// Keys that are read. A provider has a few.
const KEYS_MAX: usize = 64;

/// A provider that may be fetched.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    http: Client,
    known: Fetched<Known>,
}

#[derive(Debug)]
struct Known {
    endpoints: Arc<Endpoints>,
    keys: JwkSet,
}

/// The provider's endpoints.
#[derive(Debug, Deserialize)]
pub(super) struct Endpoints {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) end_session_endpoint: Option<String>,
}

/// Why the provider gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// It cannot be reached.
    #[error("{what}: {why}")]
    Unreachable { what: String, why: String },
    /// Its answer is no answer.
    #[error("{what}: {why}")]
    Answer { what: String, why: String },
}

impl Provider {
    /// Nothing is fetched yet: a control plane starts without its provider.
    pub(super) fn new(settings: &OpenIdSettings, issuer: String) -> Result<Self, String> {
        jwt_crypto::install();
        // It fails only if another part of the program has chosen ring already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().timeout(REQUEST_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let builder = match settings.authorities()? {
            Some(certificates) => builder.tls_certs_only(certificates),
            // Without TLS, as in tests, the system's certificates are not needed.
            None if issuer.starts_with("http://") => builder.tls_certs_only([]),
            None => builder,
        };
        let http = builder.build().map_err(|error| format!("make a client for {issuer}: {error}"))?;
        Ok(Self { issuer, http, known: Fetched::default() })
    }

    /// The client for requests to the provider.
    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    /// The issuer.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The endpoints.
    pub(super) async fn endpoints(&self) -> Result<Arc<Endpoints>, ProviderError> {
        Ok(Arc::clone(&self.known(|_| true).await?.endpoints))
    }

    /// The key that signs a token with this header, and the algorithm that the key is for.
    pub(super) async fn key(&self, kid: Option<&str>) -> Result<Option<(DecodingKey, Algorithm)>, ProviderError> {
        let find = |keys: &JwkSet| match kid {
            Some(kid) => keys.find(kid).and_then(signing_key),
            None => keys.keys.iter().find_map(signing_key).filter(|_| keys.keys.len() == 1),
        };
        Ok(find(&self.known(|known| find(&known.keys).is_some()).await?.keys))
    }

    async fn known(&self, has_wanted: impl Fn(&Known) -> bool) -> Result<Arc<Known>, ProviderError> {
        let known = self.known.get(has_wanted, self.fetch()).await;
        known.map_err(|why| ProviderError::Unreachable { what: self.issuer.clone(), why })
    }

    async fn fetch(&self) -> Result<Known, ProviderError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let endpoints: Endpoints = json(self.http.get(&url), &url).await?;
        if endpoints.issuer.trim_end_matches('/') != self.issuer.trim_end_matches('/') {
            let why = format!("it is the configuration of another issuer, {}: set SITIO_OIDC_ISSUER to it", endpoints.issuer);
            return Err(ProviderError::Answer { what: url, why });
        }
        let mut keys: JwkSet = json(self.http.get(&endpoints.jwks_uri), &endpoints.jwks_uri).await?;
        keys.keys.truncate(KEYS_MAX);
        Ok(Known { endpoints: Arc::new(endpoints), keys })
    }
}

/// Sends a request and reads its answer, which must be JSON.
pub(super) async fn json<T: DeserializeOwned>(request: RequestBuilder, what: &str) -> Result<T, ProviderError> {
    let unreachable = |error: reqwest::Error| {
        // The text of an error names the address, and no header.
        ProviderError::Unreachable { what: what.to_owned(), why: causes(&error) }
    };
    let answer = |why: String| ProviderError::Answer { what: what.to_owned(), why };
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&part);
        if body.len() > RESPONSE_BYTES_MAX {
            return Err(answer(format!("the response is larger than {} KiB", RESPONSE_BYTES_MAX >> 10)));
        }
    }
    if !status.is_success() {
        // RFC 6749, section 5.2: a code and perhaps a sentence. Nothing else of the body is logged.
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let word = |name: &str| body[name].as_str().unwrap_or_default().chars().take(200).collect::<String>();
        return Err(answer(format!("status {status} {} {}", word("error"), word("error_description")).trim().to_owned()));
    }
    serde_json::from_slice(&body).map_err(|error| answer(format!("the response is not what was expected: {error}")))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}
