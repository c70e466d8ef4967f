//! The sidecar in each kind of workload: where it stands, which ports it takes, and what else changes.

use inject::manifest::{Verdict, inject};
use inject::settings::{AuthoritySource, Credentials, InjectionSettings, TokenSource};
use serde_json::{Value, json};

use super::{documents, injected, patched, uninjected};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          ports: [{name: http, containerPort: 8000}]
          readinessProbe: {httpGet: {path: /ready, port: http}}
          livenessProbe: {tcpSocket: {port: 8000}}
";

fn variable<'a>(container: &'a Value, name: &str) -> &'a Value {
    let variables = container["env"].as_array().unwrap();
    variables.iter().find(|variable| variable["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_deployment_gets_a_native_sidecar_that_takes_over_the_port_name() {
    let before = documents(WEB);

    let (after, reports) = injected(&before);

    let pod = &after[0]["spec"]["template"];
    let sidecar = &pod["spec"]["initContainers"][0];
    assert_eq!((&sidecar["name"], &sidecar["restartPolicy"]), (&json!("sitio-sidecar"), &json!("Always")));
    assert_eq!(variable(sidecar, "PORT")["value"], "18080");
    assert_eq!(variable(sidecar, "TARGET_PORT")["value"], "8000");
    assert_eq!(variable(sidecar, "SITIO_CONTROL_PLANE")["value"], "https://sitio-grpc:8091");
    assert_eq!(variable(sidecar, "POD_UID")["valueFrom"]["fieldRef"]["fieldPath"], "metadata.uid");
    let web = &pod["spec"]["containers"][0];
    assert_eq!(web["ports"], json!([{"name": "http", "containerPort": 18080}]));
    assert_eq!(web["readinessProbe"]["httpGet"]["port"], 8000, "probes ask the application");
    assert_eq!(web["livenessProbe"]["tcpSocket"]["port"], 8000);
    assert_eq!((reports[0].place.as_str(), &reports[0].verdict), ("Deployment shop/web", &Verdict::Changed));
    assert_eq!(reports[0].remarks[0], "added the sidecar on port 18080; it forwards to port 8000");
}

#[test]
fn no_user_and_no_group_is_fixed_and_no_probe_can_keep_a_pod_from_ending() {
    let (after, _) = injected(&documents(WEB));

    let sidecar = &after[0]["spec"]["template"]["spec"]["initContainers"][0];

    let context = &sidecar["securityContext"];
    assert!(context["runAsUser"].is_null() && context["runAsGroup"].is_null(), "{context}");
    assert_eq!(context["runAsNonRoot"], true);
    assert_eq!(sidecar["startupProbe"]["httpGet"]["path"], "/livez", "/readyz waits for the application");
    assert_eq!(sidecar["livenessProbe"]["httpGet"]["path"], "/livez");
    assert!(sidecar["lifecycle"].is_null(), "no hook delays the end");
}

#[test]
fn in_a_pod_of_root_the_sidecar_does_not_insist_on_another_user() {
    let yaml = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {securityContext: {runAsUser: 0}, containers: [{name: web, ports: [{containerPort: 80}]}]}}";

    let (after, _) = injected(&documents(yaml));

    let context = &after[0]["spec"]["initContainers"][0]["securityContext"];
    assert!(context["runAsNonRoot"].is_null() && context["runAsUser"].is_null(), "{context}");
}

#[test]
fn each_kind_of_workload_is_injected() {
    let pod = "spec: {containers: [{name: web, ports: [{containerPort: 8000}]}]}";
    for (version, kind) in [
        ("v1", "ReplicationController"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("apps.openshift.io/v1", "DeploymentConfig"),
        ("batch/v1", "Job"),
    ] {
        let yaml = format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: web}}, spec: {{template: {{{pod}}}}}}}");
        let before = documents(&yaml);
        let (after, _) = injected(&before);
        assert_eq!(after[0]["spec"]["template"]["spec"]["initContainers"][0]["name"], "sitio-sidecar", "{kind}");
        assert_eq!(uninjected(&after), before, "{kind}");
    }
    let cron = format!(
        "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: c}}, spec: {{jobTemplate: {{spec: {{template: {{{pod}}}}}}}}}}}"
    );
    let (after, _) = injected(&documents(&cron));
    assert_eq!(after[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"][0]["restartPolicy"], "Always");
}

#[test]
fn what_is_no_workload_of_kubernetes_stays_as_it_is() {
    let yaml = "
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a}, spec: {template: {spec: {containers: [{ports: [{containerPort: 1}]}]}}}}
---
{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: a}, spec: {template: {spec: {containers: [{ports: [{containerPort: 1}]}]}}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {kind: Pod}}
---
just text
---
[1, 2]
";
    let before = documents(yaml);

    let (after, reports) = injected(&before);

    assert_eq!((after, reports), (before, Vec::new()));
}

#[test]
fn the_sidecar_stands_after_what_ends_and_before_what_serves() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: migrate}, {name: proxy, restartPolicy: Always}]
  containers: [{name: web, ports: [{containerPort: 8000}]}]
";
    let (after, _) = injected(&documents(yaml));

    let names: Vec<&Value> = after[0]["spec"]["initContainers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();

    assert_eq!(names, ["migrate", "sitio-sidecar", "proxy"]);
}

#[test]
fn ports_that_are_taken_are_left_alone() {
    let yaml = r#"
apiVersion: v1
kind: Pod
metadata: {name: java, annotations: {sitio.dev/port: "8080"}}
spec:
  containers: [{name: java, ports: [{containerPort: 18080}, {containerPort: 8080}]}]
  initContainers: [{name: agent, restartPolicy: Always, ports: [{containerPort: 9191}]}]
"#;
    let (after, _) = injected(&documents(yaml));

    let sidecar = &after[0]["spec"]["initContainers"][0];
    assert_eq!(variable(sidecar, "PORT")["value"], "18087", "not the undeclared 8087 either, which the application may use");
    assert_eq!(variable(sidecar, "TARGET_PORT")["value"], "8080");
    assert_eq!(variable(sidecar, "SITIO_ADMIN_PORT")["value"], "19191");
    assert_eq!(after[0]["spec"]["containers"], documents(yaml)[0]["spec"]["containers"], "a port without a name says nothing");
}

#[test]
fn annotations_choose_both_ports() {
    let yaml = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, annotations: {sitio.dev/port: web, sitio.dev/sidecar-port: "9000"}}
spec:
  containers:
    - {name: one, ports: [{name: web, containerPort: 8000}, {name: http, containerPort: 8001}]}
    - {name: two, ports: [{containerPort: 8002}]}
"#;
    let (after, _) = injected(&documents(yaml));

    let sidecar = &after[0]["spec"]["initContainers"][0];
    assert_eq!(
        (&variable(sidecar, "PORT")["value"], &variable(sidecar, "TARGET_PORT")["value"]),
        (&json!("9000"), &json!("8000"))
    );
}

#[test]
fn without_a_declared_port_a_probe_says_it() {
    let yaml = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: web, readinessProbe: {httpGet: {port: 5000}}}]}}";

    let (after, _) = injected(&documents(yaml));

    assert_eq!(variable(&after[0]["spec"]["initContainers"][0], "TARGET_PORT")["value"], "5000");
}

#[test]
fn a_drain_fits_into_the_pods_grace() {
    for (grace, drain) in
        [("", "15s"), ("terminationGracePeriodSeconds: 10, ", "5s"), ("terminationGracePeriodSeconds: 600, ", "15s")]
    {
        let yaml = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {{{grace}containers: [{{name: web, ports: [{{containerPort: 8000}}]}}]}}}}"
        );
        let (after, _) = injected(&documents(&yaml));
        assert_eq!(variable(&after[0]["spec"]["initContainers"][0], "SITIO_DRAIN_TIMEOUT")["value"], drain);
    }
}

#[test]
fn a_service_account_authenticates_by_a_token_that_the_kubelet_renews() {
    let before = documents(WEB);
    let credentials = Credentials { token: TokenSource::ServiceAccount, authority: AuthoritySource::Text("pem".to_owned()) };
    let outcome = inject(&before, &InjectionSettings { credentials, ..InjectionSettings::default() });

    let after = patched(&before, &outcome);

    let spec = &after[0]["spec"]["template"]["spec"];
    let sources = &spec["volumes"][0]["projected"]["sources"];
    assert_eq!(sources[0]["serviceAccountToken"], json!({"audience": "sitio", "expirationSeconds": 3600, "path": "token"}));
    let sidecar = &spec["initContainers"][0];
    assert_eq!(sidecar["volumeMounts"][0]["name"], spec["volumes"][0]["name"]);
    assert_eq!(variable(sidecar, "SITIO_TOKEN_FILE")["value"], "/var/run/secrets/sitio/token");
    assert_eq!(variable(sidecar, "SITIO_CA")["value"], "pem");
    assert!(variable(sidecar, "SITIO_TOKEN").is_null());
    assert_eq!(uninjected(&after), before, "the volume goes too");
}

#[test]
fn a_pod_starts_although_its_secret_and_its_config_map_are_missing() {
    let before = documents(WEB);
    let credentials =
        Credentials { token: TokenSource::Secret("sitio-token".to_owned()), ..InjectionSettings::default().credentials };
    let outcome = inject(&before, &InjectionSettings { credentials, ..InjectionSettings::default() });

    let after = patched(&before, &outcome);

    let sidecar = &after[0]["spec"]["template"]["spec"]["initContainers"][0];
    let token = json!({"secretKeyRef": {"name": "sitio-token", "key": "token", "optional": true}});
    assert_eq!(variable(sidecar, "SITIO_TOKEN")["valueFrom"], token);
    let authority = json!({"name": "sitio-ca", "optional": true, "items": [{"key": "ca.crt", "path": "ca.crt"}]});
    assert_eq!(after[0]["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"], json!([{"configMap": authority}]));
    assert_eq!(variable(sidecar, "SITIO_CA_FILE")["value"], "/var/run/secrets/sitio/ca.crt");
}

#[test]
fn plaintext_is_allowed_only_where_the_address_says_so() {
    let plaintext = |control_plane: &str| {
        let settings = InjectionSettings { control_plane: control_plane.to_owned(), ..InjectionSettings::default() };
        let before = documents(WEB);
        let after = patched(&before, &inject(&before, &settings));
        variable(&after[0]["spec"]["template"]["spec"]["initContainers"][0], "SITIO_ALLOW_PLAINTEXT")["value"].clone()
    };
    assert_eq!(plaintext("http://sitio-grpc:8091"), "true");
    assert!(plaintext("https://sitio-grpc:8091").is_null(), "the sidecar refuses it by default");
}

#[test]
fn a_second_injection_changes_nothing() {
    let (once, _) = injected(&documents(WEB));

    let (twice, reports) = injected(&once);

    assert_eq!(once, twice);
    assert_eq!(reports[0].verdict, Verdict::Unchanged("it has a sidecar already".to_owned()));
}

#[test]
fn a_pod_that_asks_for_no_sidecar_gets_none() {
    let yaml = WEB.replace("metadata: {labels", r#"metadata: {annotations: {sitio.dev/inject: "false"}, labels"#);
    let before = documents(&yaml);

    let (after, reports) = injected(&before);

    assert_eq!(after, before);
    assert!(matches!(&reports[0].verdict, Verdict::Unchanged(why) if why.contains("\"false\"")), "{reports:?}");
}
