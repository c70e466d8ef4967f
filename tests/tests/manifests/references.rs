//! Checks references between manifests: selectors, ports, volumes, accounts, and image versions.

use serde_json::Value;

use super::document::Document;

/// The one object that an operator creates, as the head of `control-plane.yaml` says.
const SECRET: &str = "sitio-token";

/// All references to objects that do not exist.
pub(crate) fn dangling(documents: &[Document]) -> Vec<String> {
    documents
        .iter()
        .flat_map(|document| match document.kind() {
            "Service" => service(document, documents),
            "NetworkPolicy" => policy(document, documents),
            "Deployment" => deployment(document, documents),
            _ => Vec::new(),
        })
        .collect()
}

fn service(service: &Document, documents: &[Document]) -> Vec<String> {
    let chosen = chosen(&service.value["spec"]["selector"], documents);
    let ports = service.value["spec"]["ports"].as_array().into_iter().flatten();
    let targets = ports.map(|port| if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] });
    missing_ports(service, &chosen, targets)
}

fn policy(policy: &Document, documents: &[Document]) -> Vec<String> {
    let chosen = chosen(&policy.value["spec"]["podSelector"]["matchLabels"], documents);
    let rules = policy.value["spec"]["ingress"].as_array().into_iter().flatten();
    let ports = rules.flat_map(|rule| rule["ports"].as_array().into_iter().flatten()).map(|port| &port["port"]);
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
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        named.push(("ConfigMap", &volume["configMap"]["name"]));
        named.push(("PersistentVolumeClaim", &volume["persistentVolumeClaim"]["claimName"]));
    }
    for (kind, name) in named.into_iter().filter_map(|(kind, name)| Some((kind, name.as_str()?))) {
        if !documents.iter().any(|document| document.kind() == kind && document.name() == name) {
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
    let stale = (image.contains("/sitio-") && !image.ends_with(version)).then(|| format!("{image} is not {version}"));

    let variables = container["env"].as_array().into_iter().flatten();
    let astray = variables.filter_map(move |variable| {
        let secret = variable["valueFrom"]["secretKeyRef"]["name"].as_str();
        if let Some(other) = secret.filter(|name| *name != SECRET) {
            return Some(format!("no document says how to make the Secret {other}"));
        }
        let address = variable["value"].as_str()?.strip_prefix("http://")?;
        let (host, port) = address.split_once(':')?;
        let reachable = documents.iter().any(|document| {
            let ports = document.value["spec"]["ports"].as_array().into_iter().flatten();
            let mut numbers = ports.map(|candidate| candidate["port"].to_string());
            document.kind() == "Service" && document.name() == host && numbers.any(|number| number == port)
        });
        (!reachable).then(|| format!("no Service answers at {address}"))
    });
    stale.into_iter().chain(astray)
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

fn listens(container: &Value, port: &Value) -> bool {
    let ports = container["ports"].as_array().into_iter().flatten();
    ports.into_iter().any(|candidate| candidate["containerPort"] == *port || candidate["name"] == *port)
}
