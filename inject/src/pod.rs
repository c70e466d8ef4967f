//! Adds the sidecar to one pod, and takes it out again.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::application::{all_containers, carries_tcp, list, name, port, port_number, taken_ports};
use crate::editor::{Editor, escaped, malformed};
use crate::handlers;
use crate::record::{self, INJECTED, PodRecord};
use crate::refusal::Refusal;
use crate::settings::InjectionSettings;
use crate::sidecar::{Declared, NAME, SidecarPorts, VOLUME, container, credentials_volume};

/// The annotation that asks for a sidecar, or for none: `"true"` or `"false"`.
pub(crate) const INJECT: &str = "sitio.dev/inject";

/// The annotation with the sidecar's port.
const SIDECAR_PORT: &str = "sitio.dev/sidecar-port";

/// The ports that the sidecar takes by default, in order of preference. Applications seldom have an undeclared port among
/// those from 18080 on.
const PORTS: [u16; 6] = [8080, 8087, 18_080, 18_087, 28_080, 28_087];

/// The same for the sidecar's admin port.
const ADMIN_PORTS: [u16; 3] = [9191, 19_191, 29_191];

/// The lists of containers in a pod. Init containers that keep running serve as well.
const CONTAINERS: [&str; 2] = ["containers", "initContainers"];

/// What became of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PodChange {
    /// It was changed, as the record says; with remarks for the user.
    Changed(PodRecord, Vec<String>),
    /// It had a sidecar already.
    Injected(PodRecord),
    /// It has no sidecar, and is to have none.
    Left(&'static str),
}

/// Adds the sidecar to the pod at a path.
pub(crate) fn inject(editor: &mut Editor, path: &str, settings: &InjectionSettings) -> Result<PodChange, Refusal> {
    let pod = editor.at(path).clone();
    match &pod["metadata"]["annotations"][INJECT] {
        Value::Null => {}
        value if value == "true" => {}
        value if value == "false" => return Ok(PodChange::Left("its annotation sitio.dev/inject is \"false\"")),
        other => {
            let expected = "\"true\" or \"false\", in quotes";
            return Err(Refusal::Annotation { annotation: INJECT, value: other.to_string(), expected });
        }
    }
    if let Some(record) = record::read(&pod["metadata"])? {
        return Ok(PodChange::Injected(record));
    }
    check(&pod, path)?;
    let record = plan(&pod)?;
    apply(editor, path, &pod, record, settings)
}

/// Takes the sidecar out of the pod at a path.
pub(crate) fn uninject(editor: &mut Editor, path: &str) -> Result<PodChange, Refusal> {
    let pod = editor.at(path).clone();
    let Some(record) = record::read::<PodRecord>(&pod["metadata"])? else {
        return Ok(PodChange::Left("it was not injected"));
    };
    if let Some(at) = list(&pod["spec"]["initContainers"]).position(|container| name(container) == NAME) {
        editor.remove(&format!("{path}/spec/initContainers/{at}"))?;
    }
    if let Some(at) = list(&pod["spec"]["volumes"]).position(|volume| volume["name"] == VOLUME) {
        editor.remove(&format!("{path}/spec/volumes/{at}"))?;
    }
    let spec = format!("{path}/spec");
    move_declarations(editor, &spec, record.sidecar_port, record.target_port, |_| true)?;
    rename_handlers(editor, &spec, &record)?;
    editor.remove(&format!("{path}/metadata/annotations/{}", escaped(INJECTED)))?;
    if editor.at(&format!("{path}/metadata")).as_object().is_some_and(Map::is_empty) {
        editor.remove(&format!("{path}/metadata"))?;
    }
    Ok(PodChange::Changed(record, Vec::new()))
}

fn check(pod: &Value, path: &str) -> Result<(), Refusal> {
    let spec = &pod["spec"];
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        return Err(malformed(&format!("{path}/spec/containers"), "a list of containers"));
    }
    for (field, expected) in [("initContainers", "a list"), ("volumes", "a list")] {
        if !matches!(spec[field], Value::Null | Value::Array(_)) {
            return Err(malformed(&format!("{path}/spec/{field}"), expected));
        }
    }
    if spec["hostNetwork"] == true {
        return Err(Refusal::HostNetwork);
    }
    if spec["os"]["name"] == "windows" || spec["nodeSelector"]["kubernetes.io/os"] == "windows" {
        return Err(Refusal::Windows);
    }
    match all_containers(pod).find(|container| is_sidecar(container)) {
        Some(container) => Err(Refusal::ByHand(name(container).to_owned())),
        None => Ok(()),
    }
}

/// Whether a container is our sidecar: by its name, or by its image's name.
fn is_sidecar(container: &Value) -> bool {
    let image = container["image"].as_str().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    name(container) == NAME || last.split([':', '@']).next() == Some("sitio-sidecar")
}

/// Decides which ports to use.
fn plan(pod: &Value) -> Result<PodRecord, Refusal> {
    let target_port = port(pod)?;
    let mut taken = taken_ports(pod);
    taken.insert(target_port);
    let free = |candidates: &[u16], taken: &BTreeSet<u16>| {
        let free = candidates.iter().copied().find(|port| !taken.contains(port));
        free.ok_or_else(|| Refusal::NoFreePort(candidates.iter().copied().collect()))
    };
    let sidecar_port = match &pod["metadata"]["annotations"][SIDECAR_PORT] {
        Value::Null => free(&PORTS, &taken)?,
        value => {
            let number = value.as_str().and_then(|text| text.parse().ok()).filter(|port: &u16| *port != 0);
            let expected = "a number from 1 to 65535, in quotes";
            let refusal = Refusal::Annotation { annotation: SIDECAR_PORT, value: value.to_string(), expected };
            number.ok_or(refusal)?
        }
    };
    if taken.contains(&sidecar_port) {
        return Err(Refusal::PortTaken(sidecar_port));
    }
    Ok(PodRecord { target_port, sidecar_port, named: named_handlers(pod, target_port) })
}

fn apply(
    editor: &mut Editor,
    path: &str,
    pod: &Value,
    record: PodRecord,
    settings: &InjectionSettings,
) -> Result<PodChange, Refusal> {
    let (target, spec) = (record.target_port, format!("{path}/spec"));
    let mut taken = taken_ports(pod);
    taken.extend([target, record.sidecar_port]);
    let admin = ADMIN_PORTS.into_iter().find(|port| !taken.contains(port));
    let admin = admin.ok_or_else(|| Refusal::NoFreePort(ADMIN_PORTS.into()))?;
    let mut remarks = vec![format!("added the sidecar on port {}; it forwards to port {target}", record.sidecar_port)];

    for (field, _) in &record.named {
        let (container, field) = field.split_once('/').expect("a field has a container before it");
        if let Some(at) = container_path(editor, &spec, container) {
            editor.replace(&format!("{at}/{field}"), target.into())?;
        }
    }
    // A name leads to the sidecar, wherever it is used. It stays with the application's container: a Service finds the
    // ports of init containers by name only from Kubernetes 1.33 on.
    let leads = |port: &Value| port["name"].is_string() || !port["hostPort"].is_null();
    let moved = move_declarations(editor, &spec, target, record.sidecar_port, leads)?;
    remarks.extend(moved.iter().map(|name| format!("port {name} now leads to the sidecar, and so does a Service that names it")));
    if !record.named.is_empty() {
        remarks.push(format!("probes keep asking the application, on port {target}"));
    }
    let declared = if moved.is_empty() { Declared::BySidecar } else { Declared::ByApplication };
    let ports = SidecarPorts { port: record.sidecar_port, target, admin, declared };
    let first_serving = list(&pod["spec"]["initContainers"]).position(|container| container["restartPolicy"] == "Always");
    let at = first_serving.unwrap_or_else(|| list(&pod["spec"]["initContainers"]).count());
    editor.insert(&format!("{spec}/initContainers"), at, container(&pod["spec"], ports, settings))?;
    if let Some(volume) = credentials_volume(&settings.credentials) {
        let at = list(&pod["spec"]["volumes"]).count();
        editor.insert(&format!("{spec}/volumes"), at, volume)?;
    }
    let metadata = format!("{path}/metadata");
    match editor.at(&metadata) {
        Value::Null => {
            let annotations = Map::from_iter([(INJECTED.to_owned(), record::write(&record))]);
            editor.set(path, "metadata", Map::from_iter([("annotations".to_owned(), annotations.into())]).into())?;
        }
        _ => editor.set(&format!("{metadata}/annotations"), INJECTED, record::write(&record))?,
    }
    Ok(PodChange::Changed(record, remarks))
}

/// The names by which probes and handlers use the application's port, by container and field.
fn named_handlers(pod: &Value, target: u16) -> Map<String, Value> {
    let mut named = Map::new();
    for container in all_containers(pod) {
        let is_target = |used: &Value| {
            used.is_string()
                && list(&container["ports"])
                    .any(|port| port["name"] == *used && port_number(&port["containerPort"]) == Some(target))
        };
        for (field, used) in handlers::ports(container).filter(|(_, used)| is_target(used)) {
            named.insert(format!("{}/{field}", name(container)), used.clone());
        }
    }
    named
}

/// Changes the number of declared TCP ports; returns the names of those that it changed.
fn move_declarations(
    editor: &mut Editor,
    spec: &str,
    from: u16,
    to: u16,
    applies: impl Fn(&Value) -> bool,
) -> Result<Vec<String>, Refusal> {
    let mut moved = Vec::new();
    for containers in CONTAINERS.map(|containers| format!("{spec}/{containers}")) {
        let found: Vec<(String, String)> = list(editor.at(&containers))
            .enumerate()
            .filter(|(_, container)| name(container) != NAME)
            .flat_map(|(at, container)| list(&container["ports"]).enumerate().map(move |(index, port)| (at, index, port)))
            .filter(|(_, _, port)| port_number(&port["containerPort"]) == Some(from) && carries_tcp(port) && applies(port))
            .map(|(at, index, port)| {
                let label = port["name"].as_str().map_or_else(|| from.to_string(), str::to_owned);
                (format!("{containers}/{at}/ports/{index}/containerPort"), label)
            })
            .collect();
        for (path, label) in found {
            editor.replace(&path, to.into())?;
            moved.push(label);
        }
    }
    Ok(moved)
}

/// Gives probes and handlers the port names back that they had before the injection.
fn rename_handlers(editor: &mut Editor, spec: &str, record: &PodRecord) -> Result<(), Refusal> {
    for (field, port_name) in &record.named {
        let place = field.split_once('/').and_then(|(container, field)| {
            let path = format!("{}/{field}", container_path(editor, spec, container)?);
            (port_number(editor.at(&path)) == Some(record.target_port)).then_some(path)
        });
        // A probe that was changed since then stays as it is.
        if let Some(path) = place {
            editor.replace(&path, port_name.clone())?;
        }
    }
    Ok(())
}

fn container_path(editor: &Editor, spec: &str, container: &str) -> Option<String> {
    CONTAINERS.iter().find_map(|containers| {
        let path = format!("{spec}/{containers}");
        let at = list(editor.at(&path)).position(|candidate| name(candidate) == container)?;
        Some(format!("{path}/{at}"))
    })
}
