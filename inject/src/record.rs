//! The annotation that records an injection, from which it is taken back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The annotation with the record, on the pod or on the Service.
pub(crate) const INJECTED: &str = "sitio.dev/injected";

/// What was changed in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodRecord {
    /// The application's port.
    pub(crate) target_port: u16,
    /// The sidecar's port. No container declared it before, so every declaration of it stems from the injection.
    pub(crate) sidecar_port: u16,
    /// The port by which probes reach the application past a redirection. Without one, its port is not redirected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) probe_port: Option<u16>,
    /// The ports that probes and handlers used, by container and field: `web/livenessProbe/httpGet/port`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) named: Map<String, Value>,
}

/// The change of one port of a Service. The record of a Service is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TargetRecord {
    /// The port of the Service, by which it is found again.
    pub(crate) port: u16,
    /// Its `targetPort` before, or null if it had none.
    pub(crate) target: Option<u16>,
    /// Its `targetPort` since: the sidecar's port.
    pub(crate) sidecar_port: u16,
}

/// A record as the value of the annotation.
pub(crate) fn write(record: &impl Serialize) -> Value {
    serde_json::to_string(record).expect("a record is numbers and texts").into()
}

/// The record in an object's or a pod's `metadata`, if there is one.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(metadata: &Value) -> Result<Option<T>, Refusal> {
    match &metadata["annotations"][INJECTED] {
        Value::Null => Ok(None),
        Value::String(text) => serde_json::from_str(text).map(Some).map_err(|error| Refusal::Record(error.to_string())),
        other => Err(Refusal::Record(format!("it is {other}, not a text"))),
    }
}
