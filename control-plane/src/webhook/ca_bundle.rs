//! Keeps the CA bundle of the MutatingWebhookConfiguration current, so that the API server trusts the certificate.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::kubernetes_api::{KubernetesApi, KubernetesApiError};

/// How often the bundle is compared. A manifest that is applied anew, or restored, may hold another one; until the next
/// comparison, pods start without a sidecar.
const COMPARE_EVERY: Duration = Duration::from_secs(30);

/// Why the bundle could not be published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// There is nothing to publish it in.
    #[error("there is no MutatingWebhookConfiguration {0}: apply deploy/components/webhook, or set SITIO_WEBHOOK_NAME")]
    Missing(String),
    /// The API cannot be asked, or refuses.
    #[error(transparent)]
    Api(#[from] KubernetesApiError),
}

/// Publishes the bundle, in PEM, until drained. Only the first failure in a row is logged.
pub(crate) async fn keep(bundle: String, api: KubernetesApi, configuration: String, drain: CancellationToken) {
    let mut ticks = tokio::time::interval(COMPARE_EVERY);
    let mut is_published = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = drain.cancelled() => return,
        }
        let published = tokio::select! {
            published = publish(&api, &configuration, &bundle) => published,
            () = drain.cancelled() => return,
        };
        let was_published = is_published.replace(published.is_ok());
        match published {
            Ok(()) if was_published != Some(true) => tracing::info!("the API server trusts the webhook: new pods get sidecars"),
            Err(error) if was_published != Some(false) => {
                let error = anyhow::Error::new(error);
                tracing::error!("cannot publish the webhook's CA bundle, so pods start without a sidecar: {error:#}");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Sets the bundle of each webhook of the configuration, if it is another one.
pub(crate) async fn publish(api: &KubernetesApi, configuration: &str, bundle: &str) -> Result<(), PublishError> {
    let path = format!("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{configuration}");
    let found = api.find(&path).await?.ok_or_else(|| PublishError::Missing(configuration.to_owned()))?;
    let bundle = Value::from(BASE64_STANDARD.encode(bundle));
    let webhooks: Vec<&Value> = found["webhooks"].as_array().into_iter().flatten().collect();
    if webhooks.iter().all(|webhook| webhook["clientConfig"]["caBundle"] == bundle) {
        return Ok(());
    }
    let bundles: Vec<Value> =
        webhooks.iter().map(|webhook| json!({"name": webhook["name"], "clientConfig": {"caBundle": bundle}})).collect();
    // Server-side apply sets exactly these fields, and leaves all others to their owners.
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": configuration},
        "webhooks": bundles,
    });
    api.apply(&path, &object).await?;
    Ok(())
}
