//! Finds the port on which the application of a pod listens.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::handlers::{ports as handler_ports, probed_ports};
use crate::refusal::Refusal;

/// The annotation with the application's port, as a number or as the name of a declared port.
pub(crate) const PORT: &str = "sitio.dev/port";

/// The port name by which the application's port is recognised among several.
const HTTP: &str = "http";

/// The application's port: that of the annotation; or else the one that is named `http`, the only one that is declared,
/// or the only one that probes use.
pub(crate) fn port(pod: &Value) -> Result<u16, Refusal> {
    match &pod["metadata"]["annotations"][PORT] {
        Value::Null => {}
        Value::String(text) => return annotated(pod, text),
        other => return Err(annotation(other)),
    }
    let containers: Vec<&Value> = list(&pod["spec"]["containers"]).collect();
    let declaring: Vec<&Value> = containers.iter().copied().filter(|container| tcp_ports(container).next().is_some()).collect();
    if declaring.len() > 1 {
        return Err(Refusal::ManyContainers(declaring.iter().map(|container| name(container).to_owned()).collect()));
    }
    let declared: BTreeSet<u16> = declaring.iter().flat_map(|container| tcp_ports(container)).filter_map(number).collect();
    let http = declaring.iter().flat_map(|container| tcp_ports(container)).find(|port| port["name"] == HTTP).and_then(number);
    if let Some(port) = http.or_else(|| only(&declared)) {
        return Ok(port);
    }
    let probed = containers.iter().flat_map(|container| probed_ports(container).filter_map(|port| resolve(container, port)));
    match only(&probed.collect()) {
        Some(port) => Ok(port),
        None if declared.is_empty() => Err(Refusal::NoPort),
        None => Err(Refusal::ManyPorts(declared)),
    }
}

/// All ports that the pod's containers declare or probe, whatever their protocol.
pub(crate) fn taken_ports(pod: &Value) -> BTreeSet<u16> {
    let containers = || all_containers(pod);
    let declared = containers().flat_map(|container| list(&container["ports"])).filter_map(number);
    let handled = containers().flat_map(handler_ports).filter_map(|(_, port)| port_number(port));
    declared.chain(handled).collect()
}

/// The init containers and containers of a pod.
pub(crate) fn all_containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(&pod["spec"]["initContainers"]).chain(list(&pod["spec"]["containers"]))
}

/// The elements of a list, or none.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether a declared port, or a port of a Service, carries TCP, the default.
pub(crate) fn carries_tcp(port: &Value) -> bool {
    matches!(port["protocol"].as_str(), None | Some("TCP"))
}

/// A port number from 1 to 65535.
pub(crate) fn port_number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|port| *port != 0)
}

/// A container's name.
pub(crate) fn name(container: &Value) -> &str {
    container["name"].as_str().unwrap_or("(no name)")
}

fn annotated(pod: &Value, text: &str) -> Result<u16, Refusal> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|port| *port != 0).ok_or_else(|| annotation(&text.into()));
    }
    let named = all_containers(pod).flat_map(tcp_ports).find(|port| port["name"] == text).and_then(number);
    named.ok_or_else(|| Refusal::UnknownPort(text.to_owned()))
}

fn annotation(value: &Value) -> Refusal {
    Refusal::Annotation {
        annotation: PORT,
        value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        expected: "a number from 1 to 65535 in quotes, or the name of a declared port",
    }
}

fn tcp_ports(container: &Value) -> impl Iterator<Item = &Value> {
    list(&container["ports"]).filter(|port| carries_tcp(port))
}

fn number(port: &Value) -> Option<u16> {
    port_number(&port["containerPort"])
}

/// The number of a probe's port, which may name a port of its container.
fn resolve(container: &Value, port: &Value) -> Option<u16> {
    let by_name = || tcp_ports(container).find(|declared| port.is_string() && declared["name"] == *port).and_then(number);
    port_number(port).or_else(by_name)
}

fn only(ports: &BTreeSet<u16>) -> Option<u16> {
    ports.first().copied().filter(|_| ports.len() == 1)
}
