//! Adds the sidecar to one pod, and takes it out again.

use serde_json::{Map, Value};

use crate::application::{all_containers, carries_tcp, list, name, port_number};
use crate::editor::{Editor, escaped, malformed};
use crate::plan::{Plan, answer, plan};
use crate::record::{self, INJECTED, PodRecord};
use crate::refusal::Refusal;
use crate::settings::InjectionSettings;
use crate::sidecar::{Declared, NAME, REDIRECT_NAME, SidecarPorts, VOLUME, container, credentials_volume, redirect};

/// The annotation that asks for a sidecar, or for none: `"true"` or `"false"`.
pub(crate) const INJECT: &str = "sitio.dev/inject";

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
    if answer(&pod, INJECT)? == Some(false) {
        return Ok(PodChange::Left("its annotation sitio.dev/inject is \"false\""));
    }
    if let Some(record) = record::read(&pod["metadata"])? {
        return Ok(PodChange::Injected(record));
    }
    check(&pod, path)?;
    let plan = plan(&pod, settings.interception)?;
    apply(editor, path, &pod, plan, settings)
}

/// Takes the sidecar out of the pod at a path.
pub(crate) fn uninject(editor: &mut Editor, path: &str) -> Result<PodChange, Refusal> {
    let pod = editor.at(path).clone();
    let Some(record) = record::read::<PodRecord>(&pod["metadata"])? else {
        return Ok(PodChange::Left("it was not injected"));
    };
    for ours in [NAME, REDIRECT_NAME] {
        let containers = format!("{path}/spec/initContainers");
        let found = list(editor.at(&containers)).position(|container| name(container) == ours);
        if let Some(at) = found {
            editor.remove(&format!("{containers}/{at}"))?;
        }
    }
    if let Some(at) = list(&pod["spec"]["volumes"]).position(|volume| volume["name"] == VOLUME) {
        editor.remove(&format!("{path}/spec/volumes/{at}"))?;
    }
    let spec = format!("{path}/spec");
    if record.probe_port.is_none() {
        move_declarations(editor, &spec, record.sidecar_port, record.target_port, |_| true)?;
    }
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

fn apply(editor: &mut Editor, path: &str, pod: &Value, plan: Plan, settings: &InjectionSettings) -> Result<PodChange, Refusal> {
    let Plan { record, admin_port } = plan;
    let (target, spec) = (record.target_port, format!("{path}/spec"));
    let mut remarks = vec![format!("added the sidecar on port {}; it forwards to port {target}", record.sidecar_port)];

    let probed = record.probe_port.unwrap_or(target);
    for (field, _) in &record.named {
        let (container, field) = field.split_once('/').expect("a field has a container before it");
        if let Some(at) = container_path(editor, &spec, container) {
            editor.replace(&format!("{at}/{field}"), probed.into())?;
        }
    }
    let moved = if record.probe_port.is_none() { lead_names(editor, &spec, &record)? } else { Vec::new() };
    if record.probe_port.is_some() {
        remarks.push(format!(
            "the kernel redirects port {target} to it; {REDIRECT_NAME} needs NET_ADMIN and user 0, which restricted clusters refuse"
        ));
    }
    remarks.extend(moved.iter().map(|name| format!("port {name} now leads to the sidecar, and so does a Service that names it")));
    if !record.named.is_empty() {
        remarks.push(format!("probes keep asking the application, on port {probed}"));
    }
    let declared = if moved.is_empty() { Declared::BySidecar } else { Declared::ByApplication };
    let ports = SidecarPorts { port: record.sidecar_port, target, admin: admin_port, declared };
    let containers = [
        record.probe_port.map(|probe_port| redirect(ports, probe_port, settings)),
        Some(container(&pod["spec"], ports, settings)),
    ];
    let first_serving = list(&pod["spec"]["initContainers"]).position(|container| container["restartPolicy"] == "Always");
    let at = first_serving.unwrap_or_else(|| list(&pod["spec"]["initContainers"]).count());
    for (behind, container) in containers.into_iter().flatten().enumerate() {
        editor.insert(&format!("{spec}/initContainers"), at + behind, container)?;
    }
    if let Some(volume) = credentials_volume(&settings.credentials) {
        let at = list(&pod["spec"]["volumes"]).count();
        editor.insert(&format!("{spec}/volumes"), at, volume)?;
    }
    write_record(editor, path, &record)?;
    Ok(PodChange::Changed(record, remarks))
}

/// Moves declared ports with a name to the sidecar's port; returns the names.
///
/// A name leads to the sidecar, wherever it is used. It stays with the application's container: a Service finds the
/// ports of init containers by name only from Kubernetes 1.33 on.
fn lead_names(editor: &mut Editor, spec: &str, record: &PodRecord) -> Result<Vec<String>, Refusal> {
    let leads = |port: &Value| port["name"].is_string() || !port["hostPort"].is_null();
    move_declarations(editor, spec, record.target_port, record.sidecar_port, leads)
}

fn write_record(editor: &mut Editor, path: &str, record: &PodRecord) -> Result<(), Refusal> {
    let metadata = format!("{path}/metadata");
    match editor.at(&metadata) {
        Value::Null => {
            let annotations = Map::from_iter([(INJECTED.to_owned(), record::write(record))]);
            editor.set(path, "metadata", Map::from_iter([("annotations".to_owned(), annotations.into())]).into())
        }
        _ => editor.set(&format!("{metadata}/annotations"), INJECTED, record::write(record)),
    }
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

/// Gives probes and handlers the ports back that they had before the injection.
fn rename_handlers(editor: &mut Editor, spec: &str, record: &PodRecord) -> Result<(), Refusal> {
    for (field, port_name) in &record.named {
        let place = field.split_once('/').and_then(|(container, field)| {
            let path = format!("{}/{field}", container_path(editor, spec, container)?);
            (port_number(editor.at(&path)) == Some(record.probe_port.unwrap_or(record.target_port))).then_some(path)
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
