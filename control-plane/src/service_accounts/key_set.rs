//! The keys that sign a cluster's service-account tokens.

use std::sync::Arc;

use openid::fetched::Fetched;
use openid::key_set::{Expected, KeySet, LEEWAY, SigningKey};

use crate::kubernetes_api::KubernetesApi;

/// Where a cluster publishes its keys, and who issues its tokens (Kubernetes, "Service account issuer discovery").
const KEYS: &str = "/openid/v1/jwks";
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// The keys of a cluster.
pub(super) struct ClusterKeys {
    api: KubernetesApi,
    known: Fetched<Published>,
}

/// What a cluster publishes.
struct Published {
    issuer: String,
    keys: KeySet,
}

impl ClusterKeys {
    pub(super) fn new(api: KubernetesApi) -> Self {
        Self { api, known: Fetched::default() }
    }

    /// The key of this id with what its tokens must say, if the cluster publishes it; or why its keys are unknown.
    pub(super) async fn find(&self, kid: &str, audience: &str) -> Result<Option<(Arc<SigningKey>, Expected)>, String> {
        let known = self.known.get(|known| known.keys.find(Some(kid)).is_some(), self.fetch()).await?;
        let expected = Expected { issuer: known.issuer.clone(), audience: vec![audience.to_owned()], leeway: LEEWAY };
        Ok(known.keys.find(Some(kid)).map(|key| (Arc::clone(key), expected)))
    }

    async fn fetch(&self) -> Result<Published, String> {
        let find = async |path| self.api.find(path).await.map_err(|error| format!("{:#}", anyhow::Error::new(error)));
        let configuration = find(CONFIGURATION).await?.unwrap_or_default();
        let issuer = configuration["issuer"].as_str().ok_or_else(|| format!("{CONFIGURATION} names no issuer"))?;
        let keys = KeySet::from_json(find(KEYS).await?.unwrap_or_default());
        let keys = keys.map_err(|error| format!("{KEYS} is no key set: {error}"))?;
        Ok(Published { issuer: issuer.to_owned(), keys })
    }
}
