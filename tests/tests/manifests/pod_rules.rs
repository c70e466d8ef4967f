//! The security and resource rules for every pod and container in `deploy/`, as the strictest clusters require.

use serde_json::{Value, json};

use super::document::Document;

const LABELS: &str = "carries app.kubernetes.io/name, component and part-of";
const NO_TOKEN: &str = "automountServiceAccountToken is false";
const NO_LINKS: &str = "enableServiceLinks is false";
const NON_ROOT: &str = "runAsNonRoot is true";
const SECCOMP: &str = "seccompProfile is RuntimeDefault";
// OpenShift's restricted-v2 assigns each project its own ids and rejects any other.
const NO_FIXED_USER: &str = "no fixed user or group";
const NO_ESCALATION: &str = "allowPrivilegeEscalation is false";
const NO_PRIVILEGES: &str = "not privileged";
const READ_ONLY_ROOT: &str = "readOnlyRootFilesystem is true";
const NO_CAPABILITIES: &str = "all capabilities are dropped, none added";
const RESOURCES: &str = "requests and limits for CPU and memory";
const PROBES: &str = "startup, liveness and readiness probes";

/// All rules.
pub(crate) const ALL: [&str; 12] = [
    LABELS,
    NO_TOKEN,
    NO_LINKS,
    NON_ROOT,
    SECCOMP,
    NO_FIXED_USER,
    NO_ESCALATION,
    NO_PRIVILEGES,
    READ_ONLY_ROOT,
    NO_CAPABILITIES,
    RESOURCES,
    PROBES,
];

/// The rules that a document breaks, each with its place.
pub(crate) fn broken(document: &Document) -> Vec<String> {
    let mut faults = rules_of(&document.value["metadata"], &[(LABELS, labelled)], &document.place);
    let Some(pod) = document.pod() else { return faults };
    faults.extend(rules_of(pod, &POD_RULES, &format!("{}: pod", document.place)));
    for container in document.containers() {
        let place = format!("{}: container {}", document.place, container["name"].as_str().unwrap_or("(no name)"));
        faults.extend(rules_of(container, &CONTAINER_RULES, &place));
    }
    faults
}

type Rule = (&'static str, fn(&Value) -> bool);

const POD_RULES: [Rule; 5] = [
    (NO_TOKEN, |pod| pod["automountServiceAccountToken"] == false),
    (NO_LINKS, |pod| pod["enableServiceLinks"] == false),
    (NON_ROOT, |pod| pod["securityContext"]["runAsNonRoot"] == true),
    (SECCOMP, |pod| pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"),
    (NO_FIXED_USER, free_user),
];

const CONTAINER_RULES: [Rule; 7] = [
    (NO_FIXED_USER, free_user),
    (NO_ESCALATION, |container| container["securityContext"]["allowPrivilegeEscalation"] == false),
    (NO_PRIVILEGES, |container| matches!(container["securityContext"]["privileged"], Value::Null | Value::Bool(false))),
    (READ_ONLY_ROOT, |container| container["securityContext"]["readOnlyRootFilesystem"] == true),
    (NO_CAPABILITIES, |container| container["securityContext"]["capabilities"] == json!({"drop": ["ALL"]})),
    (RESOURCES, |container| {
        ["requests", "limits"]
            .iter()
            .all(|kind| ["cpu", "memory"].iter().all(|resource| container["resources"][kind][resource].is_string()))
    }),
    (PROBES, |container| ["startupProbe", "livenessProbe", "readinessProbe"].iter().all(|probe| container[probe].is_object())),
];

fn rules_of(value: &Value, rules: &[Rule], place: &str) -> Vec<String> {
    rules.iter().filter(|(_, holds)| !holds(value)).map(|(rule, _)| format!("{place}: breaks the rule: {rule}")).collect()
}

fn labelled(metadata: &Value) -> bool {
    ["name", "component", "part-of"].iter().all(|label| metadata["labels"][format!("app.kubernetes.io/{label}")].is_string())
}

fn free_user(value: &Value) -> bool {
    ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"].iter().all(|field| value["securityContext"][field].is_null())
}
