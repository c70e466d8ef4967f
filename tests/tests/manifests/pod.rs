//! Runs the sample of `deploy/overlays` in a real pod, from the images that are shipped, and switches one of its endpoints.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use scenario::eventually::{SOON, eventually};
use scenario::process::{Process, file, program};
use serde_json::{Value, json};

use super::images::{build_ours, build_python};
use super::pod_rules::list;
use super::podman::{PodNetwork, Podman};
use super::render::Deploy;

/// A user as OpenShift assigns it: any number, in group 0.
const ANY_USER: u64 = 1_000_650_000;

/// The token of `Deploy::with_token`.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The names that podman gives to the pod and to its containers.
const POD: &str = "web-pod-0";
const SIDECAR: &str = "web-pod-0-sidecar";
const SERVICE: &str = "web-pod-0-web";

/// The container beside the pod, in its network.
const CONTROL_PLANE: &str = "control-plane";

/// The whole grace of the pod, in seconds, by its manifest.
const GRACE_SECONDS: u64 = 45;

#[test]
fn the_sample_runs_in_a_real_pod_and_is_switched_and_drained() {
    let (podman, network, _names) = started_mesh();

    // Its programs run as any user, without capabilities, and know their limits.
    for container in [SIDECAR, SERVICE, CONTROL_PLANE] {
        expect_confined(&podman, container);
    }
    let metrics = curl(&network, &["http://127.0.0.1:9191/metrics"]).expect("the admin port answers");
    assert!(metrics.contains("\nsitio_memory_limit_bytes 67108864\n"), "64 MiB are its limit: {metrics}");

    // Requests go through, and the control plane counts them.
    for _ in 0..5 {
        assert_eq!(curl(&network, &["http://127.0.0.1:8080/hello.txt"]).unwrap(), "hello\n");
    }
    eventually(SOON, || {
        let rows: Value = serde_json::from_str(&sitio(&network, &["stat", "-o", "json"])?)?;
        let hits = rows.to_string().contains("\"hits\":5");
        ensure!(hits, "five requests are counted: {rows}");
        Ok(())
    });

    // One endpoint is turned off in the pod, and on again.
    let said = sitio(&network, &["disable", "web", "GET", "/hello.txt", "--reason", "a test", "--wait"]).unwrap();
    assert!(said.contains("is off on 1 pod"), "{said}");
    let refused = curl(&network, &["-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8080/hello.txt"]).unwrap();
    assert_eq!(refused, "503");
    assert_eq!(curl(&network, &["-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8080/"]).unwrap(), "200");
    sitio(&network, &["enable", "/hello.txt", "--wait"]).unwrap();
    assert_eq!(curl(&network, &["http://127.0.0.1:8080/hello.txt"]).unwrap(), "hello\n");

    // SIGTERM ends the pod within its grace, and nothing had to be killed.
    let asked = Instant::now();
    podman.run(&["pod", "stop", "-t", &GRACE_SECONDS.to_string(), POD]);
    assert!(asked.elapsed() < Duration::from_secs(GRACE_SECONDS), "{:?}", asked.elapsed());
    for container in [SIDECAR, SERVICE] {
        let state = &podman.inspect(container)["State"];
        assert_eq!((&state["ExitCode"], &state["OOMKilled"]), (&json!(0), &json!(false)), "{}", podman.logs(container));
    }
    assert!(podman.logs(SIDECAR).contains("drained"), "{}", podman.logs(SIDECAR));
    eventually(SOON, || {
        ensure!(podman.logs(CONTROL_PLANE).contains("detached"), "{}", podman.logs(CONTROL_PLANE));
        Ok(())
    });
}

#[test]
fn a_hostile_sidecar_does_not_get_the_control_plane_killed() {
    let podman = Podman::new();
    build_ours(&podman);
    start_control_plane(&podman, "none");
    let network = PodNetwork::of(&podman, CONTROL_PLANE);
    eventually(SOON, || curl(&network, &["http://127.0.0.1:8090/readyz"]));

    // 1.2 GB of messages that never end, to a control plane of 256 MiB.
    let mut command = network.command(Path::new("python3"));
    command.arg(file("services/unfinished_messages.py")).args(["8091", TOKEN, "1200"]);
    let mut hostile = Process::start(command);
    let held: u64 = hostile.line("how many it holds", |line| line.strip_prefix("holding ")?.parse().ok());

    assert!((1..100).contains(&held), "one address holds {held} streams");
    assert!(podman.process_id(CONTROL_PLANE) > 0, "it still runs");
    curl(&network, &["http://127.0.0.1:8090/readyz"]).expect("it still answers");
}

/// The pod of the sample, a control plane in its network, and the name server by which they find each other.
fn started_mesh() -> (Podman, PodNetwork, Process) {
    let podman = Podman::new();
    build_ours(&podman);
    build_python(&podman);
    // The kubelet would put the token and the published CA here.
    let credentials = podman.folder("credentials");
    fs::write(credentials.join("token"), TOKEN).expect("the folder can be written to");
    let manifest = podman.folder("manifest").join("web.json");
    fs::write(&manifest, manifest_of_web(&podman)).expect("the folder can be written to");

    podman.run(&["kube", "play", "--network", "none", &manifest.to_string_lossy()]);

    let network = PodNetwork::of(&podman, SIDECAR);
    let names = network.start_name_server();
    start_control_plane(&podman, &format!("ns:{}", network.path()));
    // The sidecar has started without the CA, and connects as soon as it is there.
    eventually(SOON, || {
        let ca = fs::read(podman.folder("data").join("ca.crt"))?;
        let published = credentials.join("ca.crt");
        fs::write(&published, ca)?;
        Ok(fs::set_permissions(&published, fs::Permissions::from_mode(0o644))?)
    });
    eventually(SOON, || {
        let pods = sitio(&network, &["pods", "-o", "json"])?;
        ensure!(pods.contains("\"reporting\""), "the sidecar is attached: {pods}\n{}", podman.logs(SIDECAR));
        Ok(())
    });
    eventually(SOON, || curl(&network, &["http://127.0.0.1:9191/readyz"]));
    (podman, network, names)
}

/// The control plane of the overlay, with its own limits. It is a container beside the pod, because podman gives no two
/// pods one network.
fn start_control_plane(podman: &Podman, network: &str) {
    let data = podman.folder("data");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o770)).expect("the folder is ours");
    let overlay = Deploy::with_token().overlay("openshift");
    let deployment = overlay.iter().find(|document| document.kind() == "Deployment").expect("the overlay has a Deployment");
    let container = deployment.containers()[0];
    let memory = container["resources"]["limits"]["memory"].as_str().expect("its memory is limited").replace("Mi", "m");
    let user = format!("{ANY_USER}:0");
    let volume = format!("{}:/data", data.display());
    let image = format!("localhost/sitio-control-plane:{}", env!("CARGO_PKG_VERSION"));
    let mut arguments = vec!["run", "-d", "--name", CONTROL_PLANE, "--network", network, "--user", &user, "--volume", &volume];
    arguments.extend(["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", &memory]);
    // There is no Kubernetes API here.
    let needs_cluster =
        |variable: &Value| ["SITIO_SERVICE_ACCOUNTS", "SITIO_CA_CONFIGMAP"].iter().any(|name| variable["name"] == **name);
    let variables: Vec<String> = list(&json!({"env": literal_variables(container)}), "env")
        .filter(|variable| !needs_cluster(variable))
        .map(|variable| {
            format!("{}={}", variable["name"].as_str().unwrap_or_default(), variable["value"].as_str().unwrap_or_default())
        })
        .collect();
    arguments.extend(variables.iter().flat_map(|variable| ["--env", variable]));
    arguments.push(&image);
    podman.run(&arguments);
}

/// The Deployment `web` with plain containers, as far as podman understands it.
///
/// podman 4.3 has no native sidecars, no probes but by commands inside of the container, no preStop, no ports without a
/// bridge, and few fields of the downward API.
fn manifest_of_web(podman: &Podman) -> String {
    let overlay = Deploy::without_token().overlay("classic-sidecar");
    let find = |kind: &str| overlay.iter().find(|document| document.kind() == kind && document.name().starts_with("web"));
    let mut deployment = find("Deployment").expect("the sample has a Deployment").value.clone();
    deployment["spec"]["replicas"] = json!(1);
    let pod = &mut deployment["spec"]["template"]["spec"];
    assert_eq!(pod["terminationGracePeriodSeconds"], GRACE_SECONDS);
    pod["securityContext"]["runAsUser"] = json!(ANY_USER);
    pod["securityContext"]["runAsGroup"] = json!(0);
    let names = podman.folder("manifest").join("resolv.conf");
    fs::write(&names, "nameserver 127.0.0.1\n").expect("the folder can be written to");
    let volumes = pod["volumes"].as_array_mut().expect("the service has its pages");
    volumes.retain(|volume| volume["name"] != "sitio-credentials");
    let credentials = podman.folder("credentials");
    volumes.push(json!({"name": "sitio-credentials", "hostPath": {"path": credentials, "type": "Directory"}}));
    volumes.push(json!({"name": "names", "hostPath": {"path": names, "type": "File"}}));
    volumes.push(json!({"name": "python", "hostPath": {"path": "/usr", "type": "Directory"}}));
    for container in pod["containers"].as_array_mut().expect("a pod has containers") {
        adapt(container);
    }
    [deployment, find("ConfigMap").expect("the sample has its pages").value.clone()]
        .map(|value| serde_norway::to_string(&value).expect("a value is YAML"))
        .join("---\n")
}

fn adapt(container: &mut Value) {
    let variables = literal_variables(container);
    let fields = container.as_object_mut().expect("a container has fields");
    for unknown in ["startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports"] {
        fields.remove(unknown);
    }
    let mut mounts = fields.remove("volumeMounts").unwrap_or_else(|| json!([]));
    let mount = if fields["name"] == "sidecar" {
        fields.insert("env".to_owned(), variables);
        json!({"name": "names", "mountPath": "/etc/resolv.conf", "readOnly": true})
    } else {
        fields.insert("image".to_owned(), json!("localhost/python:1"));
        json!({"name": "python", "mountPath": "/usr", "readOnly": true})
    };
    mounts.as_array_mut().expect("mounts are a list").push(mount);
    fields.insert("volumeMounts".to_owned(), mounts);
}

/// The variables with values of their own; the token of users is that of the Secret, and the pod's description is short.
fn literal_variables(container: &Value) -> Value {
    let literal = list(container, "env").filter_map(|variable| match &variable["valueFrom"] {
        Value::Null => Some(variable.clone()),
        from if from["secretKeyRef"].is_object() => Some(json!({"name": variable["name"], "value": TOKEN})),
        _ => None,
    });
    let described = json!([{"name": "SITIO_SERVICE", "value": "web"}, {"name": "POD_NAME", "value": POD}]);
    let described = list(&json!({"env": described}), "env").cloned().collect::<Vec<_>>();
    let own = if container["name"] == "sidecar" { described } else { Vec::new() };
    literal.chain(own).collect()
}

fn expect_confined(podman: &Podman, container: &str) {
    let status = fs::read_to_string(format!("/proc/{}/status", podman.process_id(container))).expect("it runs");
    for (field, value) in [
        ("Uid", ANY_USER.to_string().as_str()),
        ("Gid", "0"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
    ] {
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        assert!(line.is_some_and(|line| line.split('\t').all(|found| found == value)), "{container}: {field} is {line:?}");
    }
    assert_eq!(podman.inspect(container)["HostConfig"]["ReadonlyRootfs"], true, "{container}");
}

/// The body of an answer, from inside of the network.
fn curl(network: &PodNetwork, arguments: &[&str]) -> Result<String> {
    let output = network.command(Path::new("curl")).args(["-sS", "--max-time", "10"]).args(arguments).output()?;
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "curl {}: {error}", arguments.join(" "));
    Ok(said.into_owned())
}

fn sitio(network: &PodNetwork, arguments: &[&str]) -> Result<String> {
    let output = network.command(&program("sitio")).env("SITIO_TOKEN", TOKEN).args(arguments).output()?;
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "sitio {}: {said}{error}", arguments.join(" "));
    Ok(said.into_owned())
}
