//! The keys that sign a cluster's service-account tokens, fetched when they are needed and kept for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::Error;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::jwt_crypto;
use crate::jwt_crypto::signing_key;
use crate::kubernetes_api::{KubernetesApi, KubernetesApiError};

/// Where a cluster publishes its keys, and who issues its tokens (Kubernetes, "Service account issuer discovery").
const KEYS: &str = "/openid/v1/jwks";
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// The age at which keys are fetched again, so that a key that was withdrawn is forgotten.
const KEYS_LAST: Duration = Duration::from_secs(10 * 60);

/// The shortest time between two fetches: tokens with made-up keys must not become requests to the API.
const FETCH_EVERY: Duration = Duration::from_secs(10);

/// The most keys that are read. A cluster has one or two.
const KEYS_MAX: usize = 64;

/// The keys of a cluster.
pub(super) struct KeySet {
    api: KubernetesApi,
    known: Mutex<Known>,
}

/// What the last fetches gave.
#[derive(Default)]
struct Known {
    fetched: Option<FetchedKeys>,
    /// When the last fetch failed, and why.
    failed: Option<(Instant, String)>,
}

struct FetchedKeys {
    by_id: HashMap<String, Arc<IssuerKey>>,
    at: Instant,
}

/// A key, and the issuer whose tokens it signs.
pub(super) struct IssuerKey {
    key: DecodingKey,
    algorithm: Algorithm,
    issuer: String,
}

impl KeySet {
    pub(super) fn new(api: KubernetesApi) -> Self {
        jwt_crypto::install();
        Self { api, known: Mutex::default() }
    }

    /// The key of this id. Keys are fetched again if they are old, or if it is unknown.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<Arc<IssuerKey>>, KubernetesApiError> {
        // Held during a fetch, so that many sidecars at once cause one.
        let mut known = self.known.lock().await;
        let Known { fetched, failed } = &mut *known;
        if let Some(keys) = fetched {
            let key = keys.by_id.get(kid);
            let is_fresh = keys.at.elapsed() < if key.is_some() { KEYS_LAST } else { FETCH_EVERY };
            if is_fresh {
                return Ok(key.cloned());
            }
        } else if let Some((at, why)) = failed
            && at.elapsed() < FETCH_EVERY
        {
            // Those that have waited for the failed fetch do not each wait for one of their own.
            return Err(KubernetesApiError::Response { request: format!("GET {KEYS}"), what: format!("did not come: {why}") });
        }
        match self.fetch().await {
            Ok(keys) => Ok(fetched.insert(keys).by_id.get(kid).cloned()),
            Err(error) => {
                let Some(keys) = fetched else {
                    *failed = Some((Instant::now(), error.to_string()));
                    return Err(error);
                };
                // An API server that is away for a while does not keep known sidecars out.
                tracing::warn!(%error, "cannot fetch the cluster's keys, so the known ones stay");
                keys.at = Instant::now();
                Ok(keys.by_id.get(kid).cloned())
            }
        }
    }

    async fn fetch(&self) -> Result<FetchedKeys, KubernetesApiError> {
        let wrong =
            |path: &str, what: &str| KubernetesApiError::Response { request: format!("GET {path}"), what: what.to_owned() };
        let configuration = self.api.find(CONFIGURATION).await?.unwrap_or_default();
        let issuer = configuration["issuer"].as_str().ok_or_else(|| wrong(CONFIGURATION, "names no issuer"))?.to_owned();
        let set = self.api.find(KEYS).await?.unwrap_or_default();
        let set: JwkSet = serde_json::from_value(set).map_err(|error| wrong(KEYS, &format!("is no key set: {error}")))?;
        let usable = |jwk: &Jwk| {
            let (key, algorithm) = signing_key(jwk)?;
            Some(Arc::new(IssuerKey { key, algorithm, issuer: issuer.clone() }))
        };
        let by_id = set.keys.iter().take(KEYS_MAX).filter_map(|jwk| Some((jwk.common.key_id.clone()?, usable(jwk)?)));
        Ok(FetchedKeys { by_id: by_id.collect(), at: Instant::now() })
    }
}

impl IssuerKey {
    /// Checks signature, issuer, audience and times, and returns the claims.
    pub(super) fn decode<T: DeserializeOwned>(&self, token: &str, audience: &str) -> Result<T, Error> {
        let mut validation = Validation::new(self.algorithm);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        Ok(decode(token, &self.key, &validation)?.claims)
    }
}
