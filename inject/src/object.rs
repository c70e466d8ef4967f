//! The objects of a document: where the pod of each is described, and its name for messages.

use serde_json::Value;

/// The kinds that describe pods: the API group, the kind, and the path of the pod below the object.
const PODS: [(&str, &str, &str); 9] = [
    ("", "Pod", ""),
    ("", "ReplicationController", "/spec/template"),
    ("apps", "Deployment", "/spec/template"),
    ("apps", "StatefulSet", "/spec/template"),
    ("apps", "DaemonSet", "/spec/template"),
    ("apps", "ReplicaSet", "/spec/template"),
    ("apps.openshift.io", "DeploymentConfig", "/spec/template"),
    ("batch", "Job", "/spec/template"),
    ("batch", "CronJob", "/spec/jobTemplate/spec/template"),
];

/// One object of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// The index of its document.
    pub(crate) document: usize,
    /// The JSON pointer to it in its document: empty, or that of an element of a List.
    pub(crate) path: String,
    /// What it is to an injection.
    pub(crate) role: Role,
    /// For example `Deployment shop/web`.
    pub(crate) place: String,
    /// Its namespace, if it says one.
    pub(crate) namespace: Option<String>,
}

/// What an object is to an injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It describes pods; with the JSON pointer to the pod in the document.
    Pod(String),
    /// A Service.
    Service,
    /// A NetworkPolicy.
    NetworkPolicy,
    /// Anything else, which stays as it is.
    Other,
}

/// The objects of all documents, with Lists unpacked.
pub(crate) fn objects(documents: &[Value]) -> Vec<Object> {
    documents.iter().enumerate().flat_map(|(at, document)| unpacked(at, document)).collect()
}

fn unpacked(document: usize, value: &Value) -> Vec<Object> {
    match (value["kind"].as_str(), value["items"].as_array()) {
        (Some("List"), Some(items)) => {
            items.iter().enumerate().map(|(at, item)| object(document, format!("/items/{at}"), item)).collect()
        }
        _ => vec![object(document, String::new(), value)],
    }
}

fn object(document: usize, path: String, value: &Value) -> Object {
    let kind = value["kind"].as_str().unwrap_or("(no kind)");
    let version = value["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let role = match (group, kind) {
        ("", "Service") => Role::Service,
        ("networking.k8s.io", "NetworkPolicy") => Role::NetworkPolicy,
        _ => PODS
            .iter()
            .find(|(of_group, of_kind, _)| (*of_group, *of_kind) == (group, kind))
            .map_or(Role::Other, |(_, _, pod)| Role::Pod(format!("{path}{pod}"))),
    };
    let metadata = &value["metadata"];
    let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str()).unwrap_or("(no name)");
    let namespace = metadata["namespace"].as_str().map(str::to_owned);
    let place = match &namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    };
    Object { document, path, role, place, namespace }
}

/// Whether a selector, which is not empty, selects these labels.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value))
}
