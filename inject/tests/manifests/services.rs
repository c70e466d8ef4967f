//! Services of injected pods lead to the sidecar, or the user learns what to change.

use inject::manifest::{Report, Verdict};
use serde_json::{Value, json};

use super::{documents, injected, uninjected};

fn deployment(name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{template: {{metadata: {{labels: {{app: web, name: {name}}}}}, spec: {{{spec}}}}}}}}}\n---\n"
    )
}

fn service(selector: &str, ports: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {{selector: {{{selector}}}, ports: [{ports}]}}}}\n---\n"
    )
}

const PLAIN: &str = "containers: [{name: web, ports: [{containerPort: 8000}]}]";
const NAMED: &str = "containers: [{name: web, ports: [{name: http, containerPort: 8000}]}]";

fn of<'a>(reports: &'a [Report], place: &str) -> Option<&'a Report> {
    reports.iter().find(|report| report.place == place)
}

fn targets(document: &Value) -> Vec<&Value> {
    document["spec"]["ports"].as_array().unwrap().iter().map(|port| &port["targetPort"]).collect()
}

#[test]
fn numbers_are_moved_and_moved_back() {
    let ports =
        "{port: 80, targetPort: 8000}, {port: 8000}, {port: 9090, targetPort: 9090}, {port: 53, targetPort: 8000, protocol: UDP}";
    let before = documents(&(service("app: web", ports) + &deployment("web", PLAIN)));

    let (after, reports) = injected(&before);

    assert_eq!(targets(&after[0]), [&json!(18080), &json!(18080), &json!(9090), &json!(8000)]);
    assert_eq!(of(&reports, "Service web").unwrap().verdict, Verdict::Changed);
    assert_eq!(uninjected(&after), before);
    let (again, _) = injected(&after);
    assert_eq!(again, after);
}

#[test]
fn names_follow_by_themselves() {
    let before = documents(&(service("app: web", "{port: 80, targetPort: http}") + &deployment("web", NAMED)));

    let (after, reports) = injected(&before);

    assert_eq!(after[0], before[0]);
    assert_eq!(after[1]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"], 18080);
    assert_eq!(of(&reports, "Service web"), None);
    assert_eq!(uninjected(&after), before);
}

#[test]
fn a_service_of_another_pod_or_namespace_stays() {
    let other = service("app: other", "{port: 80, targetPort: 8000}");
    let elsewhere =
        service("app: web", "{port: 80, targetPort: 8000}").replace("name: web}, spec", "name: web, namespace: b}, spec");
    let without_selector = service("", "{port: 80, targetPort: 8000}");
    let pod = deployment("web", PLAIN).replace("name: web}, spec: {template", "name: web, namespace: a}, spec: {template");
    let before = documents(&format!("{other}{elsewhere}{without_selector}{pod}"));

    let (after, reports) = injected(&before);

    assert_eq!(after[..3], before[..3]);
    let remarks = &of(&reports, "Deployment a/web").unwrap().remarks;
    assert!(
        remarks.iter().any(|remark| remark.contains("kubectl patch service NAME") && remark.contains("\"value\":18080")),
        "{remarks:?}"
    );
}

#[test]
fn a_service_that_also_selects_pods_without_a_sidecar_is_not_moved() {
    let bare = deployment("bare", "hostNetwork: true, containers: [{name: web, ports: [{containerPort: 8000}]}]");
    let before = documents(&(service("app: web", "{port: 80, targetPort: 8000}") + &deployment("web", PLAIN) + &bare));

    let (after, reports) = injected(&before);

    assert_eq!(after[0], before[0], "half of the traffic would find no listener");
    let report = of(&reports, "Service web").unwrap();
    assert_eq!(report.verdict, Verdict::ToDo);
    assert!(report.remarks[0].contains("it also selects Deployment bare"), "{report:?}");
}

#[test]
fn a_policy_that_shuts_the_sidecar_out_is_pointed_out() {
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web}, spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8000}]}]}}";
    let before = documents(&(deployment("web", PLAIN) + policy));

    let (after, reports) = injected(&before);

    assert_eq!(after[1], before[1]);
    let report = of(&reports, "NetworkPolicy web").unwrap();
    assert_eq!((&report.verdict, report.remarks[0].contains("admit port 18080")), (&Verdict::ToDo, true), "{report:?}");
}

#[test]
fn what_a_user_changed_after_the_injection_is_not_overwritten() {
    let before = documents(&(service("app: web", "{port: 80, targetPort: 8000}") + &deployment("web", NAMED)));
    let (mut after, _) = injected(&before);
    after[0]["spec"]["ports"][0]["targetPort"] = json!("named");

    let restored = uninjected(&after);

    assert_eq!(targets(&restored[0]), [&json!("named")]);
    assert_eq!(restored[1], before[1]);
}
