//! The keys that sign a cluster's service-account tokens.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::errors::Error;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::de::DeserializeOwned;

use crate::fetched::Fetched;
use crate::jwt_crypto;
use crate::jwt_crypto::signing_key;
use crate::kubernetes_api::KubernetesApi;

/// Where a cluster publishes its keys, and who issues its tokens (Kubernetes, "Service account issuer discovery").
const KEYS: &str = "/openid/v1/jwks";
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// The most keys that are read. A cluster has one or two.
const KEYS_MAX: usize = 64;

/// The keys of a cluster.
pub(super) struct KeySet {
    api: KubernetesApi,
    keys: Fetched<Keys>,
}

/// Keys by their id.
type Keys = HashMap<String, Arc<IssuerKey>>;

/// A key, and the issuer whose tokens it signs.
pub(super) struct IssuerKey {
    key: DecodingKey,
    algorithm: Algorithm,
    issuer: String,
}

impl KeySet {
    pub(super) fn new(api: KubernetesApi) -> Self {
        jwt_crypto::install();
        Self { api, keys: Fetched::default() }
    }

    /// The key of this id, if the cluster publishes it; or why its keys are unknown.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<Arc<IssuerKey>>, String> {
        let keys = self.keys.get(|keys| keys.contains_key(kid), self.fetch()).await?;
        Ok(keys.get(kid).cloned())
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let find = async |path| self.api.find(path).await.map_err(|error| format!("{:#}", anyhow::Error::new(error)));
        let configuration = find(CONFIGURATION).await?.unwrap_or_default();
        let issuer = configuration["issuer"].as_str().ok_or_else(|| format!("{CONFIGURATION} names no issuer"))?;
        let set = find(KEYS).await?.unwrap_or_default();
        let set: JwkSet = serde_json::from_value(set).map_err(|error| format!("{KEYS} is no key set: {error}"))?;
        let usable = |jwk: &Jwk| {
            let (key, algorithm) = signing_key(jwk)?;
            Some(Arc::new(IssuerKey { key, algorithm, issuer: issuer.to_owned() }))
        };
        Ok(set.keys.iter().take(KEYS_MAX).filter_map(|jwk| Some((jwk.common.key_id.clone()?, usable(jwk)?))).collect())
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
