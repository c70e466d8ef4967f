//! Tests that writes survive the log's encoding, and that replicas agree whatever a network and two leaders do.

mod model;

use std::collections::BTreeMap;

use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::model::rule_record::RuleChange;
use crate::store::codec::Corrupt;
use crate::store::metrics_store::{AppendRow, SeriesName};
use crate::store::notice_store::NoticeChange;
use crate::store::replica_log::codec::{decode, encode};
use crate::store::replica_log::rule_message::{decode_rules, encode_rules};
use crate::store::replica_log::tests::model::{Checks, Fault, Model};
use crate::store::replica_log::*;

/// Schedules of each test: a schedule takes less than a millisecond.
const SCHEDULES: u64 = 3000;

fn golden(hits: u64) -> GoldenMetrics {
    let mut golden = GoldenMetrics::default();
    golden.hits = hits;
    golden.add_status(200, hits);
    golden.time(1500, 700);
    golden
}

fn name(route: &str) -> SeriesName {
    SeriesName { namespace: "default".into(), service: "shop".into(), endpoint: Endpoint::named("GET", route).unwrap() }
}

fn process(pod: &str) -> Process {
    Process { pod_uid: pod.into(), epoch: 1_763_647_661_000_000_000 }
}

fn append() -> Append {
    let slots = BTreeMap::from([(176_364_766, golden(3)), (176_364_767, golden(1))]);
    let row = AppendRow { name: name("/cart/{id}"), is_file: false, seen: Some(Seen { first_ms: 7, last_ms: 9 }), slots };
    let other = AppendRow { name: name("/logo.svg"), is_file: true, seen: None, slots: BTreeMap::new() };
    Append { rows: vec![row, other], advances: vec![Advance { process: process("a"), from: 0, to: 12 }], now_ms: 1 << 41 }
}

#[test]
fn every_write_is_the_same_after_the_log() {
    let handover = Handover {
        attached: vec![process("a")],
        detached: vec![process("b")],
        exposed: vec![(name("/cart/{id}"), golden(5))],
        withdrawn: vec![name("/old")],
    };
    let writes = [
        LogWrite::Append(append()),
        LogWrite::Forget(vec![name("/cart/{id}"), name("/old")]),
        LogWrite::Record(handover),
        LogWrite::Notices(NoticeChange::default()),
        LogWrite::Sessions("[]".into()),
        LogWrite::CaKey("00ff".into()),
    ];
    for write in writes {
        assert_eq!(format!("{:?}", decode(&encode(&write)).unwrap()), format!("{write:?}"));
    }
}

#[test]
fn a_change_of_the_rules_is_the_same_after_the_log() {
    let change = RuleChange { from: 3, to: 4, drop: vec!["r1".into()], ..RuleChange::default() };
    let (id, read) = decode_rules(&encode_rules(9, &change)).unwrap();
    assert_eq!((id, format!("{read:?}")), (9, format!("{change:?}")));
    assert!(decode_rules(b"{}").is_err());
}

#[test]
fn a_damaged_write_and_one_of_a_later_version_are_refused() {
    let bytes = encode(&LogWrite::Append(append()));
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
    }
    let mut later = bytes;
    later[0] = 2;
    assert_eq!(decode(&later).unwrap_err(), Corrupt::Version(2));
}

#[test]
fn late_lost_and_reordered_publishes_and_two_leaders_lose_nothing_and_count_nothing_twice() {
    for seed in 0..SCHEDULES {
        if let Err(fault) = Model::new(seed, Checks::TermAndMarks).run() {
            panic!("schedule {seed}: {fault:?}");
        }
    }
}

#[test]
fn without_the_marks_in_a_write_the_same_schedules_count_twice() {
    let faults = (0..SCHEDULES).filter_map(|seed| Model::new(seed, Checks::TermOnly).run().err());
    assert!(faults.into_iter().any(|fault| matches!(fault, Fault::WrongTotal { .. })));
}

#[test]
fn without_the_term_a_leader_restores_less_than_its_sidecars_have_acknowledged() {
    let faults = (0..SCHEDULES).filter_map(|seed| Model::new(seed, Checks::MarksOnly).run().err());
    assert!(faults.into_iter().any(|fault| matches!(fault, Fault::RestoredTooLittle { .. })));
}
