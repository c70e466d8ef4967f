//! Tests that the Helm chart makes the same objects as the overlays, and refuses values that cannot work.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, parse};
use super::references;
use super::render::{Deploy, run, schema_faults, source, tool, with_all_components, with_replicas};

/// The values with which the chart and an overlay mean the same.
const TOKEN: &str = "token.value=0123456789abcdef0123456789abcdef";
const OPENSHIFT: [&str; 4] = [TOKEN, "fsGroup=null", "route.enabled=true", "image.repository=sitio-control-plane"];
const ALL_COMPONENTS: [&str; 14] = [
    TOKEN,
    "ingress.enabled=true",
    "ingress.host=sitio.example.com",
    "monitoring.enabled=true",
    "monitoring.tokenSecret=sitio-metrics-token",
    "grafana.enabled=true",
    "webhook.enabled=true",
    "signIn.usersSecret=sitio-users",
    "signIn.openid.issuer=https://keycloak.example.com/realms/main",
    "signIn.openid.clientId=sitio",
    "signIn.openid.roles=sitio-operators=operator\\,sitio-viewers=viewer",
    "signIn.openid.existingSecret=sitio-openid",
    "signIn.openid.caConfigMap=sitio-openid-ca",
    "notifications.existingSecret=sitio-notifications",
];

const REPLICAS: [&str; 3] = [TOKEN, "webhook.enabled=true", "replicas.enabled=true"];

/// The label of the objects that the users of the manifests make themselves.
const OWN: &str = "/metadata/labels/app.kubernetes.io~1part-of";

#[test]
fn the_chart_makes_the_objects_of_the_overlays() {
    let deploy = Deploy::with_token();
    let mut all = parse("kubernetes with all components", &with_all_components(&deploy));
    all.retain(|object| object.value.pointer(OWN) != Some(&"own".into()));
    let replicas = parse("kubernetes with replicas", &with_replicas(&deploy));
    for (overlay, values) in [
        (deploy.overlay("kubernetes"), &[TOKEN][..]),
        (deploy.overlay("openshift"), &OPENSHIFT),
        (all, &ALL_COMPONENTS),
        (replicas, &REPLICAS),
    ] {
        let chart = parse("chart", &rendered(values));
        let (overlay, chart) = (by_name(&overlay), by_name(&chart));
        assert_eq!(overlay.keys().collect::<Vec<_>>(), chart.keys().collect::<Vec<_>>(), "{values:?}");
        for (name, object) in overlay {
            assert_eq!(
                pretty(object),
                pretty(&without_helm(chart[&name])),
                "{name} of the overlay and of the chart with {values:?}"
            );
        }
    }
}

/// The object without the annotations by which only helm is guided.
fn without_helm(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| !name.starts_with("helm.sh/"));
        if annotations.is_empty() {
            object["metadata"].as_object_mut().expect("it has annotations").remove("annotations");
        }
    }
    object
}

#[test]
fn what_the_chart_makes_passes_the_schemas_and_refers_to_what_is_there() {
    let own_names = [
        TOKEN,
        "persistence.storageClassName=fast",
        "route.enabled=true",
        "route.host=sitio.example.com",
        "settings.SITIO_KEEP_1H=30d",
    ];
    for values in [&[TOKEN][..], &OPENSHIFT, &ALL_COMPONENTS, &own_names, &REPLICAS] {
        let manifest = rendered(values);
        let sample = Deploy::without_token().overlay("demo");
        let mut of_users = parse("of users", &with_all_components(&Deploy::with_token()));
        of_users.retain(|object| object.value.pointer(OWN) == Some(&"own".into()));
        let installation: Vec<Document> = parse("chart", &manifest).into_iter().chain(sample).chain(of_users).collect();
        assert_eq!(schema_faults("chart", &manifest), Vec::<String>::new(), "{values:?}");
        assert_eq!(references::dangling(&installation), Vec::<String>::new(), "{values:?}");
    }
}

#[test]
fn the_linter_of_helm_has_nothing_to_say() {
    let output = run(tool("helm").args(["lint", "--strict"]).arg(source().join("chart")));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
}

#[test]
fn values_that_cannot_work_are_refused_by_name() {
    for (value, names) in [
        ("tokn.value=x", "'tokn' not allowed"),
        ("token.value=short", "/token/value"),
        ("ingress.enabled=true", "/ingress/host"),
        ("settings.SITIO-X=1", "SITIO-X"),
        // A value of the chart's own has its place; twice in one container, the last would count.
        ("settings.SITIO_PUBLIC_URL=https://a.example", "SITIO_PUBLIC_URL"),
        ("fsGroup=staff", "/fsGroup"),
        ("replicas.natsUrl=nats:4222", "/replicas/natsUrl"),
        ("replicas.count=0", "/replicas/count"),
        ("publicUrl=a.example", "/publicUrl"),
        ("signIn.openid.issuer=http://sso.example", "/signIn/openid/issuer"),
        ("signIn.openid.issuer=https://sso.example", "/signIn/openid/clientId"),
        (
            "signIn.openid.issuer=https://sso.example signIn.openid.clientId=a signIn.openid.roles=a=viewer",
            "publicUrl is missing",
        ),
        ("monitoring.enabled=true signIn.usersSecret=a", "monitoring.tokenSecret is missing"),
    ] {
        let output = template(&value.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(names), "{value}: {said}");
    }
}

#[test]
fn a_secret_of_another_tool_takes_the_place_of_the_charts_own() {
    let chart = parse("chart", &rendered(&["token.existingSecret=vault", "monitoring.enabled=true"]));

    let objects = by_name(&chart);

    assert!(!objects.keys().any(|name| name.starts_with("Secret")), "{:?}", objects.keys());
    let named = |object: &str, pointer: &str| objects[object].pointer(pointer).cloned();
    let variables = named("Deployment sitio", "/spec/template/spec/containers/0/env").unwrap_or_default();
    let token = variables.as_array().and_then(|all| all.iter().find(|variable| variable["name"] == "SITIO_TOKEN"));
    assert_eq!(token.map(|token| &token["valueFrom"]["secretKeyRef"]["name"]), Some(&"vault".into()), "{variables}");
    assert_eq!(named("ServiceMonitor sitio", "/spec/endpoints/0/authorization/credentials/name"), Some("vault".into()));
}

#[test]
fn without_a_value_the_token_is_random() {
    let token = || by_name(&parse("chart", &rendered(&[])))["Secret sitio-token"]["data"]["token"].clone();

    let (first, second) = (token(), token());

    assert!(first != second && first.as_str().is_some_and(|token| token.len() > 80), "{first} and {second}");
}

#[track_caller]
fn rendered(values: &[&str]) -> String {
    let output = template(values);
    assert!(output.status.success(), "helm template with {values:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("helm prints UTF-8")
}

fn template(values: &[&str]) -> std::process::Output {
    let mut command = tool("helm");
    command.args(["template", "any-name"]).arg(source().join("chart"));
    run(command.args(values.iter().flat_map(|value| ["--set", value])))
}

fn by_name(documents: &[Document]) -> BTreeMap<String, &Value> {
    documents.iter().map(|document| (format!("{} {}", document.kind(), document.name()), &document.value)).collect()
}

/// One field a line, in alphabetical order, and named items, too, so that a difference is easy to find.
fn pretty(value: &Value) -> String {
    let sorted: Value = sorted(value);
    serde_json::to_string_pretty(&sorted).expect("a value is JSON")
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, Value> = fields.iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            // The order of variables, mounts and volumes means nothing. What has no names keeps its order.
            items.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
            items.into()
        }
        other => other.clone(),
    }
}
