//! The rules for every pod and container in `deploy/`: what the strictest clusters require, and what schemas do not check.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::Document;

const LABELS: &str = "carries app.kubernetes.io/name, component and part-of";
const NO_TOKEN: &str = "automountServiceAccountToken is false";
const NO_LINKS: &str = "enableServiceLinks is false";
const NON_ROOT: &str = "runAsNonRoot is true";
const SECCOMP: &str = "seccompProfile is RuntimeDefault";
/// OpenShift's restricted-v2 assigns each project its own ids and rejects any other.
pub(crate) const NO_FIXED_USER: &str = "no fixed user or group";
const NO_ESCALATION: &str = "allowPrivilegeEscalation is false";
const NO_PRIVILEGES: &str = "not privileged";
const READ_ONLY_ROOT: &str = "readOnlyRootFilesystem is true";
pub(crate) const NO_CAPABILITIES: &str = "all capabilities are dropped, none added";
const RESOURCES: &str = "requests and limits for CPU and memory";
pub(crate) const PROBES: &str = "startup, liveness and readiness probes";

const WITHIN_LIMITS: &str = "no request is over its limit";
const MOUNTED: &str = "mounts and volumes are the same";
const PORTS: &str = "port names are short and unique, and so are port numbers";
pub(crate) const PROBED_PORTS: &str = "probes ask a port of their container";
// A native sidecar starts before its service: one that waits for the service would wait for ever. And a
// liveness probe on readiness would restart whatever drains, or waits for another program.
const NO_DEADLOCK: &str = "only readiness probes ask /readyz";

/// All rules.
pub(crate) const ALL: [&str; 17] = [
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
    WITHIN_LIMITS,
    MOUNTED,
    PORTS,
    PROBED_PORTS,
    NO_DEADLOCK,
];

/// The rules that a document breaks, each with its place.
pub(crate) fn broken(document: &Document) -> Vec<String> {
    let mut faults = rules_of(&document.value["metadata"], &[(LABELS, labelled)], &document.place);
    let Some(mut pod) = document.pod().cloned() else { return faults };
    // A StatefulSet makes a volume of each template.
    for template in list(&document.value["spec"], "volumeClaimTemplates") {
        if let Some(volumes) = pod["volumes"].as_array_mut() {
            volumes.push(json!({"name": template["metadata"]["name"]}));
        }
    }
    faults.extend(rules_of(&pod, &POD_RULES, &format!("{}: pod", document.place)));
    for container in document.containers() {
        let place = format!("{}: container {}", document.place, container["name"].as_str().unwrap_or("(no name)"));
        faults.extend(rules_of(container, &CONTAINER_RULES, &place));
    }
    faults
}

type Rule = (&'static str, fn(&Value) -> bool);

const POD_RULES: [Rule; 7] = [
    (NO_TOKEN, |pod| pod["automountServiceAccountToken"] == false),
    (NO_LINKS, |pod| pod["enableServiceLinks"] == false),
    (NON_ROOT, |pod| pod["securityContext"]["runAsNonRoot"] == true),
    (SECCOMP, |pod| pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"),
    (NO_FIXED_USER, free_user),
    (MOUNTED, mounts_are_volumes),
    (PORTS, ports_are_distinct),
];

const CONTAINER_RULES: [Rule; 10] = [
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
    (PROBES, |container| PROBE_FIELDS.iter().all(|probe| container[probe].is_object())),
    (WITHIN_LIMITS, |container| {
        ["cpu", "memory"].iter().all(|resource| {
            let quantity = |kind: &str| container["resources"][kind][resource].as_str().and_then(Quantity::parse);
            quantity("requests").zip(quantity("limits")).is_some_and(|(request, limit)| request <= limit)
        })
    }),
    (PROBED_PORTS, |container| {
        PROBE_FIELDS.iter().all(|probe| probed_port(&container[probe]).is_some_and(|port| listens(container, port)))
    }),
    (NO_DEADLOCK, |container| {
        ["startupProbe", "livenessProbe"].iter().all(|probe| container[probe]["httpGet"]["path"] != "/readyz")
    }),
];

const PROBE_FIELDS: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// Characters of a port's name, by RFC 6335, section 5.1.
const PORT_NAME_MAX: usize = 15;

/// Whether a container has a port of this number or name.
pub(crate) fn listens(container: &Value, port: &Value) -> bool {
    list(container, "ports").any(|candidate| candidate["containerPort"] == *port || candidate["name"] == *port)
}

/// The entries of an array, or none.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

fn probed_port(probe: &Value) -> Option<&Value> {
    ["httpGet", "tcpSocket", "grpc"].iter().map(|kind| &probe[kind]["port"]).find(|port| !port.is_null())
}

fn all_containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "initContainers").chain(list(pod, "containers"))
}

fn mounts_are_volumes(pod: &Value) -> bool {
    let volumes: BTreeSet<&str> = list(pod, "volumes").filter_map(|volume| volume["name"].as_str()).collect();
    let mounts = all_containers(pod).flat_map(|container| list(container, "volumeMounts"));
    let mounted: BTreeSet<&str> = mounts.filter_map(|mount| mount["name"].as_str()).collect();
    volumes == mounted && volumes.len() == list(pod, "volumes").count()
}

fn ports_are_distinct(pod: &Value) -> bool {
    let ports: Vec<&Value> = all_containers(pod).flat_map(|container| list(container, "ports")).collect();
    let names: BTreeSet<&str> = ports.iter().filter_map(|port| port["name"].as_str()).collect();
    let numbers: BTreeSet<u64> = ports.iter().filter_map(|port| port["containerPort"].as_u64()).collect();
    let short = names.iter().all(|name| name.len() <= PORT_NAME_MAX);
    short && names.len() == ports.len() && numbers.len() == ports.len()
}

fn rules_of(value: &Value, rules: &[Rule], place: &str) -> Vec<String> {
    rules.iter().filter(|(_, holds)| !holds(value)).map(|(rule, _)| format!("{place}: breaks the rule: {rule}")).collect()
}

fn labelled(metadata: &Value) -> bool {
    ["name", "component", "part-of"].iter().all(|label| metadata["labels"][format!("app.kubernetes.io/{label}")].is_string())
}

fn free_user(value: &Value) -> bool {
    ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"].iter().all(|field| value["securityContext"][field].is_null())
}

/// A quantity of Kubernetes, such as `50m` or `64Mi`: thousandths of a core, or of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Quantity(u128);

impl Quantity {
    /// Parses the notation of whole numbers; none of our manifests has fractions or exponents.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits);
        let factor: u128 = match suffix {
            "m" => 1,
            "" => 1000,
            "k" => 1000 * 1000,
            "M" => 1000 * 1000 * 1000,
            "G" => 1000 * 1000 * 1000 * 1000,
            "Ki" => 1000 << 10,
            "Mi" => 1000 << 20,
            "Gi" => 1000 << 30,
            _ => return None,
        };
        Some(Self(number.parse::<u128>().ok()? * factor))
    }
}

#[test]
fn quantities_of_different_units_are_compared() {
    let quantity = |text| Quantity::parse(text).unwrap();
    assert!(quantity("500m") < quantity("1") && quantity("64Mi") < quantity("1Gi") && quantity("64M") < quantity("64Mi"));
    assert_eq!((Quantity::parse("1 Gi"), Quantity::parse(""), Quantity::parse("Mi")), (None, None, None));
}
