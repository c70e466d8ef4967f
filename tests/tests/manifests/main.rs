//! Tests the Kubernetes manifests in `deploy/`: valid fields, pod security rules, settings, and references.

mod document;
mod pod_rules;
mod references;
mod settings;

use document::{Document, documents, parse};

#[test]
fn every_field_is_one_that_kubernetes_knows() {
    let documents = documents();
    assert!(documents.len() >= 10, "deploy/ holds the control plane and the sample, not {} documents", documents.len());

    let faults: Vec<String> = documents.iter().flat_map(Document::unknown_fields).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_made_up_field_is_caught_and_named() {
    let manifest = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: sitio}
spec:
  selector: {matchLabels: {a: b}}
  template:
    spec:
      foo: 1
      containers: [{name: web, securityContext: {readOnlyRootFileSystem: true}}]
";

    let faults: Vec<String> = parse("made-up.yaml", manifest).iter().flat_map(Document::unknown_fields).collect();

    assert_eq!(
        faults,
        [
            "made-up.yaml: Deployment sitio: spec.template.spec.containers[0].securityContext.readOnlyRootFileSystem is unknown",
            "made-up.yaml: Deployment sitio: spec.template.spec.foo is unknown",
        ]
    );
}

#[test]
fn a_value_of_the_wrong_type_is_caught() {
    let manifest = "{apiVersion: v1, kind: Service, metadata: {name: sitio}, spec: {ports: [{port: http}]}}";

    let faults: Vec<String> = parse("made-up.yaml", manifest).iter().flat_map(Document::unknown_fields).collect();

    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("made-up.yaml: Service sitio: "), "{faults:?}");
}

#[test]
fn every_pod_runs_without_privileges_and_within_limits() {
    let faults: Vec<String> = documents().iter().flat_map(pod_rules::broken).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_pod_that_asks_for_nothing_breaks_every_rule() {
    let manifest = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: careless}
spec:
  selector: {matchLabels: {a: b}}
  template:
    spec:
      securityContext: {runAsUser: 0, fsGroup: 0}
      containers: [{name: web, securityContext: {privileged: true}}]
";

    let faults: Vec<String> = parse("made-up.yaml", manifest).iter().flat_map(pod_rules::broken).collect();

    for rule in pod_rules::ALL {
        assert!(faults.iter().any(|fault| fault.ends_with(rule)), "no fault says that {rule}: {faults:#?}");
    }
}

#[test]
fn every_setting_is_one_that_the_program_has() {
    let faults: Vec<String> = documents().iter().flat_map(settings::unknown).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_misspelt_setting_is_caught() {
    let manifest = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: sidecar, image: localhost/sitio-sidecar:1, env: [{name: SITIO_TOKEN}, {name: SITIO_CONTROLPLANE}]}]
";

    let faults: Vec<String> = parse("made-up.yaml", manifest).iter().flat_map(settings::unknown).collect();

    assert_eq!(faults, ["made-up.yaml: Deployment web: SITIO_CONTROLPLANE is no setting of localhost/sitio-sidecar:1"]);
}

#[test]
fn whatever_a_manifest_names_is_there() {
    let faults = references::dangling(&documents());

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn sidecars_reach_a_control_plane_that_waits_for_them_before_it_is_ready() {
    let documents = documents();
    let stream = documents.iter().find(|document| document.kind() == "Service" && document.name() == "sitio-grpc");

    let spec = &stream.expect("the stream has a Service").value["spec"];

    assert_eq!(spec["publishNotReadyAddresses"], true, "{spec}");
}

#[test]
fn the_images_are_built_from_every_member_of_the_workspace() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (workspace, containerfile) = (read("Cargo.toml"), read("deploy/Containerfile"));

    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")).expect("members stand on one line");
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();

    assert!(members.contains(&"sidecar"), "{members:?}");
    for member in members {
        let copied = containerfile.lines().any(|line| line.starts_with(&format!("COPY {member}")));
        assert!(copied, "deploy/Containerfile does not copy {member}, whose manifest Cargo reads");
    }
}
