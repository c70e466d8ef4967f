//! One YAML document of a manifest, and the fields in it that Kubernetes does not know.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::render::KINDS_WITHOUT_SCHEMA;

/// A document with its place, for error messages.
pub(crate) struct Document {
    /// For example `kubernetes: Deployment sitio`, the beginning of every error message.
    pub(crate) place: String,
    /// The whole document.
    pub(crate) value: Value,
}

impl Document {
    /// The document's `kind`.
    pub(crate) fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or("(no kind)")
    }

    /// The document's `metadata.name`.
    pub(crate) fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or("(no name)")
    }

    /// The fields that the Kubernetes type does not have, or why the document does not parse as its type.
    pub(crate) fn unknown_fields(&self) -> Vec<String> {
        let understood = match self.understood() {
            Ok(understood) => understood,
            Err(reason) => return vec![format!("{}: {reason}", self.place)],
        };
        let mut paths = Vec::new();
        collect_lost(&self.value, &understood, "", &mut paths);
        paths.sort();
        paths.into_iter().map(|path| format!("{}: {path} is unknown", self.place)).collect()
    }

    /// The pod template of the document, if it has one.
    pub(crate) fn pod(&self) -> Option<&Value> {
        self.value.pointer("/spec/template/spec")
    }

    /// The pod's containers and init containers.
    pub(crate) fn containers(&self) -> Vec<&Value> {
        let list = |key: &str| self.pod().and_then(|pod| pod[key].as_array()).into_iter().flatten();
        list("initContainers").chain(list("containers")).collect()
    }

    /// The document after a round trip through its Kubernetes type, which drops unknown fields.
    fn understood(&self) -> Result<Value, String> {
        match (self.value["apiVersion"].as_str().unwrap_or(""), self.kind()) {
            ("v1", "ConfigMap") => through::<ConfigMap>(&self.value),
            ("v1", "PersistentVolumeClaim") => through::<PersistentVolumeClaim>(&self.value),
            ("v1", "Service") => through::<Service>(&self.value),
            ("v1", "ServiceAccount") => through::<ServiceAccount>(&self.value),
            ("apps/v1", "Deployment") => through::<Deployment>(&self.value),
            ("apps/v1", "StatefulSet") => through::<StatefulSet>(&self.value),
            ("v1", "Secret") => through::<Secret>(&self.value),
            ("rbac.authorization.k8s.io/v1", "Role") => through::<Role>(&self.value),
            ("rbac.authorization.k8s.io/v1", "RoleBinding") => through::<RoleBinding>(&self.value),
            ("rbac.authorization.k8s.io/v1", "ClusterRole") => through::<ClusterRole>(&self.value),
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => through::<ClusterRoleBinding>(&self.value),
            ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration") => {
                through::<MutatingWebhookConfiguration>(&self.value)
            }
            ("networking.k8s.io/v1", "Ingress") => through::<Ingress>(&self.value),
            ("networking.k8s.io/v1", "NetworkPolicy") => through::<NetworkPolicy>(&self.value),
            ("policy/v1", "PodDisruptionBudget") => through::<PodDisruptionBudget>(&self.value),
            (_, kind) if KINDS_WITHOUT_SCHEMA.contains(&kind) => Ok(self.value.clone()),
            (version, kind) => Err(format!("{version} {kind} is no kind that this test knows")),
        }
    }
}

/// The documents of one manifest.
pub(crate) fn parse(file: &str, manifest: &str) -> Vec<Document> {
    serde_norway::Deserializer::from_str(manifest)
        .map(|document| {
            // Goes through the YAML library's own value type, which rejects duplicate keys.
            let value = serde_norway::Value::deserialize(document).unwrap_or_else(|error| panic!("{file}: {error}"));
            let value: Value = serde_json::to_value(value).unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut document = Document { place: String::new(), value };
            document.place = format!("{file}: {} {}", document.kind(), document.name());
            document
        })
        .collect()
}

fn through<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, String> {
    let typed: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

fn collect_lost(written: &Value, understood: &Value, path: &str, lost: &mut Vec<String>) {
    match (written, understood) {
        (Value::Object(written), Value::Object(understood)) => {
            for (key, value) in written {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match understood.get(key) {
                    Some(understood) => collect_lost(value, understood, &path, lost),
                    None => lost.push(path),
                }
            }
        }
        (Value::Array(written), Value::Array(understood)) if written.len() == understood.len() => {
            for (index, (written, understood)) in written.iter().zip(understood).enumerate() {
                collect_lost(written, understood, &format!("{path}[{index}]"), lost);
            }
        }
        (written, understood) if written == understood => {}
        _ => lost.push(path.to_owned()),
    }
}
