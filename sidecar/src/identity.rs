//! The identity of this sidecar's pod, from its configuration or else from the machine.

use std::num::NonZeroUsize;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use mesh::workload::{Workload, service_of};
use uuid::Uuid;

use crate::setting_values::{Addresses, addresses, name};

/// Default number of worker threads. Two carry more traffic than a typical service beside a sidecar. A
/// third would take more CPU from the service than it adds to the proxy.
const WORKERS_MAX: usize = 2;

/// The identity of this sidecar process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The pod.
    pub workload: Workload,
    /// When the process started, in nanoseconds since the Unix epoch. Its counters started at 0 then.
    pub epoch: u64,
}

/// The values from the pod's description. A missing value is detected or generated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct PodDescription {
    /// The pod. The default is the host name, which is the pod's name inside a container.
    #[arg(long = "pod-name", env = "POD_NAME", hide = true, value_parser = name)]
    pub pod: Option<String>,
    /// Service that this pod is a copy of [default: the pod's name less its generated suffix]
    #[arg(long, env = "SITIO_SERVICE", value_name = "NAME", value_parser = name)]
    pub service: Option<String>,
    /// The namespace. The default is `default`.
    #[arg(long = "pod-namespace", env = "POD_NAMESPACE", hide = true, value_parser = name)]
    pub namespace: Option<String>,
    /// The pod's UID. The default is a new random one, so that two processes are never confused.
    #[arg(long, env = "POD_UID", hide = true, value_parser = name)]
    pub pod_uid: Option<String>,
    /// The node. The default is empty.
    #[arg(long = "node-name", env = "NODE_NAME", hide = true, value_parser = name)]
    pub node: Option<String>,
    /// The pod's addresses. The default is none, because the machine's own addresses may differ from those
    /// that others see.
    #[arg(long = "pod-ip", env = "POD_IP", hide = true, value_parser = addresses)]
    pub addresses: Option<Addresses>,
}

impl Identity {
    /// The identity of a sidecar that starts now.
    pub fn new(named: PodDescription) -> Self {
        let host = || hostname::get().map(|name| name.to_string_lossy().into_owned()).ok().filter(|name| !name.is_empty());
        let pod = named.pod.or_else(host).unwrap_or_else(|| "unknown".to_owned());
        let workload = Workload {
            namespace: named.namespace.unwrap_or_else(|| "default".to_owned()),
            service: named.service.unwrap_or_else(|| service_of(&pod).to_owned()),
            pod,
            pod_uid: named.pod_uid.unwrap_or_else(|| Uuid::new_v4().to_string()),
            node: named.node.unwrap_or_default(),
            addresses: named.addresses.unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { workload, epoch: since_1970.as_nanos() as u64 }
    }
}

/// The number of workers for a container with this CPU limit (thousandths of a core, 0 for none).
pub fn workers_for(cpu_limit_milli: u32) -> usize {
    let cores = match cpu_limit_milli {
        0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
        milli => milli.div_ceil(1000) as usize,
    };
    cores.clamp(1, WORKERS_MAX)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn the_pods_description_has_the_last_word() {
        let reported = |name: &str| Some(name.to_owned());
        let named = PodDescription {
            pod: reported("web-6c9f7d5b8-2kqxz"),
            service: None,
            namespace: reported("shop"),
            pod_uid: reported("uid-1"),
            node: reported("node-1"),
            addresses: Some(vec![[10, 0, 0, 7].into()]),
        };
        let workload = Identity::new(named.clone()).workload;
        assert_eq!((workload.service.as_str(), workload.namespace.as_str()), ("web", "shop"));
        assert_eq!((workload.pod_uid.as_str(), workload.node.as_str()), ("uid-1", "node-1"));
        assert_eq!(workload.addresses, [IpAddr::from([10, 0, 0, 7])]);
        let renamed = Identity::new(PodDescription { service: reported("storefront"), ..named });
        assert_eq!(renamed.workload.service, "storefront");
    }

    #[test]
    fn a_sidecar_without_settings_has_an_identity() {
        let (one, other) = (Identity::new(PodDescription::default()), Identity::new(PodDescription::default()));
        assert!(!one.workload.pod.is_empty() && !one.workload.service.is_empty());
        assert_ne!(one.workload.pod_uid, other.workload.pod_uid);
        assert!(one.epoch > 1_700_000_000_000_000_000);
    }

    #[test]
    fn workers_follow_the_processor_limit() {
        let workers = [1, 250, 1000, 1001, 2000, 64_000].map(workers_for);
        assert_eq!(workers, [1, 1, 1, 2, 2, 2]);
        assert!((1..=2).contains(&workers_for(0)));
    }
}
