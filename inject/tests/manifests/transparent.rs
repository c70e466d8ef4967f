//! Pods whose application's port is redirected by the kernel: no port changes, and probes go around the redirection.

use inject::manifest::{Verdict, inject};
use inject::settings::{InjectionSettings, Interception};
use serde_json::{Value, json};

use super::{documents, injected, patched, refusal, uninjected};

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}, annotations: {sitio.dev/transparent: "true"}}
    spec:
      initContainers: [{name: migrate}, {name: agent, restartPolicy: Always}]
      containers:
        - name: web
          ports: [{name: http, containerPort: 8000}]
          readinessProbe: {httpGet: {path: /, port: http}}
          livenessProbe: {tcpSocket: {port: 8000}}
          startupProbe: {exec: {command: ["true"]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8000}]}]}
"#;

fn without_annotation() -> String {
    WEB.replace(", annotations: {sitio.dev/transparent: \"true\"}", "")
}

#[test]
fn an_init_container_redirects_the_port_and_everything_else_keeps_it() {
    let before = documents(WEB);

    let (after, reports) = injected(&before);

    let spec = &after[0]["spec"]["template"]["spec"];
    let names: Vec<&Value> = spec["initContainers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["migrate", "sitio-redirect", "sitio-sidecar", "agent"]);
    let redirect = &spec["initContainers"][1];
    let sidecar = spec["initContainers"][2]["env"].as_array().unwrap();
    let port = |name: &str| sidecar.iter().find(|variable| variable["name"] == name).unwrap()["value"].as_str().unwrap();
    assert_eq!(redirect["args"], json!(["redirect", format!("8000:{}", port("PORT")), "9192:8000"]));
    assert_eq!(port("TARGET_PORT"), "8000");
    assert_eq!(redirect["image"], spec["initContainers"][2]["image"]);
    assert!(redirect["restartPolicy"].is_null(), "it ends before the sidecar starts");
    assert_eq!(spec["containers"][0]["ports"], before[0]["spec"]["template"]["spec"]["containers"][0]["ports"]);
    assert_eq!(after[1..], before[1..], "neither the Service nor the policy changes");
    assert_eq!(reports.len(), 1, "and there is nothing to do: {reports:?}");
    assert!(reports[0].remarks[1].contains("NET_ADMIN"), "{reports:?}");
}

#[test]
fn only_the_init_container_has_rights_and_no_more_than_it_needs() {
    let (after, _) = injected(&documents(WEB));

    let containers = &after[0]["spec"]["template"]["spec"]["initContainers"];

    let context = &containers[1]["securityContext"];
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"], "add": ["NET_ADMIN"]}));
    assert_eq!((&context["runAsUser"], &context["runAsNonRoot"]), (&json!(0), &json!(false)));
    assert_eq!((&context["allowPrivilegeEscalation"], &context["readOnlyRootFilesystem"]), (&json!(false), &json!(true)));
    assert_eq!(containers[2]["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
}

#[test]
fn probes_reach_the_application_by_a_port_of_their_own() {
    let (after, _) = injected(&documents(WEB));

    let web = &after[0]["spec"]["template"]["spec"]["containers"][0];

    assert_eq!(web["readinessProbe"]["httpGet"]["port"], 9192, "by name");
    assert_eq!(web["livenessProbe"]["tcpSocket"]["port"], 9192, "by number");
    assert_eq!(web["startupProbe"], json!({"exec": {"command": ["true"]}}));
}

#[test]
fn it_is_taken_back_and_a_second_injection_changes_nothing() {
    let before = documents(WEB);
    let (once, _) = injected(&before);
    let (twice, reports) = injected(&once);

    assert_eq!(once, twice);
    assert!(matches!(&reports[0].verdict, Verdict::Unchanged(_)), "{reports:?}");
    assert_eq!(uninjected(&once), before);
}

#[test]
fn the_command_asks_for_it_and_a_pod_may_refuse_it() {
    let settings = InjectionSettings { interception: Interception::Transparent, ..InjectionSettings::default() };
    let has_redirect = |text: &str, settings: &InjectionSettings| {
        let before = documents(text);
        let after = patched(&before, &inject(&before, settings));
        assert_eq!(uninjected(&after), before);
        after[0].to_string().contains("sitio-redirect")
    };
    assert!(has_redirect(&without_annotation(), &settings));
    assert!(!has_redirect(&WEB.replace("transparent: \"true\"", "transparent: \"false\""), &settings));
    assert!(!has_redirect(&without_annotation(), &InjectionSettings::default()), "it is off by default");
}

#[test]
fn what_the_annotation_cannot_be_is_refused() {
    for wrong in ["yes", "\"\"", "[]", "true"] {
        let why = refusal(&WEB.replace("transparent: \"true\"", &format!("transparent: {wrong}")));
        assert!(why.contains("sitio.dev/transparent") && why.contains("in quotes"), "{why}");
    }
    let ports = [9192, 19192, 29192].map(|port| format!("{{containerPort: {port}}}")).join(", ");
    let full = WEB.replace("containerPort: 8000}]", &format!("containerPort: 8000}}, {ports}]"));
    assert!(refusal(&full).contains("9192, 19192, 29192 are all taken"));
}
