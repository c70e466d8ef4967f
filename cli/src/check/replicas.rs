//! Checks the replicas of the control plane: who leads, whether NATS is reachable, and how far the others are.

use api::status::{Replica, Replication, StoreStatus};

use crate::check::findings::Findings;
use crate::check::store;
use crate::moment;

/// How long a replica may be silent or behind. It announces itself each second.
const LATE_S: u64 = 15;

/// Judges the replicas, and the store as far as NATS is not what keeps it from being written.
pub(super) fn judge(store: &StoreStatus, replication: &Replication, now_ms: u64, findings: &mut Findings) {
    if let Some(since) = &replication.nats_unreachable_since {
        let lasting = moment::lasting(Some(since), now_ms);
        findings.error(
            format!("for {lasting} the control plane {} cannot reach NATS", replication.leader),
            "see which NATS servers run: until a majority does, nothing is stored, rules are refused, and no sidecar can attach",
        );
    } else {
        store::judge(store, now_ms, findings);
    }
    let led = moment::lasting(Some(&replication.since), now_ms);
    findings.fine(format!("{} leads for {led}, of {} control planes", replication.leader, replication.replicas.len()));
    for replica in &replication.replicas {
        if let Some(what) = late(replica) {
            findings.warning(
                format!("the control plane {} {what}", replica.name),
                "see its log: until it has caught up, it cannot take over",
            );
        }
    }
}

fn late(replica: &Replica) -> Option<String> {
    match replica.behind_s {
        _ if replica.silent_s > LATE_S => Some(format!("has not been heard for {} s", replica.silent_s)),
        None => Some("has not applied the log yet".to_owned()),
        Some(behind_s) if behind_s > LATE_S => Some(format!("is {behind_s} s and {} messages behind", replica.behind_messages)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_silent_or_behind_is_named() {
        let replica = |behind_s, silent_s| Replica {
            name: "sitio-1".into(),
            address: "10.0.0.7:8092".into(),
            behind_messages: 9,
            behind_s,
            silent_s,
        };
        assert_eq!(late(&replica(Some(1), 1)), None);
        assert_eq!(late(&replica(Some(20), 1)).unwrap(), "is 20 s and 9 messages behind");
        assert_eq!(late(&replica(Some(1), 60)).unwrap(), "has not been heard for 60 s");
        assert_eq!(late(&replica(None, 0)).unwrap(), "has not applied the log yet");
    }
}
