//! Describes the sidecar as a container of a pod.

use serde_json::{Value, json};

use crate::settings::{AuthoritySource, Credentials, InjectionSettings, TokenSource};

/// The name of the injected container.
pub(crate) const NAME: &str = "sitio-sidecar";

/// The name of the init container that redirects the application's port.
pub(crate) const REDIRECT_NAME: &str = "sitio-redirect";

/// The volume with the sidecar's token.
pub(crate) const VOLUME: &str = "sitio-credentials";

/// Where the volume is mounted.
const FOLDER: &str = "/var/run/secrets/sitio";

/// The audience of a service account's token, so that it is of no use to other programs.
const AUDIENCE: &str = "sitio";

/// How long a service account's token is valid, in seconds. The kubelet renews it after four fifths of the time.
const TOKEN_SECONDS: u32 = 3600;

/// How long Kubernetes lets a pod end if it does not say, in seconds.
const POD_GRACE_SECONDS: u64 = 30;

/// How long the sidecar drains at most, in seconds: half of what a pod has by default, because Kubernetes asks the
/// sidecar to end only once the application has ended.
const DRAIN_SECONDS_MAX: u64 = 15;

/// The ports of a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SidecarPorts {
    /// Where it listens for traffic.
    pub(crate) port: u16,
    /// Where the application listens.
    pub(crate) target: u16,
    /// For health, metrics and stats.
    pub(crate) admin: u16,
    /// Which container declares the port for traffic.
    pub(crate) declared: Declared,
}

/// Which container declares the sidecar's port. Kubernetes warns about a port that two containers declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    /// The sidecar.
    BySidecar,
    /// The application, whose declaration was moved to the sidecar's port.
    ByApplication,
}

/// The native sidecar for a pod, an init container that keeps running.
///
/// Its startup probe asks `/livez`, because Kubernetes starts the application only when the probe has succeeded, and
/// `/readyz` waits for the application. There is no `preStop` hook, and its probes never ask the application whether it
/// lives, so they cannot keep a pod from ending.
pub(crate) fn container(spec: &Value, ports: SidecarPorts, settings: &InjectionSettings) -> Value {
    let mut container = json!({
        "name": NAME,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "env": variables(spec, ports, settings),
        "ports": declared(ports),
        "startupProbe": probe("/livez", ports.admin, json!({"periodSeconds": 1, "failureThreshold": 30})),
        "livenessProbe": probe("/livez", ports.admin, json!({"periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 3})),
        "readinessProbe": probe("/readyz", ports.admin, json!({"periodSeconds": 2, "timeoutSeconds": 2})),
        // As in `deploy/`. The sidecar derives its own bounds from these limits.
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
        "securityContext": security(spec),
    });
    if credentials_volume(&settings.credentials).is_some() {
        container["volumeMounts"] = json!([{"name": VOLUME, "mountPath": FOLDER, "readOnly": true}]);
    }
    container
}

/// The init container that makes the kernel redirect the application's port to the sidecar, and the probes' port to the
/// application. It ends before the sidecar starts.
///
/// It runs as user 0, because Kubernetes gives a capability to other users only as a bound.
pub(crate) fn redirect(ports: SidecarPorts, probe_port: u16, settings: &InjectionSettings) -> Value {
    json!({
        "name": REDIRECT_NAME,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["redirect", format!("{}:{}", ports.target, ports.port), format!("{probe_port}:{}", ports.target)],
        // It runs for some milliseconds. The quotas of many projects require these.
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": false,
            "runAsUser": 0,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    })
}

/// The volume with a service account's token and the published authority, as far as the sidecar gets them in files.
///
/// The ConfigMap may be missing: the pod starts, and the sidecar connects once the kubelet has put the file there.
pub(crate) fn credentials_volume(credentials: &Credentials) -> Option<Value> {
    let token = (credentials.token == TokenSource::ServiceAccount)
        .then(|| json!({"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}}));
    let authority = match &credentials.authority {
        AuthoritySource::ConfigMap(name) => {
            let items = [json!({"key": "ca.crt", "path": "ca.crt"})];
            Some(json!({"configMap": {"name": name, "optional": true, "items": items}}))
        }
        AuthoritySource::Text(_) | AuthoritySource::System => None,
    };
    let sources: Vec<Value> = token.into_iter().chain(authority).collect();
    (!sources.is_empty()).then(|| json!({"name": VOLUME, "projected": {"sources": sources}}))
}

fn variables(spec: &Value, ports: SidecarPorts, settings: &InjectionSettings) -> Vec<Value> {
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(POD_GRACE_SECONDS);
    let drain_seconds = (grace / 2).min(DRAIN_SECONDS_MAX);
    let mut variables = vec![
        variable("PORT", ports.port),
        variable("TARGET_PORT", ports.target),
        variable("SITIO_ADMIN_PORT", ports.admin),
        variable("SITIO_CONTROL_PLANE", &settings.control_plane),
    ];
    if settings.control_plane.starts_with("http://") {
        variables.push(variable("SITIO_ALLOW_PLAINTEXT", true));
    }
    variables.extend(credentials(&settings.credentials));
    // A native sidecar is asked to end when the application has ended, so nothing is gained by listening on.
    variables.extend([variable("SITIO_DRAIN_GRACE", "0s"), variable("SITIO_DRAIN_TIMEOUT", format!("{drain_seconds}s"))]);
    let described = [
        ("POD_NAME", "metadata.name"),
        ("POD_NAMESPACE", "metadata.namespace"),
        ("POD_UID", "metadata.uid"),
        ("POD_IP", "status.podIPs"),
        ("NODE_NAME", "spec.nodeName"),
    ];
    variables.extend(described.map(|(name, field)| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}})));
    variables
}

/// The variables of token and authority.
///
/// A pod starts although its Secret or ConfigMap is missing: traffic does not wait for the control plane.
fn credentials(credentials: &Credentials) -> Vec<Value> {
    let token = match &credentials.token {
        TokenSource::Secret(name) => {
            json!({"name": "SITIO_TOKEN", "valueFrom": {"secretKeyRef": {"name": name, "key": "token", "optional": true}}})
        }
        TokenSource::ServiceAccount => variable("SITIO_TOKEN_FILE", format!("{FOLDER}/token")),
    };
    let authority = match &credentials.authority {
        AuthoritySource::ConfigMap(_) => Some(variable("SITIO_CA_FILE", format!("{FOLDER}/ca.crt"))),
        AuthoritySource::Text(pem) => Some(variable("SITIO_CA", pem)),
        AuthoritySource::System => None,
    };
    [token].into_iter().chain(authority).collect()
}

fn declared(ports: SidecarPorts) -> Vec<Value> {
    let admin = json!({"name": "sitio-admin", "containerPort": ports.admin});
    match ports.declared {
        Declared::BySidecar => vec![json!({"name": "sitio", "containerPort": ports.port}), admin],
        Declared::ByApplication => vec![admin],
    }
}

fn variable(name: &str, value: impl ToString) -> Value {
    json!({"name": name, "value": value.to_string()})
}

fn probe(path: &str, port: u16, times: Value) -> Value {
    let mut probe = json!({"httpGet": {"path": path, "port": port}});
    if let (Some(probe), Value::Object(times)) = (probe.as_object_mut(), times) {
        probe.extend(times);
    }
    probe
}

/// The strictest context, without a user or group: OpenShift assigns them, and refuses all others.
///
/// Where the pod itself asks for root, `runAsNonRoot` would keep the sidecar from starting; it then runs as root, without
/// any capability.
fn security(spec: &Value) -> Value {
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if spec["securityContext"]["runAsUser"] == 0
        && let Some(context) = context.as_object_mut()
    {
        context.shift_remove("runAsNonRoot");
    }
    context
}
