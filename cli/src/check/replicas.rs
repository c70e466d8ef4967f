//! Checks the replicas of the control plane: who leads, whether NATS is reachable, and how far the others are.

use std::time::Duration;

use api::status::Replication;

use crate::check::findings::Findings;
use crate::moment;

/// Judges the replicas.
pub(super) fn judge(replication: &Replication, now_ms: u64, findings: &mut Findings) {
    if let Some(since) = &replication.nats_unreachable_since {
        let lasting = moment::lasting(Some(since), now_ms);
        findings.error(
            format!("for {lasting} the control plane {} cannot reach NATS", replication.leader),
            "see which NATS servers run: until a majority does, nothing is stored, rules are refused, and no sidecar can attach",
        );
    }
    let led = moment::lasting(Some(&replication.since), now_ms);
    findings.fine(format!("{} leads for {led}, of {} control planes", replication.leader, replication.replicas.len()));
    for replica in &replication.replicas {
        let (behind, silent) = (replica.behind_s.map(Duration::from_secs), Duration::from_secs(replica.silent_s));
        if let Some(fault) = format::replica::fault(behind, replica.behind_messages, silent) {
            findings.warning(
                format!("the control plane {} {fault}", replica.name),
                "see its log: until it has caught up, it cannot take over",
            );
        }
    }
}
