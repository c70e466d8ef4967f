//! The identity of a reporting pod: its service, name, node, addresses and version.

use core::net::IpAddr;

/// Bytes of one name. Kubernetes allows 253 (RFC 1123 subdomain).
pub const NAME_BYTES_MAX: usize = 253;

/// Addresses of one pod. Kubernetes assigns one of each family.
pub const ADDRESSES_MAX: usize = 8;

/// One running copy of a service with its sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The namespace; `default` if there is none.
    pub namespace: String,
    /// The service that this pod is a copy of.
    pub service: String,
    /// The pod's name.
    pub pod: String,
    /// The unique id of this pod; a later pod of the same name has another one.
    pub pod_uid: String,
    /// The node it runs on; empty if unknown.
    pub node: String,
    /// Its addresses in the pod network, which other pods see as the source of its calls; empty if not known.
    pub addresses: Vec<IpAddr>,
    /// The sidecar's version.
    pub version: String,
}

/// The service of a pod: the pod's name without the suffixes that a controller generates.
///
/// A Deployment adds a template hash and five random letters (`web-6c9f7d5b8-2kqxz`), a
/// ReplicationController a revision and five letters (`j-slow-9-5rt8f`), a StatefulSet an ordinal
/// (`db-0`). Kubernetes generates letters from an alphabet without vowels
/// (`k8s.io/apimachinery/pkg/util/rand`), so they can be recognised.
pub fn service_of(pod: &str) -> &str {
    let cut = |name: &'_ str, generated: fn(&str) -> bool| -> Option<usize> {
        let (rest, last) = name.rsplit_once('-')?;
        (!rest.is_empty() && generated(last)).then_some(rest.len())
    };
    if let Some(without_random) = cut(pod, is_random) {
        let owner = &pod[..without_random];
        return cut(owner, is_hash_or_revision).map_or(owner, |end| &pod[..end]);
    }
    cut(pod, is_ordinal).map_or(pod, |end| &pod[..end])
}

fn is_generated_letter(byte: u8) -> bool {
    b"bcdfghjklmnpqrstvwxz2456789".contains(&byte)
}

fn is_random(part: &str) -> bool {
    part.len() == 5 && part.bytes().all(is_generated_letter)
}

fn is_hash_or_revision(part: &str) -> bool {
    is_ordinal(part) || ((8..=10).contains(&part.len()) && part.bytes().all(is_generated_letter))
}

fn is_ordinal(part: &str) -> bool {
    (1..=5).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::service_of;

    #[test]
    fn a_generated_suffix_is_no_part_of_the_service() {
        for (pod, service) in [
            ("j-slow-9-5rt8f", "j-slow"),
            ("web-6c9f7d5b8-2kqxz", "web"),
            ("legacy-6c9f7d5b8-hm7tp", "legacy"),
            ("my-shop-7d4c9b6f54-c7mtn", "my-shop"),
            ("db-0", "db"),
            ("agent-x7k2p", "agent"),
            ("web", "web"),
            ("my-laptop", "my-laptop"),
            ("payments-api", "payments-api"),
            ("-5rt8f", "-5rt8f"),
            ("", ""),
        ] {
            assert_eq!(service_of(pod), service, "{pod}");
        }
    }
}
