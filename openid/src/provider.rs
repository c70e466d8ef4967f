//! A provider's endpoints and keys (OpenID Connect Discovery 1.0), fetched when they are needed and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use decorators::provider_url::ProviderUrl;
use reqwest::{Certificate, Client, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fetched::Fetched;
use crate::key_set::{KeySet, SigningKey};

/// How long one request to the provider may take. A person is waiting.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a response.
const RESPONSE_BYTES_MAX: usize = 256 << 10;

/// Bytes of a file with certificates.
const CA_BYTES_MAX: u64 = 1 << 20;

/// A provider that may be fetched.
///
/// Its address is from the operator or from a rule, and every other address is from its own document. All must be `https://`, or
/// `http://` on this machine; no redirect is followed, and time and bytes of each answer are bounded.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    http: Client,
    known: Fetched<Known>,
}

/// What a provider publishes.
#[derive(Debug)]
pub struct Known {
    /// Its endpoints.
    pub endpoints: Arc<Endpoints>,
    /// Its keys.
    pub keys: KeySet,
}

/// A provider's endpoints.
#[derive(Debug, Deserialize)]
pub struct Endpoints {
    /// The issuer, as its tokens name it.
    pub issuer: String,
    /// Where people sign in.
    #[serde(default)]
    pub authorization_endpoint: String,
    /// Where codes are exchanged for tokens.
    #[serde(default)]
    pub token_endpoint: String,
    jwks_uri: String,
    /// Where claims are asked for by a token.
    pub userinfo_endpoint: Option<String>,
    /// Where people sign out.
    pub end_session_endpoint: Option<String>,
}

/// Why the provider gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be reached.
    #[error("{what}: {why}")]
    Unreachable {
        /// The address.
        what: String,
        /// What happened.
        why: String,
    },
    /// Its answer is no answer.
    #[error("{what}: {why}")]
    Answer {
        /// The address.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Provider {
    /// Nothing is fetched yet: a program starts without its provider. Without authorities, those of the system are trusted.
    pub fn new(issuer: &str, authorities: Option<Vec<Certificate>>) -> Result<Self, String> {
        // It fails only if another part of the program has chosen ring already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().timeout(REQUEST_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let builder = match authorities {
            Some(certificates) => builder.tls_certs_only(certificates),
            // Without TLS, as in tests, the system's certificates are not needed.
            None if issuer.starts_with("http://") => builder.tls_certs_only([]),
            None => builder,
        };
        let http = builder.build().map_err(|error| format!("make a client for {issuer}: {}", causes(&error)))?;
        Ok(Self { issuer: issuer.to_owned(), http, known: Fetched::default() })
    }

    /// The client for requests to the provider.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The endpoints.
    pub async fn endpoints(&self) -> Result<Arc<Endpoints>, ProviderError> {
        Ok(Arc::clone(&self.with(|_| true).await?.endpoints))
    }

    /// The key that a token names, if the provider publishes it.
    pub async fn key(&self, kid: Option<&str>) -> Result<Option<Arc<SigningKey>>, ProviderError> {
        Ok(self.with(|known| known.keys.find(kid).is_some()).await?.keys.find(kid).cloned())
    }

    /// What was fetched last and is usable still, without a fetch.
    pub fn known(&self) -> Option<Arc<Known>> {
        self.known.known()
    }

    /// Fetches again if what is known is old or not usable.
    pub async fn refresh(&self) -> Result<Arc<Known>, ProviderError> {
        self.with(|_| true).await
    }

    /// Fetches again although what is known is fresh: it lacks a key. This happens once in ten seconds at most.
    pub async fn refetch(&self) -> Result<Arc<Known>, ProviderError> {
        self.with(|_| false).await
    }

    async fn with(&self, has_wanted: impl Fn(&Known) -> bool) -> Result<Arc<Known>, ProviderError> {
        let known = self.known.get(has_wanted, self.fetch()).await;
        known.map_err(|why| ProviderError::Unreachable { what: self.issuer.clone(), why })
    }

    async fn fetch(&self) -> Result<Known, ProviderError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let endpoints: Endpoints = json(self.http.get(&url), &url).await?;
        if endpoints.issuer.trim_end_matches('/') != self.issuer.trim_end_matches('/') {
            let why = format!("it is the configuration of another issuer, {}: configure that one", endpoints.issuer);
            return Err(ProviderError::Answer { what: url, why });
        }
        let set = json(self.http.get(&endpoints.jwks_uri), &endpoints.jwks_uri).await?;
        let wrong = |why| ProviderError::Answer { what: endpoints.jwks_uri.clone(), why: format!("it is no key set: {why}") };
        let keys = KeySet::from_json(set).map_err(wrong)?;
        Ok(Known { endpoints: Arc::new(endpoints), keys })
    }
}

/// The certificates of a file of authorities.
pub fn authorities(file: &std::path::Path) -> Result<Vec<Certificate>, String> {
    use std::io::Read;
    let whence = |error: std::io::Error| format!("read {}: {error}", file.display());
    let mut pem = Vec::new();
    std::fs::File::open(file).and_then(|open| open.take(CA_BYTES_MAX).read_to_end(&mut pem)).map_err(whence)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{} has no certificate in PEM", file.display())),
    }
}

/// Sends a request and reads its answer, which must be JSON.
pub async fn json<T: DeserializeOwned>(request: RequestBuilder, what: &str) -> Result<T, ProviderError> {
    let answer = |why: String| ProviderError::Answer { what: what.to_owned(), why };
    ProviderUrl::check(what).map_err(answer)?;
    let unreachable = |error: reqwest::Error| {
        // The text of an error names the address, and no header.
        ProviderError::Unreachable { what: what.to_owned(), why: causes(&error) }
    };
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
