//! Checks references between the documents of one installation: selectors, ports, volumes, accounts, secrets, versions.

use serde_json::Value;

use super::document::Document;
use super::pod_rules::{list, listens};

/// All references to objects that do not exist.
pub(crate) fn dangling(documents: &[Document]) -> Vec<String> {
    documents
        .iter()
        .flat_map(|document| match document.kind() {
            "Service" => service(document, documents),
            "NetworkPolicy" => policy(document, documents),
            "Deployment" | "StatefulSet" => deployment(document, documents),
            "PodDisruptionBudget" => no_pods(document, &document.value["spec"]["selector"]["matchLabels"], documents),
            "ServiceMonitor" => service_monitor(document, documents),
            "PodMonitor" => pod_monitor(document, documents),
            "Route" => route(document, documents),
            "Ingress" => ingress(document, documents),
            _ => Vec::new(),
        })
        .collect()
}

fn service(service: &Document, documents: &[Document]) -> Vec<String> {
    let chosen = chosen(&service.value["spec"]["selector"], documents);
    let targets = list(&service.value["spec"], "ports")
        .map(|port| if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] });
    missing_ports(service, &chosen, targets)
}

fn policy(policy: &Document, documents: &[Document]) -> Vec<String> {
    let chosen = chosen(&policy.value["spec"]["podSelector"]["matchLabels"], documents);
    let ports = list(&policy.value["spec"], "ingress").flat_map(|rule| list(rule, "ports")).map(|port| &port["port"]);
    missing_ports(policy, &chosen, ports)
}

fn deployment(deployment: &Document, documents: &[Document]) -> Vec<String> {
    let mut faults = Vec::new();
    let pod = deployment.pod().expect("a Deployment has a pod");
    let own_labels = &deployment.value["spec"]["template"]["metadata"]["labels"];
    if !selects(&deployment.value["spec"]["selector"]["matchLabels"], own_labels) {
        faults.push(format!("{}: its selector does not choose its own pods", deployment.place));
    }

    let mut named = vec![("ServiceAccount", &pod["serviceAccountName"])];
    for volume in list(pod, "volumes") {
        named.push(("ConfigMap", &volume["configMap"]["name"]));
        named.push(("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"]));
        named.push(("Secret", &volume["secret"]["secretName"]));
    }
    for variable in deployment.containers().into_iter().flat_map(|container| list(container, "env")) {
        named.push(("Secret", &variable["valueFrom"]["secretKeyRef"]["name"]));
        named.push(("ConfigMap", &variable["valueFrom"]["configMapKeyRef"]["name"]));
    }
    for (kind, name) in named.into_iter().filter_map(|(kind, name)| Some((kind, name.as_str()?))) {
        if find(documents, kind, name).is_none() {
            faults.push(format!("{}: there is no {kind} {name}", deployment.place));
        }
    }
    for container in deployment.containers() {
        faults.extend(container_faults(container, documents).map(|fault| format!("{}: {fault}", deployment.place)));
    }
    faults
}

fn container_faults<'a>(container: &'a Value, documents: &'a [Document]) -> impl Iterator<Item = String> + 'a {
    let image = container["image"].as_str().unwrap_or("");
    let version = concat!(":", env!("CARGO_PKG_VERSION"));
    let stale = (image.contains("sitio-") && !image.ends_with(version)).then(|| format!("{image} is not {version}"));

    let astray = list(container, "env").filter_map(|variable| {
        let value = variable["value"].as_str()?;
        let address = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"))?;
        let (host, port) = address.split_once(':')?;
        let has_port = |service: &Document| {
            list(&service.value["spec"], "ports").any(|candidate| candidate["port"].as_u64() == port.parse().ok())
        };
        let reachable = find(documents, "Service", host).is_some_and(has_port);
        (!reachable).then(|| format!("no Service answers at {address}"))
    });
    stale.into_iter().chain(astray)
}

fn service_monitor(monitor: &Document, documents: &[Document]) -> Vec<String> {
    let spec = &monitor.value["spec"];
    let labelled = |document: &&Document| {
        document.kind() == "Service" && selects(&spec["selector"]["matchLabels"], &document.value["metadata"]["labels"])
    };
    let services: Vec<&Document> = documents.iter().filter(labelled).collect();
    let mut faults = Vec::new();
    for endpoint in list(spec, "endpoints") {
        // A Service that has no port of this name is not scraped.
        let mut ports = services.iter().flat_map(|service| list(&service.value["spec"], "ports"));
        if !ports.any(|port| port["name"] == endpoint["port"]) {
            faults.push(format!("{}: no Service that it chooses has the port {}", monitor.place, endpoint["port"]));
        }
        let secret = endpoint["authorization"]["credentials"]["name"].as_str();
        if let Some(name) = secret.filter(|name| find(documents, "Secret", name).is_none()) {
            faults.push(format!("{}: there is no Secret {name}", monitor.place));
        }
    }
    faults
}

fn pod_monitor(monitor: &Document, documents: &[Document]) -> Vec<String> {
    let spec = &monitor.value["spec"];
    let chosen = chosen(&spec["selector"]["matchLabels"], documents);
    missing_ports(monitor, &chosen, list(spec, "podMetricsEndpoints").map(|endpoint| &endpoint["port"]))
}

fn route(route: &Document, documents: &[Document]) -> Vec<String> {
    let spec = &route.value["spec"];
    backend(route, &spec["to"]["name"], &spec["port"]["targetPort"], documents).into_iter().collect()
}

fn ingress(ingress: &Document, documents: &[Document]) -> Vec<String> {
    let paths = list(&ingress.value["spec"], "rules").flat_map(|rule| list(&rule["http"], "paths"));
    let services = paths.map(|path| &path["backend"]["service"]);
    services.filter_map(|service| backend(ingress, &service["name"], &service["port"]["name"], documents)).collect()
}

fn backend(from: &Document, service: &Value, port: &Value, documents: &[Document]) -> Option<String> {
    let has_port = |found: &Document| list(&found.value["spec"], "ports").any(|candidate| candidate["name"] == *port);
    let found = find(documents, "Service", service.as_str().unwrap_or_default()).is_some_and(has_port);
    (!found).then(|| format!("{}: there is no Service {service} with the port {port}", from.place))
}

fn find<'a>(documents: &'a [Document], kind: &str, name: &str) -> Option<&'a Document> {
    documents.iter().find(|document| document.kind() == kind && document.name() == name)
}

fn no_pods(from: &Document, selector: &Value, documents: &[Document]) -> Vec<String> {
    missing_ports(from, &chosen(selector, documents), [].into_iter())
}

fn chosen<'a>(selector: &Value, documents: &'a [Document]) -> Vec<&'a Document> {
    let pods = documents.iter().filter(|document| document.pod().is_some());
    pods.filter(|document| selects(selector, &document.value["spec"]["template"]["metadata"]["labels"])).collect()
}

fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value))
}

fn missing_ports<'a>(from: &Document, pods: &[&Document], wanted: impl Iterator<Item = &'a Value>) -> Vec<String> {
    if pods.is_empty() {
        return vec![format!("{}: it chooses no pod of ours", from.place)];
    }
    wanted
        .filter(|port| !pods.iter().all(|pod| pod.containers().iter().any(|container| listens(container, port))))
        .map(|port| format!("{}: no container of its pods has the port {port}", from.place))
        .collect()
}
