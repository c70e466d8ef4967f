//! Tests: addresses of a pod survive encoding and decoding, and invalid ones are refused.

use crate::convert::greeting::*;

fn greeting(addresses: &[&str]) -> Greeting {
    let name = || "a".to_owned();
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let (namespace, service, pod, pod_uid, node, version) = (name(), name(), name(), name(), name(), name());
    let workload = Workload { namespace, service, pod, pod_uid, node, addresses, version };
    Greeting { workload, epoch: 1, session: 1, protected: vec![], uptime: None, known: None }
}

#[test]
fn addresses_of_both_families_pass() {
    for addresses in [&["10.0.0.7", "2001:db8::7"][..], &["127.0.0.5"], &[]] {
        let said = greeting(addresses);
        assert_eq!(Greeting::try_from(wire::Hello::from(said.clone())).unwrap(), said);
    }
    let mapped = Greeting::try_from(wire::Hello::from(greeting(&["::ffff:10.0.0.7"]))).unwrap();
    assert_eq!(mapped.workload.addresses, greeting(&["10.0.0.7"]).workload.addresses);
}

#[test]
fn what_is_no_address_of_a_pod_is_refused() {
    for (addresses, words) in [
        (vec![vec![1; 5]], "4 or 16 bytes"),
        (vec![vec![]], "4 or 16 bytes"),
        (vec![vec![0; 4]], "0.0.0.0 is no pod's own address"),
        (vec![vec![255; 16]], "no pod's own address"),
        (vec![vec![10, 0, 0, 7]; 9], "limit of 8"),
    ] {
        let hello = wire::Hello { pod_ip: addresses, ..wire::Hello::from(greeting(&[])) };
        let why = Greeting::try_from(hello).unwrap_err().to_string();
        assert!(why.contains("pod_ip") && why.contains(words), "{words}: {why}");
    }
}
