//! The admission webhook over TLS, with reviews that real API servers have sent; its patches pass the rules for manifests.
#![expect(clippy::unwrap_used, reason = "a test may end by it")]

mod harness;

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use serde_json::{Value, from_value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::document::{Document, parse};
use super::pod_rules;
use super::references::dangling;
use super::render::{Deploy, schema_faults};
use harness::Cluster;

/// Recorded from Kubernetes 1.36, and from its admission in OpenShift's mode, where a pod has the project's user already.
const RECORDED: [(&str, &str); 3] = [
    ("a Deployment on Kubernetes", include_str!("admission/kubernetes-deployment.json")),
    ("a dry run on Kubernetes", include_str!("admission/kubernetes-dry-run.json")),
    ("a Deployment on OpenShift", include_str!("admission/openshift-deployment.json")),
];

fn recorded() -> impl Iterator<Item = (&'static str, Value)> {
    RECORDED.iter().map(|(name, text)| (*name, serde_json::from_str(text).unwrap()))
}

/// The recorded review of a pod whose container has a port and asks by its name.
fn with_port(mut review: Value) -> Value {
    let container = &mut review["request"]["object"]["spec"]["containers"][0];
    container["ports"] = json!([{"name": "http", "containerPort": 8000}]);
    container["readinessProbe"] = json!({"httpGet": {"path": "/", "port": "http"}});
    review
}

fn configuration() -> Value {
    json!({"metadata": {"name": "sitio"}, "webhooks": [
        {"name": "pods.sitio.dev", "clientConfig": {"service": {"name": "sitio-webhook"}}, "failurePolicy": "Ignore"}
    ]})
}

/// The pod of a review after the patch of its answer.
fn patched(review: &Value, response: &Value) -> Value {
    let mut pod = review["request"]["object"].clone();
    let Some(patch) = response["patch"].as_str() else { return pod };
    assert_eq!(response["patchType"], "JSONPatch");
    let patch: json_patch::Patch = serde_json::from_slice(&BASE64_STANDARD.decode(patch).unwrap()).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

/// The pod as the template of a Deployment, which is what the rules look at.
fn deployed(name: &str, pod: &Value) -> Document {
    let template = json!({"metadata": pod["metadata"], "spec": pod["spec"]});
    let labels = json!({"app.kubernetes.io/name": "web", "app.kubernetes.io/component": "x", "app.kubernetes.io/part-of": "y"});
    Document {
        place: name.to_owned(),
        value: json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": labels},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}}),
    }
}

#[tokio::test]
async fn recorded_pods_get_a_sidecar_that_passes_every_rule() {
    let cluster = Cluster::start(configuration()).await;
    for (name, review) in recorded().map(|(name, review)| (name, with_port(review))) {
        let response = cluster.review(&review).await;

        let pod = patched(&review, &response);

        let document = deployed(name, &pod);
        assert_eq!(document.unknown_fields(), [""; 0]);
        let broken: Vec<String> = pod_rules::broken(&document);
        let of_sidecar: Vec<&String> = broken.iter().filter(|fault| fault.contains("container sitio-sidecar")).collect();
        assert!(of_sidecar.is_empty(), "{of_sidecar:#?}");
        let sidecar = &pod["spec"]["initContainers"][0];
        assert_eq!((&sidecar["name"], &sidecar["restartPolicy"]), (&json!("sitio-sidecar"), &json!("Always")), "{name}");
        let ports = &pod["spec"]["containers"][0]["ports"];
        assert_eq!(*ports, json!([{"name": "http", "containerPort": 18080}]), "a Service that names the port follows");
        assert_eq!(pod["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"], 8000);
        assert_eq!(schema_faults(name, &with_name(&pod).to_string()), [""; 0]);
        assert!(response["warnings"].is_null(), "{response}");
        let variables = sidecar["env"].as_array().unwrap();
        let authority = variables.iter().find(|variable| variable["name"] == "SITIO_CA").unwrap();
        assert!(authority["value"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"), "{authority}");
        let again = with_object(&review, &pod);
        assert!(cluster.review(&again).await["patch"].is_null(), "{name}: the API server may ask twice");
    }
    cluster.end().await;
}

#[tokio::test]
async fn a_pod_that_asks_for_it_is_redirected_and_only_its_init_container_breaks_rules() {
    let cluster = Cluster::start(configuration()).await;
    for (name, mut review) in recorded().map(|(name, review)| (name, with_port(review))) {
        review["request"]["object"]["metadata"]["annotations"]["sitio.dev/transparent"] = json!("true");

        let response = cluster.review(&review).await;

        let pod = patched(&review, &response);
        let names: Vec<&Value> = pod["spec"]["initContainers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["sitio-redirect", "sitio-sidecar"], "{name}");
        assert_eq!(schema_faults(name, &with_name(&pod).to_string()), [""; 0]);
        let broken = pod_rules::broken(&deployed(name, &pod));
        let of_ours = broken.iter().filter(|fault| fault.contains("container sitio-"));
        let exceptions = [pod_rules::NO_FIXED_USER, pod_rules::NO_CAPABILITIES, pod_rules::PROBES, pod_rules::PROBED_PORTS];
        for fault in of_ours {
            let is_known = fault.contains("sitio-redirect") && exceptions.iter().any(|rule| fault.ends_with(rule));
            assert!(is_known, "{name}: {fault}");
        }
        assert!(cluster.review(&with_object(&review, &pod)).await["patch"].is_null(), "{name}: the API server may ask twice");
    }
    cluster.end().await;
}

/// A pod that is created without a name gets one after the admission.
fn with_name(pod: &Value) -> Value {
    let mut pod = pod.clone();
    pod["metadata"]["name"] = json!("web-1");
    pod
}

fn with_object(review: &Value, pod: &Value) -> Value {
    let mut review = review.clone();
    review["request"]["object"] = pod.clone();
    review
}

#[tokio::test]
async fn recorded_pods_without_a_port_start_as_they_are_with_a_warning() {
    let cluster = Cluster::start(configuration()).await;
    for (name, review) in recorded() {
        let response = cluster.review(&review).await;

        let warning = response["warnings"][0].as_str().unwrap();
        assert!(response["patch"].is_null() && warning.contains("sitio.dev/port"), "{name}: {response}");
        assert!(warning.len() <= 256, "the API server shortens longer ones");
        let mut annotated = review.clone();
        annotated["request"]["object"]["metadata"]["annotations"]["sitio.dev/port"] = json!("8000");
        assert!(cluster.review(&annotated).await["patch"].is_string(), "{name}");
        annotated["request"]["object"]["metadata"]["annotations"]["sitio.dev/inject"] = json!("false");
        assert!(cluster.review(&annotated).await["patch"].is_null(), "{name}");
    }
    cluster.end().await;
}

#[tokio::test]
async fn the_ca_bundle_is_published_in_each_webhook_and_nothing_else_is_touched() {
    let mut before = configuration();
    let webhooks = before["webhooks"].as_array_mut().unwrap();
    webhooks.push(json!({"name": "second.sitio.dev", "clientConfig": {"url": "https://x", "caBundle": "c3RhbGU="}}));
    let cluster = Cluster::start(before.clone()).await;

    let after = cluster.configuration.borrow().clone();

    let bundles: Vec<&Value> =
        after["webhooks"].as_array().unwrap().iter().map(|webhook| &webhook["clientConfig"]["caBundle"]).collect();
    assert_eq!(bundles[0], bundles[1], "a stale bundle is replaced");
    let mut others = after.clone();
    for (webhook, original) in others["webhooks"].as_array_mut().unwrap().iter_mut().zip(before["webhooks"].as_array().unwrap()) {
        webhook["clientConfig"] = original["clientConfig"].clone();
    }
    assert_eq!(others, before);
    cluster.end().await;
}

#[tokio::test]
async fn hostile_reviews_get_a_clear_answer_and_the_next_one_is_served() {
    let cluster = Cluster::start(configuration()).await;
    let (_, review) = recorded().next().unwrap();
    let mut old = review.clone();
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let mut anonymous = review.clone();
    anonymous["request"]["uid"] = json!("");
    for (body, status, words) in [
        (String::new(), 400, "not JSON"),
        ("<html>".to_owned(), 400, "not JSON"),
        ("[".repeat(100_000), 400, "not JSON"),
        ("{\"a\":".repeat(100_000), 400, "not JSON"),
        (format!("{{\"pad\": \"{}\"}}", "x".repeat(10 << 20)), 413, "larger than 3 MiB"),
        ("{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}".to_owned(), 400, "it is v1 Pod, not an AdmissionReview"),
        ("[]".to_owned(), 400, "it is (no apiVersion) (no kind)"),
        (old.to_string(), 400, "admission.k8s.io/v1beta1 AdmissionReview"),
        (anonymous.to_string(), 400, "request.uid"),
    ] {
        let start: String = body.chars().take(40).collect();
        let response = cluster.post(body).await;
        let found = response.status();
        let text = response.text().await.unwrap();
        assert!(found == status && text.contains(words), "{start}: {found}: {text}");
    }
    for (field, value) in
        [("operation", json!("UPDATE")), ("kind", json!({"group": "apps", "version": "v1", "kind": "Deployment"}))]
    {
        let mut other = with_port(review.clone());
        other["request"][field] = value;
        let response = cluster.review(&other).await;
        assert!(response["patch"].is_null() && response["warnings"][0].as_str().unwrap().contains("only new pods"), "{response}");
    }
    for object in [Value::Null, json!(7), json!({"kind": "Pod", "apiVersion": "v1", "spec": []})] {
        assert!(cluster.review(&with_object(&review, &object)).await["patch"].is_null());
    }
    cluster.end().await;
}

#[tokio::test]
async fn the_port_speaks_only_tls_and_only_under_its_own_name() {
    let cluster = Cluster::start(configuration()).await;
    let mut plain = TcpStream::connect(cluster.address()).await.unwrap();
    plain.write_all(b"POST /inject HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");

    let client = cluster.api_server();
    let port = cluster.address().port();
    let elsewhere = client.get(format!("https://localhost:{port}/inject")).send().await;
    assert!(elsewhere.is_err(), "a certificate for another name is not accepted");
    let get = client.get(format!("https://sitio-webhook.mesh.svc:{port}/inject")).send().await.unwrap();
    assert_eq!((get.status().as_u16(), get.text().await.unwrap().as_str()), (405, "reviews are sent by POST\n"));
    let lost = client.get(format!("https://sitio-webhook.mesh.svc:{port}/")).send().await.unwrap();
    assert!(lost.status() == 404 && lost.text().await.unwrap().contains("POST an AdmissionReview to /inject"));
    cluster.end().await;
}

#[test]
fn the_component_fits_the_control_plane_and_names_its_namespace() {
    let deploy = Deploy::with_token();
    let own = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: mesh\n\
               resources: [../../base]\ncomponents: [../../components/token, ../../components/webhook]\n";
    deploy.put("overlays/injecting/kustomization.yaml", own);
    let rendered = deploy.kustomize("overlays/injecting");

    let documents = parse("with the webhook", &rendered);

    assert_eq!(schema_faults("with the webhook", &rendered), [""; 0]);
    let broken = documents.iter().flat_map(pod_rules::broken).chain(dangling(&documents));
    assert_eq!(broken.collect::<Vec<String>>(), [""; 0]);
    let of_kind = |kind: &str| &documents.iter().find(|document| document.kind() == kind).unwrap().value;
    assert_eq!(of_kind("ClusterRoleBinding")["subjects"][0]["namespace"], "mesh");
    assert_eq!(of_kind("MutatingWebhookConfiguration")["webhooks"][0]["clientConfig"]["service"]["namespace"], "mesh");
}

#[test]
fn the_configuration_cannot_keep_a_pod_from_starting_and_the_rights_reach_one_object() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/components/webhook");
    let read = |name: &str| parse(name, &std::fs::read_to_string(folder.join(name)).unwrap());
    let documents: Vec<Document> = ["webhook.yaml", "rights.yaml", "control-plane.yaml"].into_iter().flat_map(read).collect();
    let of_kind = |kind: &str| &documents.iter().find(|document| document.kind() == kind).unwrap().value;

    let configuration: MutatingWebhookConfiguration = from_value(of_kind("MutatingWebhookConfiguration").clone()).unwrap();
    let webhooks = configuration.webhooks.unwrap();
    let [webhook] = &webhooks[..] else { panic!("one webhook: {webhooks:?}") };
    assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"));
    assert!((1..=10).contains(&webhook.timeout_seconds.unwrap()), "a pod waits for it");
    assert_eq!((webhook.side_effects.as_str(), webhook.reinvocation_policy.as_deref()), ("None", Some("IfNeeded")));
    assert_eq!(webhook.admission_review_versions, ["v1"]);
    assert!(webhook.name.split('.').count() >= 3, "Kubernetes requires a domain name of three parts: {}", webhook.name);
    assert!(webhook.namespace_selector.is_some() && webhook.object_selector.is_some(), "it neither sees all pods nor its own");

    let service = webhook.client_config.service.as_ref().unwrap();
    let ports = &of_kind("Service")["spec"]["ports"];
    assert_eq!((&of_kind("Service")["metadata"]["name"], &ports[0]["port"]), (&json!(service.name), &json!(service.port)));
    let container = &of_kind("Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["name"], ports[0]["targetPort"]);
    let address = container["env"][0]["value"].as_str().unwrap();
    assert!(address.ends_with(&format!(":{}", container["ports"][0]["containerPort"])), "{address}");
    assert_eq!(container["volumeMounts"][0]["name"], of_kind("Deployment")["spec"]["template"]["spec"]["volumes"][0]["name"]);

    let rights = &of_kind("ClusterRole")["rules"];
    let resource = ["mutatingwebhookconfigurations"];
    let expected = json!([{"apiGroups": ["admissionregistration.k8s.io"], "resources": resource,
        "resourceNames": [configuration.metadata.name], "verbs": ["get", "patch"]}]);
    assert_eq!(*rights, expected);
    assert_eq!(of_kind("ClusterRoleBinding")["roleRef"]["name"], of_kind("ClusterRole")["metadata"]["name"]);
}
