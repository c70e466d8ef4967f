//! The hello message: which pod a stream belongs to; it is validated before everything else on the stream.

use std::net::IpAddr;
use std::time::Duration;

use mesh::workload::{ADDRESSES_MAX, NAME_BYTES_MAX, Workload};

use crate::convert::{InvalidMessage, bounded, name, text};
use crate::wire;

/// Protected paths that a pod may name. Kubernetes has three kinds of probe.
const PROTECTED_MAX: usize = 32;

/// Labels of a pod that are accepted. Real pods have a dozen.
const LABELS_MAX: usize = 64;

/// Bytes of a label's name: 253 before the slash and 63 after it (Kubernetes, "Labels and Selectors").
const LABEL_NAME_BYTES_MAX: usize = 317;

/// Bytes of a label's value (Kubernetes, "Labels and Selectors").
const LABEL_VALUE_BYTES_MAX: usize = 63;

/// What a sidecar reports about itself at the start of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The pod.
    pub workload: Workload,
    /// When the sidecar's process started, nanoseconds since the Unix epoch.
    pub epoch: u64,
    /// The number of this stream within the epoch; a higher one supersedes a lower one.
    pub session: u32,
    /// Paths of this pod that no rule may disable.
    pub protected: Vec<String>,
    /// How long the process has run by its monotonic clock; `None` if the sidecar does not measure it.
    pub uptime: Option<Duration>,
    /// The rules that the sidecar applies, if it has any from a control plane.
    pub known: Option<KnownRules>,
}

/// The set of rules that a sidecar applies when its stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRules {
    /// The id of the store that the rules come from.
    pub store: String,
    /// Their revision in that store.
    pub revision: u64,
}

impl From<Greeting> for wire::Hello {
    fn from(greeting: Greeting) -> Self {
        let workload = greeting.workload;
        let (store, revision) = greeting.known.map(|known| (known.store, known.revision)).unwrap_or_default();
        Self {
            store,
            revision,
            protocol: wire::PROTOCOL,
            pod_uid: workload.pod_uid,
            pod: workload.pod,
            namespace: workload.namespace,
            service: workload.service,
            node: workload.node,
            version: workload.version,
            epoch: greeting.epoch,
            session: greeting.session,
            protected: greeting.protected,
            pod_ip: workload.addresses.into_iter().map(bytes).collect(),
            uptime_ms: greeting.uptime.map(|uptime| uptime.as_millis() as u64),
            ..Self::default()
        }
    }
}

impl TryFrom<wire::Hello> for Greeting {
    type Error = InvalidMessage;

    fn try_from(hello: wire::Hello) -> Result<Self, InvalidMessage> {
        if hello.protocol != wire::PROTOCOL {
            let why = format!("this control plane speaks version {}, the sidecar version {}", wire::PROTOCOL, hello.protocol);
            return Err(InvalidMessage::Senseless { field: "protocol", why });
        }
        let protected = bounded("protected", hello.protected, PROTECTED_MAX)?;
        let addresses = bounded("pod_ip", hello.pod_ip, ADDRESSES_MAX)?;
        for (label, value) in bounded("labels", hello.labels.into_iter().collect(), LABELS_MAX)? {
            name("labels", label, LABEL_NAME_BYTES_MAX)?;
            text("labels", value, LABEL_VALUE_BYTES_MAX)?;
        }
        let store = text("store", hello.store, NAME_BYTES_MAX)?;
        Ok(Self {
            known: (!store.is_empty()).then_some(KnownRules { store, revision: hello.revision }),
            uptime: hello.uptime_ms.map(Duration::from_millis),
            workload: Workload {
                namespace: name("namespace", hello.namespace, NAME_BYTES_MAX)?,
                service: name("service", hello.service, NAME_BYTES_MAX)?,
                pod: name("pod", hello.pod, NAME_BYTES_MAX)?,
                pod_uid: name("pod_uid", hello.pod_uid, NAME_BYTES_MAX)?,
                node: text("node", hello.node, NAME_BYTES_MAX)?,
                addresses: addresses.iter().map(|bytes| address(bytes)).collect::<Result<_, _>>()?,
                version: text("version", hello.version, NAME_BYTES_MAX)?,
            },
            epoch: hello.epoch,
            session: hello.session,
            protected: protected.into_iter().map(|path| name("protected", path, NAME_BYTES_MAX)).collect::<Result<_, _>>()?,
        })
    }
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Parses an address and checks that it can belong to a single pod.
fn address(bytes: &[u8]) -> Result<IpAddr, InvalidMessage> {
    let four = bytes.try_into().map(|octets: [u8; 4]| IpAddr::from(octets));
    let address = four.or_else(|_| bytes.try_into().map(|octets: [u8; 16]| IpAddr::from(octets).to_canonical()));
    let Ok(address) = address else {
        return Err(InvalidMessage::Senseless { field: "pod_ip", why: "an address has 4 or 16 bytes".into() });
    };
    if address.is_unspecified() || address.is_multicast() {
        return Err(InvalidMessage::Senseless { field: "pod_ip", why: format!("{address} is no pod's own address") });
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
