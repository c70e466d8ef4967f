//! Why a pod cannot be injected, and what to do about it.

use std::collections::BTreeSet;

/// Why a pod cannot be injected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An annotation has a value that it cannot have.
    #[error("the annotation {annotation} is {value:?}, and it must be {expected}")]
    Annotation {
        /// The annotation.
        annotation: &'static str,
        /// Its value, as JSON.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A part of the object does not have the type that Kubernetes requires.
    #[error("{path} is not {expected}; correct it first")]
    Malformed {
        /// The field, such as `spec.containers`.
        path: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The pod shares the node's network.
    #[error(
        "it uses the node's network (hostNetwork), so a sidecar would take a port of the node; remove hostNetwork, or leave it without a sidecar"
    )]
    HostNetwork,
    /// The pod runs on Windows.
    #[error("it runs on Windows, and the sidecar is a Linux program; leave it without a sidecar")]
    Windows,
    /// A sidecar was added by hand.
    #[error("container {0} is a sidecar that was added by hand; remove it first, or leave the pod as it is")]
    ByHand(String),
    /// No port is declared.
    #[error(
        "it declares no port and no probe names one; set the annotation sitio.dev/port to the application's port, such as \"8000\""
    )]
    NoPort,
    /// Several ports are declared, and none stands out.
    #[error("it declares the ports {}; name one of them `http`, or set the annotation sitio.dev/port to the application's", list(.0))]
    ManyPorts(BTreeSet<u16>),
    /// Several containers declare ports.
    #[error("its containers {} declare ports; set the annotation sitio.dev/port to the port that the sidecar serves", .0.join(", "))]
    ManyContainers(Vec<String>),
    /// The annotation names a port that no container declares.
    #[error(
        "the annotation sitio.dev/port is {0:?}, and no container declares a TCP port of this name; use a number or a declared name"
    )]
    UnknownPort(String),
    /// The port for the sidecar is taken.
    #[error("port {0} of the annotation sitio.dev/sidecar-port is taken by a container; choose a free port")]
    PortTaken(u16),
    /// All ports that the sidecar would take by default are taken.
    #[error("the ports {} are all taken; set the annotation sitio.dev/sidecar-port to a free port", list(.0))]
    NoFreePort(BTreeSet<u16>),
    /// The record of an injection cannot be read.
    #[error("the annotation sitio.dev/injected is not a record of an injection ({0}); remove the sidecar by hand")]
    Record(String),
}

fn list(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
