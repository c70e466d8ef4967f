//! Probes and lifecycle handlers of a container, which name a port of the container by number or by name.

use serde_json::Value;

/// Where a container has probes and handlers.
const HANDLERS: [&str; 5] = ["readinessProbe", "livenessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"];

/// The actions that name a port. The port of `grpc` is always a number.
const ACTIONS: [&str; 3] = ["httpGet", "tcpSocket", "grpc"];

/// The number of [`HANDLERS`] that are probes.
const PROBES: usize = 3;

/// The ports that a container's probes and handlers name: the path below the container, such as
/// `livenessProbe/httpGet/port`, and the port.
pub(crate) fn ports(container: &Value) -> impl Iterator<Item = (String, &Value)> {
    named(container, &HANDLERS)
}

/// The ports that a container's probes name.
pub(crate) fn probed_ports(container: &Value) -> impl Iterator<Item = &Value> {
    named(container, &HANDLERS[..PROBES]).map(|(_, port)| port)
}

fn named<'a>(container: &'a Value, handlers: &'static [&'static str]) -> impl Iterator<Item = (String, &'a Value)> {
    let paths = handlers.iter().flat_map(|handler| ACTIONS.iter().map(move |action| format!("{handler}/{action}/port")));
    paths.filter_map(|path| Some((path.clone(), container.pointer(&format!("/{path}"))?)))
}
