//! Publishes the control plane's CA in a ConfigMap, from which the sidecars of its namespace mount it.

use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::kubernetes_api::{KubernetesApi, KubernetesApiError};

/// The key of the certificate in the ConfigMap, as Kubernetes names its own.
const KEY: &str = "ca.crt";

/// How often the ConfigMap is written: a person may have deleted or changed it.
const REPEAT_EVERY: Duration = Duration::from_secs(10 * 60);

/// The time until the next attempt after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Where the CA is published.
#[derive(Debug, Clone)]
pub struct CaConfigMap {
    /// The Kubernetes API.
    pub api: KubernetesApi,
    /// The name of the ConfigMap, in the pod's own namespace.
    pub name: String,
}

impl CaConfigMap {
    /// Keeps the CA published until drained. Failures are logged, the same one once.
    pub async fn keep_published(self, ca: String, drain: CancellationToken) {
        drain.run_until_cancelled(self.publish_again_and_again(&ca)).await;
    }

    async fn publish_again_and_again(&self, ca: &str) {
        let mut last_failure = String::new();
        loop {
            let failed = self.publish(ca).await.err();
            let failure = failed.map(|error| format!("{:#}", anyhow::Error::new(error))).unwrap_or_default();
            if failure.is_empty() {
                tracing::debug!(name = self.name, "the CA is published");
            } else if failure != last_failure {
                tracing::error!(name = self.name, "cannot publish the CA in a ConfigMap: {failure}");
            }
            tokio::time::sleep(if failure.is_empty() { REPEAT_EVERY } else { RETRY_AFTER }).await;
            last_failure = failure;
        }
    }

    async fn publish(&self, ca: &str) -> Result<(), KubernetesApiError> {
        let namespace = self.api.namespace()?;
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": self.name, "namespace": namespace },
            "data": { KEY: ca },
        });
        self.api.apply(&format!("/api/v1/namespaces/{namespace}/configmaps/{}", self.name), &object).await?;
        Ok(())
    }
}
