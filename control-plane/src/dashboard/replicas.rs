//! The control planes that share one state, as a list for people: which one leads, and which could take over.

use crate::dashboard::attention_cells::AttentionCells;
use crate::model::replicas::{Replica, Replicas};
use crate::query::snapshot::Snapshot;
use format::{number, time};

/// Replicas that are listed. More make nothing safer.
pub const SHOWN_MAX: usize = 5;

/// Where all of it is said.
const DETAILS: &str = "api/v1/status";

/// A place for each replica; an empty place is not shown, and all are empty without replicas.
pub type ControlPlanes = [AttentionCells; SHOWN_MAX];

/// The replicas, by name.
pub fn list(snapshot: &Snapshot) -> ControlPlanes {
    let place = |at: usize| {
        let replicas = snapshot.replicas.as_ref()?;
        Some(place(replicas, replicas.each.get(at)?, snapshot.taken_ms))
    };
    std::array::from_fn(|at| place(at).unwrap_or_default())
}

/// The first replica that could not take over.
pub fn first_at_fault(snapshot: &Snapshot) -> Option<AttentionCells> {
    let replicas = snapshot.replicas.as_ref()?;
    let places = replicas.each.iter().map(|replica| place(replicas, replica, snapshot.taken_ms));
    let at_fault = places.filter(|place| place.kind == "warn");
    at_fault.map(|place| AttentionCells { href: "pods".into(), title: format!("Control plane {}", place.title), ..place }).next()
}

fn place(replicas: &Replicas, replica: &Replica, now_ms: u64) -> AttentionCells {
    let since = |since_ms: u64| time::span(now_ms.saturating_sub(since_ms));
    let (kind, strong, rest) = if replica.name != replicas.leader {
        follower(replica)
    } else if let Some(since_ms) = replicas.nats_unreachable_since_ms {
        ("bad", format!("Cannot reach NATS for {}", since(since_ms)), ": nothing is stored, and rules are refused".to_owned())
    } else {
        ("ok", "Leads".to_owned(), format!(" for {}", since(replicas.since_ms)))
    };
    AttentionCells { kind, href: DETAILS.into(), title: replica.name.clone(), strong, rest, ..AttentionCells::default() }
}

fn follower(replica: &Replica) -> (&'static str, String, String) {
    if let Some(fault) = format::replica::fault(replica.behind, replica.behind_messages, replica.silent) {
        return ("warn", capitalised(&fault), ": it cannot take over; see its log".to_owned());
    }
    let behind = number::plural(replica.behind_messages as usize, "message", "messages");
    ("ok", "Follows".to_owned(), format!(", {behind} behind, ready to take over"))
}

fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    text[..1].make_ascii_uppercase();
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dashboard::sample;

    fn replicas() -> Replicas {
        let replica = |name: &str, behind_s: u64, silent_s: u64| Replica {
            name: name.into(),
            address: "10.0.0.7:8092".into(),
            behind_messages: behind_s,
            behind: Some(Duration::from_secs(behind_s)),
            silent: Duration::from_secs(silent_s),
        };
        Replicas {
            leader: "sitio-0".into(),
            since_ms: sample::NOW_MS - 180_000,
            term: 7,
            nats_unreachable_since_ms: None,
            applied: 9,
            last: 9,
            each: vec![replica("sitio-0", 0, 0), replica("sitio-1", 1, 0), replica("sitio-2", 0, 60)],
        }
    }

    fn listed(change: impl FnOnce(&mut Replicas)) -> Vec<(&'static str, String)> {
        let (mut snapshot, mut replicas) = (sample::snapshot(), replicas());
        change(&mut replicas);
        snapshot.replicas = Some(replicas);
        list(&snapshot).iter().map(|place| (place.kind, format!("{} {}{}", place.title, place.strong, place.rest))).collect()
    }

    #[test]
    fn each_replica_leads_follows_or_is_at_fault() {
        let expected = [
            ("ok", "sitio-0 Leads for 3 min"),
            ("ok", "sitio-1 Follows, 1 message behind, ready to take over"),
            ("warn", "sitio-2 Has not reported for 1 min: it cannot take over; see its log"),
            ("", " "),
            ("", " "),
        ];
        assert_eq!(listed(|_| {}), expected.map(|(kind, text)| (kind, text.to_owned())));

        let unreachable = listed(|replicas| replicas.nats_unreachable_since_ms = Some(sample::NOW_MS - 20_000));
        let expected = "sitio-0 Cannot reach NATS for 20 s: nothing is stored, and rules are refused";
        assert_eq!(unreachable[0], ("bad", expected.to_owned()));
    }

    #[test]
    fn one_control_plane_alone_has_no_list() {
        let snapshot = sample::snapshot();
        assert_eq!(list(&snapshot), ControlPlanes::default());
        assert_eq!(first_at_fault(&snapshot), None);
    }
}
