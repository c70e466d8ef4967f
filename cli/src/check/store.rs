//! Checks the control plane's metrics store: whether counts are on disk, and what is missing there.

use api::client::Client;
use api::client::failure::Failure;
use api::status::Recovery;
use api::status::StoreStatus;
use mesh::report::GIVE_UP_AFTER;

use format::number;

use crate::check::findings::Findings;
use crate::check::replicas;
use crate::moment;

/// Runs the check and returns the recovery in progress, if there is one.
pub(super) async fn look(client: &Client, findings: &mut Findings) -> Option<Recovery> {
    match client.status().await {
        Ok(status) => {
            let now_ms = moment::now_ms();
            // Without NATS, the store of several control planes cannot be written: that is one finding, not two.
            if status.replication.as_ref().is_none_or(|replication| replication.nats_unreachable_since.is_none()) {
                judge(&status.store, now_ms, findings);
            }
            if let Some(replication) = &status.replication {
                replicas::judge(replication, now_ms, findings);
            }
            status.recovery.inspect(|recovery| incomplete(recovery, findings))
        }
        // An older control plane has no such page; the check of its version reports that already.
        Err(Failure::Refused { problem, .. }) if problem.is("not-found") => None,
        Err(failure) => {
            findings.failed(&failure);
            None
        }
    }
}

fn incomplete(recovery: &Recovery, findings: &mut Findings) {
    findings.warning(
        format!("{recovery}: totals and rates are too low"),
        format!(
            "check again when all have, or {} s after the restart: pods that have not by then are gone",
            GIVE_UP_AFTER.as_secs()
        ),
    );
}

fn judge(store: &StoreStatus, now_ms: u64, findings: &mut Findings) {
    if let Some(why) = &store.replaced {
        findings.error(
            format!("the control plane's store was lost or replaced: {why}"),
            "do what it says: rules that were in force before are missing, and new pods do not get them",
        );
    }
    if store.durable {
        let size = store.file_bytes.map_or_else(String::new, |bytes| format!(", {}", number::memory(bytes).words()));
        let kept = moment::lasting(Some(&store.since), now_ms);
        findings.fine(format!("what is counted is on disk, {kept} of it{size}"));
        return losses(store, findings);
    }
    let lasting = moment::lasting(store.not_durable_since.as_deref(), now_ms);
    let why = store.why.as_deref().unwrap_or("it does not say why");
    findings.error(
        format!("for {lasting} nothing could be written to the control plane's disk: {why}"),
        "make room in its data folder (SITIO_DATA_DIR): until then numbers are in memory only, and rules are refused",
    );
}

/// Reports data that is missing on disk although the disk works.
fn losses(store: &StoreStatus, findings: &mut Findings) {
    if store.hits_not_durable > 0 {
        findings.warning(
            format!("{} requests of pods that died at once are in the totals, and not on disk", number::count(store.hits_not_durable)),
            "end sidecars by SIGTERM and give them some seconds, so that they hand over what they hold; these cannot be brought back",
        );
    }
    if let Some(slots @ 1..) = store.slots_crowded_out {
        findings.warning(
            format!("the record is at its bound: {} steps of time were deleted before their time was over", number::count(slots)),
            "raise SITIO_STORE_MAX, or keep less (SITIO_KEEP_10S, SITIO_KEEP_1M, SITIO_KEEP_1H)",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api::status::StoredWindows;

    use super::*;
    use crate::check::findings::Severity;
    use crate::color::ColorMode;

    #[test]
    fn a_full_disk_is_an_error_with_what_to_do() {
        let mut store = StoreStatus {
            durable: true,
            not_durable_since: None,
            why: None,
            since: "1970-01-01T00:00:00Z".into(),
            bytes_max: 1 << 30,
            file_bytes: Some(3 << 20),
            slots: BTreeMap::new(),
            slots_crowded_out: Some(0),
            windows: StoredWindows::default(),
            hits_not_durable: 0,
            replaced: None,
        };
        let found = |store: &StoreStatus| {
            let mut findings = Findings::default();
            judge(store, 7_200_000, &mut findings);
            (findings.worst(), findings.words(ColorMode::Plain))
        };
        let (level, words) = found(&store);
        assert!(level == Severity::Fine && words.contains("on disk, 2 h of it, 3 MiB"), "{words}");

        (store.hits_not_durable, store.slots_crowded_out) = (12, Some(3));
        let (level, words) = found(&store);
        assert!(
            level == Severity::Warning && words.contains("12 requests of pods") && words.contains("SITIO_STORE_MAX"),
            "{words}"
        );

        (store.durable, store.why) = (false, Some("no space left on device".into()));
        store.not_durable_since = Some("1970-01-01T01:58:00Z".into());
        let (level, words) = found(&store);
        assert!(level == Severity::Error && words.contains("for 2 min nothing could be written"), "{words}");
        assert!(words.contains("no space left on device") && words.contains("SITIO_DATA_DIR"), "{words}");

        (store.durable, store.replaced) = (true, Some("put a copy from a backup in its place".into()));
        let (level, words) = found(&store);
        assert!(level == Severity::Error && words.contains("lost or replaced: put a copy"), "{words}");
    }
}
