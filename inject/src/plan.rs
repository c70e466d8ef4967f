//! Decides how a pod gets its sidecar: which ports it uses, and how traffic gets to it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::application::{all_containers, list, name, port, port_number, taken_ports};
use crate::handlers;
use crate::record::PodRecord;
use crate::refusal::Refusal;
use crate::settings::Interception;

/// The annotation that asks for a redirection by the kernel, or for none: `"true"` or `"false"`.
const TRANSPARENT: &str = "sitio.dev/transparent";

/// The annotation with the sidecar's port.
const SIDECAR_PORT: &str = "sitio.dev/sidecar-port";

/// The ports that the sidecar takes by default, in order of preference.
///
/// Applications listen on usual ports, such as 8080, without declaring them. The sidecar starts first, so an application
/// would find its port taken; and of the webhook's choice its author sees nothing.
const PORTS: [u16; 4] = [18_080, 18_087, 28_080, 28_087];

/// The same for the sidecar's admin port.
const ADMIN_PORTS: [u16; 3] = [9191, 19_191, 29_191];

/// The same for the port by which probes reach the application past a redirection.
const PROBE_PORTS: [u16; 3] = [9192, 19_192, 29_192];

/// How a pod gets its sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What is recorded of it.
    pub(crate) record: PodRecord,
    /// The sidecar's port for health and metrics.
    pub(crate) admin_port: u16,
}

/// Decides it from the pod's ports and annotations.
pub(crate) fn plan(pod: &Value, default: Interception) -> Result<Plan, Refusal> {
    let interception = match answer(pod, TRANSPARENT)? {
        Some(true) => Interception::Transparent,
        Some(false) => Interception::Ports,
        None => default,
    };
    let target_port = port(pod)?;
    let mut taken = taken_ports(pod);
    taken.insert(target_port);
    let sidecar_port = match &pod["metadata"]["annotations"][SIDECAR_PORT] {
        Value::Null => free(&PORTS, &taken)?,
        value => {
            let number = value.as_str().and_then(|text| text.parse().ok()).filter(|port: &u16| *port != 0);
            let expected = "a number from 1 to 65535, in quotes";
            let refusal = Refusal::Annotation { annotation: SIDECAR_PORT, value: value.to_string(), expected };
            number.ok_or(refusal)?
        }
    };
    if !taken.insert(sidecar_port) {
        return Err(Refusal::PortTaken(sidecar_port));
    }
    let admin_port = free(&ADMIN_PORTS, &taken)?;
    let probe_port = match interception {
        Interception::Ports => None,
        Interception::Transparent => Some(free(&PROBE_PORTS, &taken)?),
    };
    let named = handlers_of(pod, target_port, interception);
    Ok(Plan { record: PodRecord { target_port, sidecar_port, probe_port, named }, admin_port })
}

/// The first candidate that is not taken.
fn free(candidates: &[u16], taken: &BTreeSet<u16>) -> Result<u16, Refusal> {
    let free = candidates.iter().copied().find(|port| !taken.contains(port));
    free.ok_or_else(|| Refusal::NoFreePort(candidates.iter().copied().collect()))
}

/// What an annotation of a pod answers, if it is there.
pub(crate) fn answer(pod: &Value, annotation: &'static str) -> Result<Option<bool>, Refusal> {
    match &pod["metadata"]["annotations"][annotation] {
        Value::Null => Ok(None),
        value if value == "true" => Ok(Some(true)),
        value if value == "false" => Ok(Some(false)),
        other => {
            let expected = "\"true\" or \"false\", in quotes";
            Err(Refusal::Annotation { annotation, value: other.to_string(), expected })
        }
    }
}

/// The ports of probes and handlers that are to be another number, by container and field: those that name the application's
/// port, and with a redirection those that have its number, too.
fn handlers_of(pod: &Value, target: u16, interception: Interception) -> Map<String, Value> {
    let mut found = Map::new();
    for container in all_containers(pod) {
        let is_target = |used: &Value| {
            let is_number = interception == Interception::Transparent && port_number(used) == Some(target);
            is_number
                || used.is_string()
                    && list(&container["ports"])
                        .any(|port| port["name"] == *used && port_number(&port["containerPort"]) == Some(target))
        };
        for (field, used) in handlers::ports(container).filter(|(_, used)| is_target(used)) {
            found.insert(format!("{}/{field}", name(container)), used.clone());
        }
    }
    found
}
