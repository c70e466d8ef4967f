//! Tests that an address belongs to a pod only if that pod claims it, was there, and is the only one.

use crate::counts::fleet::address_index::*;

const NOW_MS: u64 = 1_763_647_661_000;
const HOUR_MS: u64 = 3_600_000;

fn claim(owners: &mut AddressIndex, (service, pod): (&str, &str), address: &str, began_ms: u64, gone_ms: Option<u64>) {
    let workload = Arc::new(Workload {
        namespace: "default".into(),
        service: service.into(),
        pod: pod.into(),
        pod_uid: pod.into(),
        node: String::new(),
        addresses: vec![],
        version: String::new(),
    });
    let claim = AddressClaim { workload, began_ms, gone_ms, has_left: gone_ms.is_some() };
    owners.claims.entry(address.parse().unwrap()).or_default().push(claim);
}

fn describe(owners: &AddressIndex, address: &str, last_ms: u64) -> String {
    match owners.owner(address.parse().unwrap(), last_ms) {
        AddressOwner::Pod(workload) => workload.pod.clone(),
        AddressOwner::Service(workload) => format!("one of {}", workload.service),
        AddressOwner::Unknown => "unknown".into(),
    }
}

#[test]
fn an_address_is_that_of_the_pod_that_was_there_when_it_called() {
    let mut owners = AddressIndex::default();
    claim(&mut owners, ("cart", "cart-old"), "10.0.0.1", 0, Some(NOW_MS - 2 * HOUR_MS));
    claim(&mut owners, ("web", "web-0"), "10.0.0.1", NOW_MS - HOUR_MS, None);
    assert_eq!(describe(&owners, "10.0.0.1", NOW_MS), "web-0");
    assert_eq!(describe(&owners, "::ffff:10.0.0.1", NOW_MS), "web-0");
    assert_eq!(describe(&owners, "10.0.0.1", NOW_MS - 3 * HOUR_MS), "cart-old", "the newer one was not there yet");
    assert_eq!(describe(&owners, "10.0.0.1", NOW_MS - HOUR_MS - HOUR_MS / 2), "unknown", "the one had left, the other not begun");
    assert_eq!(describe(&owners, "10.0.0.2", NOW_MS), "unknown");
}

#[test]
fn an_address_that_pods_share_belongs_to_their_service_or_is_unknown() {
    let mut owners = AddressIndex::default();
    claim(&mut owners, ("web", "web-0"), "10.0.0.1", 0, None);
    claim(&mut owners, ("web", "web-1"), "10.0.0.1", 0, None);
    assert_eq!(describe(&owners, "10.0.0.1", NOW_MS), "one of web");
    claim(&mut owners, ("liar", "liar-0"), "10.0.0.1", 0, None);
    assert_eq!(describe(&owners, "10.0.0.1", NOW_MS), "unknown", "an uncertain owner is not named");
}
