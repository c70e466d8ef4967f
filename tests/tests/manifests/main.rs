//! Tests the Kubernetes manifests in `deploy/`: valid fields, pod security rules, settings, and references.

mod chart;
mod document;
mod images;
mod pod;
mod pod_rules;
mod podman;
mod references;
mod render;
mod settings;
mod webhook;

use document::{Document, parse};
use render::{Deploy, OVERLAYS, documents, schema_faults, with_all_components, with_replicas};

#[test]
fn every_field_is_one_that_kubernetes_knows() {
    let documents = documents();
    assert!(documents.len() >= 40, "the overlays hold more than {} documents", documents.len());

    let faults: Vec<String> = documents.iter().flat_map(Document::unknown_fields).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_overlay_passes_the_schemas_of_the_oldest_and_the_newest_kubernetes() {
    let deploy = Deploy::with_token();
    let mut rendered: Vec<(&str, String)> =
        OVERLAYS.iter().map(|overlay| (*overlay, deploy.kustomize(&format!("overlays/{overlay}")))).collect();
    rendered.push(("kubernetes with all components", with_all_components(&deploy)));
    rendered.push(("kubernetes with replicas", with_replicas(&deploy)));

    let faults: Vec<String> = rendered.iter().flat_map(|(name, manifest)| schema_faults(name, manifest)).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn schemas_catch_a_made_up_field_and_a_kind_without_a_schema() {
    let manifest = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {port: 1}}\n---\n{apiVersion: v1, kind: Made, metadata: {name: b}}\n";

    let faults = schema_faults("made-up", manifest);

    assert_eq!(faults.len(), 4, "{faults:#?}");
    assert!(faults[0].starts_with("ERROR made-up did not validate for resource service/a against version 1.33"), "{faults:#?}");
    assert!(faults[3].starts_with("WARN made-up Couldn't find schema for kind Made"), "{faults:#?}");
}

#[test]
fn without_a_token_nothing_is_rendered_and_the_error_names_what_makes_one() {
    let deploy = Deploy::without_token();
    for overlay in ["kubernetes", "openshift"] {
        let output = deploy.try_kustomize(&format!("overlays/{overlay}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("made-by-make-token.env: no such file"), "{overlay}: {said}");
    }
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
    let mut faults: Vec<String> = documents().iter().flat_map(pod_rules::broken).collect();
    // The overlay of Kubernetes sets a group, because most clouds' disks need one; that of OpenShift does not.
    faults.retain(|fault| !(fault.starts_with("kubernetes") && fault.ends_with(pod_rules::NO_FIXED_USER)));

    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_careless_pod_breaks_every_rule() {
    let manifest = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: careless}
spec:
  selector: {matchLabels: {a: b}}
  template:
    spec:
      securityContext: {runAsUser: 0, fsGroup: 0}
      volumes: [{name: unused, emptyDir: {}}]
      containers:
        - name: web
          securityContext: {privileged: true}
          ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]
          livenessProbe: {httpGet: {path: /readyz, port: 3}}
          resources: {requests: {cpu: 2, memory: 1Gi}, limits: {cpu: 1500m, memory: 64Mi}}
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
    let deploy = Deploy::with_token();
    for (control_plane, sample) in [("kubernetes", "demo"), ("openshift", "demo"), ("openshift", "classic-sidecar")] {
        let installation: Vec<Document> = deploy.overlay(control_plane).into_iter().chain(deploy.overlay(sample)).collect();
        let faults = references::dangling(&installation);
        assert!(faults.is_empty(), "{control_plane} and {sample}: {}", faults.join("\n"));
    }
    let components = parse("kubernetes with all components", &with_all_components(&deploy));
    let installation: Vec<Document> = components.into_iter().chain(deploy.overlay("demo")).collect();
    assert_eq!(references::dangling(&installation), Vec::<String>::new());
}

#[test]
fn a_reference_to_nothing_is_caught() {
    let manifest = "
{apiVersion: route.openshift.io/v1, kind: Route, metadata: {name: r}, spec: {to: {name: sitio}, port: {targetPort: http}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}, spec: {selector: {matchLabels: {a: b}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  selector: {matchLabels: {a: c}}
  template:
    metadata: {labels: {a: d}}
    spec:
      containers: [{name: web, image: localhost/sitio-sidecar:0, env: [{name: X, value: 'http://sitio-grpc:1'}, {name: Y, valueFrom: {secretKeyRef: {name: s}}}]}]
";

    let faults = references::dangling(&parse("made-up", manifest));

    for fault in
        ["no Service \"sitio\"", "no pod of ours", "choose its own pods", "is not :", "answers at sitio-grpc:1", "no Secret s"]
    {
        assert!(faults.iter().any(|found| found.contains(fault)), "no fault says {fault}: {faults:#?}");
    }
}

#[test]
fn openshift_may_choose_every_user_and_group() {
    let deploy = Deploy::with_token();
    for overlay in ["openshift", "demo", "classic-sidecar"] {
        for number in ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"] {
            assert!(!deploy.kustomize(&format!("overlays/{overlay}")).contains(number), "{overlay} sets {number}");
        }
    }
}

#[test]
fn a_pod_that_ends_has_time_to_drain() {
    for document in documents().iter().filter(|document| document.kind() == "Deployment") {
        let pod = document.pod().expect("a Deployment has a pod");
        let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("every pod has a grace");
        for container in document.containers().into_iter().filter(|container| container["name"] == "sidecar") {
            let setting = |name: &str| {
                let mut variables = pod_rules::list(container, "env");
                let variable =
                    variables.find(|variable| variable["name"] == name).and_then(|variable| variable["value"].as_str());
                variable
                    .and_then(|value| value.strip_suffix('s')?.parse::<u64>().ok())
                    .expect("the sidecar's drain is set in seconds")
            };
            let (open, rest) = (setting("SITIO_DRAIN_GRACE"), setting("SITIO_DRAIN_TIMEOUT"));
            let paused = pause_before_stop(document);
            if container["restartPolicy"] == "Always" {
                // Stopped after the service, so no request arrives any more.
                assert!(open == 0 && paused + rest < grace, "{}: {paused} s and {rest} s in {grace} s", document.place);
            } else {
                // Stopped together with the service, which has to outlive it.
                assert!(open > 0 && open + rest < paused && paused < grace, "{}: {open} s, {rest} s, {paused} s", document.place);
            }
        }
    }
}

/// The seconds that the service sleeps before it is stopped.
fn pause_before_stop(document: &Document) -> u64 {
    let command = document.containers().into_iter().find_map(|container| container.pointer("/lifecycle/preStop/exec/command"));
    let words = command.expect("the service waits before it stops").to_string();
    let mut numbers = words.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok());
    numbers.next().expect("it sleeps for a number of seconds")
}

#[test]
fn sidecars_reach_a_control_plane_that_waits_for_them_before_it_is_ready() {
    let documents = Deploy::with_token().overlay("kubernetes");
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
