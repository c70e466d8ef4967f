//! Pods that cannot be injected: each is refused with the reason and what to do.

use super::{documents, injected, refusal, uninjected};

fn pod(metadata: &str, spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, metadata: {{name: web, {metadata}}}, spec: {{{spec}}}}}")
}

const ONE_PORT: &str = "containers: [{name: web, ports: [{containerPort: 8000}]}]";

#[test]
fn pods_whose_network_or_system_has_no_room_for_a_sidecar() {
    assert!(refusal(&pod("", &format!("hostNetwork: true, {ONE_PORT}"))).contains("hostNetwork"));
    assert!(refusal(&pod("", &format!("os: {{name: windows}}, {ONE_PORT}"))).contains("Windows"));
    assert!(refusal(&pod("", &format!("nodeSelector: {{kubernetes.io/os: windows}}, {ONE_PORT}"))).contains("Windows"));
}

#[test]
fn pods_whose_application_cannot_be_found() {
    assert!(refusal(&pod("", "containers: [{name: web}]")).contains("declares no port"));
    let many = refusal(&pod("", "containers: [{name: web, ports: [{containerPort: 8000}, {containerPort: 8001}]}]"));
    assert!(many.contains("8000, 8001") && many.contains("sitio.dev/port"), "{many}");
    let containers = "containers: [{name: a, ports: [{containerPort: 1}]}, {name: b, ports: [{name: http, containerPort: 2}]}]";
    assert!(refusal(&pod("", containers)).contains("a, b"));
    let udp = "containers: [{name: dns, ports: [{containerPort: 53, protocol: UDP}]}]";
    assert!(refusal(&pod("", udp)).contains("declares no port"), "a sidecar forwards TCP");
}

#[test]
fn annotations_that_make_no_sense() {
    for (annotations, words) in [
        ("sitio.dev/port: nowhere", "no container declares a TCP port of this name"),
        ("sitio.dev/port: \"0\"", "a number from 1 to 65535"),
        ("sitio.dev/port: \"70000\"", "a number from 1 to 65535"),
        ("sitio.dev/port: 8000", "in quotes"),
        ("sitio.dev/sidecar-port: http", "a number from 1 to 65535"),
        ("sitio.dev/sidecar-port: \"8000\"", "port 8000 of the annotation sitio.dev/sidecar-port is taken"),
        ("sitio.dev/inject: yes-please", "\"true\" or \"false\""),
        ("sitio.dev/inject: true", "in quotes"),
        ("sitio.dev/injected: \"{}\"", "not a record"),
        ("sitio.dev/injected: 5", "not a record"),
    ] {
        let why = refusal(&pod(&format!("annotations: {{{annotations}}}"), ONE_PORT));
        assert!(why.contains(words), "{annotations}: {why}");
    }
}

#[test]
fn a_sidecar_that_was_added_by_hand_is_not_doubled() {
    let image = "registry:5000/mesh/sitio-sidecar:0.1.0@sha256:00";
    let by_hand = format!("initContainers: [{{name: sidecar, image: \"{image}\", restartPolicy: Always}}], {ONE_PORT}");
    assert!(refusal(&pod("", &by_hand)).contains("container sidecar is a sidecar that was added by hand"));
}

#[test]
fn ports_that_are_all_taken() {
    let ports = [18080, 18087, 28080, 28087].map(|port| format!("{{containerPort: {port}}}")).join(", ");
    let spec = format!("containers: [{{name: web, ports: [{{name: http, containerPort: 80}}, {ports}]}}]");
    assert!(refusal(&pod("", &spec)).contains("18080, 18087, 28080, 28087 are all taken"));
}

#[test]
fn fields_of_the_wrong_type_are_named() {
    for (spec, words) in [
        ("containers: all", "spec.containers is not a list of containers"),
        ("containers: []", "spec.containers is not a list of containers"),
        ("initContainers: 5, containers: [{name: web, ports: [{containerPort: 80}]}]", "spec.initContainers is not a list"),
        ("volumes: {}, containers: [{name: web, ports: [{containerPort: 80}]}]", "spec.volumes is not a list"),
        ("containers: [web, 5, null]", "declares no port"),
        (
            "containers: [{name: web, ports: [{containerPort: -1}, {containerPort: 65536}, {containerPort: 1.5}]}]",
            "declares no port",
        ),
    ] {
        assert!(refusal(&pod("", spec)).contains(words), "{spec}: {}", refusal(&pod("", spec)));
    }
    let annotations = refusal(&format!("{{apiVersion: v1, kind: Pod, metadata: {{annotations: [x]}}, spec: {{{ONE_PORT}}}}}"));
    assert!(annotations.contains("metadata.annotations is not an object"), "{annotations}");
}

#[test]
fn a_list_is_injected_although_one_of_its_pods_is_not() {
    let yaml = format!(
        "{{apiVersion: v1, kind: List, items: [{}, {}, {{kind: List, items: []}}, 7]}}",
        pod("", "containers: [{name: web}]"),
        pod("", ONE_PORT)
    );
    let before = documents(&yaml);

    let (after, reports) = injected(&before);

    assert_eq!(after[0]["items"][0], before[0]["items"][0]);
    assert_eq!(after[0]["items"][1]["spec"]["initContainers"][0]["name"], "sitio-sidecar");
    assert_eq!(reports.len(), 2);
    assert_eq!(uninjected(&after), before);
}
