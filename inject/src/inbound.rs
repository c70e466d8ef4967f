//! What directs traffic to injected pods: Services are moved to the sidecar's port, policies are pointed out.

use serde_json::Value;

use crate::application::{carries_tcp, list, port_number};
use crate::editor::{Editor, escaped};
use crate::object::selects;
use crate::record::{self, INJECTED, TargetRecord};
use crate::refusal::Refusal;

/// A pod of the documents after its injection.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// For example `Deployment shop/web`.
    pub(crate) place: String,
    /// Its namespace, if the document says one.
    pub(crate) namespace: Option<String>,
    /// The labels of the pod.
    pub(crate) labels: Value,
    /// Its ports, if it has a sidecar.
    pub(crate) sidecar: Option<MemberPorts>,
}

/// The ports of a pod with a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemberPorts {
    pub(crate) target: u16,
    pub(crate) sidecar: u16,
}

impl Member {
    /// Whether a selector of an object in this namespace selects the pod. A missing namespace is set by `kubectl`, to the
    /// same for all objects.
    pub(crate) fn is_selected(&self, selector: &Value, namespace: Option<&str>) -> bool {
        let is_same = match (self.namespace.as_deref(), namespace) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        is_same && selects(selector, &self.labels)
    }
}

/// What became of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServiceChange {
    /// Nothing leads past the sidecars.
    Right,
    /// All that led past the sidecars was moved; with remarks.
    Moved(Vec<String>),
    /// Something leads past the sidecars, and the user has to act, as the remarks say.
    Bypass(Vec<String>),
}

/// Moves the numeric targets of a Service from the applications' port to the sidecars'.
///
/// Targets that are names stay: the declared port of the name has moved.
pub(crate) fn move_service(editor: &mut Editor, path: &str, members: &[&Member]) -> Result<ServiceChange, Refusal> {
    let ports: Vec<Value> = list(editor.at(&format!("{path}/spec/ports"))).cloned().collect();
    let (mut moved, mut remarks, mut bypasses) = (Vec::new(), Vec::new(), Vec::new());
    for (at, port) in ports.iter().enumerate().filter(|(_, port)| carries_tcp(port)) {
        let target = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
        let (Some(target), Some(number)) = (port_number(target), port_number(&port["port"])) else { continue };
        let is_hit = |ports: &MemberPorts| ports.target == target;
        let Some(wanted) = members.iter().filter_map(|member| member.sidecar).find(is_hit) else { continue };
        if let Some(other) = members.iter().find(|member| member.sidecar != Some(wanted)) {
            bypasses.push(format!(
                "its port {number} leads past the sidecars, to port {target}: it also selects {}, which does not have the same \
                 ports; give the ports of both one name, and set targetPort to that name",
                other.place
            ));
            continue;
        }
        editor.set(&format!("{path}/spec/ports/{at}"), "targetPort", wanted.sidecar.into())?;
        remarks.push(format!("its port {number} now leads to the sidecar: targetPort is {} instead of {target}", wanted.sidecar));
        moved.push(TargetRecord { port: number, target: port_number(&port["targetPort"]), sidecar_port: wanted.sidecar });
    }
    if !moved.is_empty() {
        let mut record: Vec<TargetRecord> = record::read(editor.at(&format!("{path}/metadata")))?.unwrap_or_default();
        record.extend(moved);
        editor.set(&format!("{path}/metadata/annotations"), INJECTED, record::write(&record))?;
    }
    Ok(match (remarks.is_empty(), bypasses.is_empty()) {
        (true, true) => ServiceChange::Right,
        (false, true) => ServiceChange::Moved(remarks),
        (_, false) => ServiceChange::Bypass([bypasses, remarks].concat()),
    })
}

/// Moves the targets of a Service back; whether there was anything to move.
pub(crate) fn restore_service(editor: &mut Editor, path: &str) -> Result<Restored, Refusal> {
    let Some(record) = record::read::<Vec<TargetRecord>>(editor.at(&format!("{path}/metadata")))? else {
        return Ok(Restored::Nothing);
    };
    for TargetRecord { port, target, sidecar_port } in record {
        let is_moved = |candidate: &Value| {
            let (number, to) = (port_number(&candidate["port"]), port_number(&candidate["targetPort"]));
            carries_tcp(candidate) && (number, to) == (Some(port), Some(sidecar_port))
        };
        // A target that was changed since then stays as it is.
        let Some(at) = list(editor.at(&format!("{path}/spec/ports"))).position(is_moved) else { continue };
        let field = format!("{path}/spec/ports/{at}/targetPort");
        match target {
            Some(target) => editor.replace(&field, target.into())?,
            None => editor.remove(&field)?,
        }
    }
    editor.remove(&format!("{path}/metadata/annotations/{}", escaped(INJECTED)))?;
    Ok(Restored::Targets)
}

/// What was moved back in a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restored {
    /// It had no record of a change.
    Nothing,
    /// Its targets.
    Targets,
}

/// What to change in a NetworkPolicy that admits traffic to the application's port by number, and not to the sidecar's.
pub(crate) fn policy_remarks(policy: &Value, members: &[&Member]) -> Vec<String> {
    let admitted: Vec<u16> = list(&policy["spec"]["ingress"])
        .flat_map(|rule| list(&rule["ports"]))
        .filter(|port| carries_tcp(port))
        .filter_map(|port| port_number(&port["port"]))
        .collect();
    let with_sidecar = members.iter().filter_map(|member| Some((member, member.sidecar?)));
    let cut_off = with_sidecar.filter(|(_, ports)| admitted.contains(&ports.target) && !admitted.contains(&ports.sidecar));
    cut_off
        .map(|(member, MemberPorts { target, sidecar })| {
            format!(
                "it admits traffic to port {target}, and traffic to {} now arrives at port {sidecar}: admit port {sidecar} instead",
                member.place
            )
        })
        .collect()
}
