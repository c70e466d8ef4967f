//! Tests that a file of an earlier version opens with its counts, rules and audit trail, and can be written to.

use std::io::Read;
use std::time::Duration;

use crate::store::redb::tests::windows::{HOUR_MS, kept, row};
use crate::store::redb::tests::*;
use crate::store::rollup::WINDOW_MS;

/// What the programs of revision 704f1a2 wrote under traffic, before there were decorators in rules:
/// `tests/upgrade 704f1a2 --record before.redb.gz`.
const BEFORE: &[u8] = include_bytes!("upgrade/before.redb.gz");

/// Longer than this test may live: the counts are of November 2026.
const LONG: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[test]
fn a_file_of_the_version_before_opens_and_can_be_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(BEFORE).read_to_end(&mut file).unwrap();
    std::fs::write(folder.path().join(FILE), file).unwrap();
    let keep = Keep { ten_seconds: LONG, minutes: LONG, hours: LONG, ..Keep::DEFAULT };

    let store = RedbStore::open_with(folder.path(), keep).unwrap();

    for (route, hits) in [("/", 8), ("/hello.txt", 9), ("/missing", 8), ("/users/{id}", 8), ("/users/{user}/cart", 8)] {
        for resolution in Resolution::ALL {
            let (total, slots) = kept(&store, route, resolution);
            assert_eq!((total, slots.iter().map(|(_, hits)| hits).sum::<u64>()), (hits, hits), "{route} by {resolution:?}");
        }
    }
    let rules = store.load().unwrap();
    let disabled = rules.records.iter().find(|record| record.rule.endpoint.route() == "/hello.txt").unwrap();
    assert_eq!((disabled.rule.id.as_str(), &disabled.rule.action), ("r1", &Action::Disable { status: 503 }));
    assert_eq!((&disabled.ending, &disabled.rule.selection), (&None, &decorators::selection::Selection::default()));
    assert_eq!((rules.audit_entries, rules.audit.len()), (2, 2));
    assert_eq!(rules.audit[0].about.route, "/hello.txt", "the older one");

    let (from, slot) = (rules.revision, HOUR_MS / WINDOW_MS);
    let change = RuleChange { from, to: from + 1, put: vec![record("r9", from + 1)], drop: vec![], audit: vec![entry(3)] };
    store.commit(&change).unwrap();
    store.append(&Append { rows: vec![row("/new", &[(slot, 1)])], advances: vec![], now_ms: HOUR_MS }).unwrap();
    drop(store);
    let store = RedbStore::open_with(folder.path(), keep).unwrap();
    assert_eq!((store.load().unwrap().records.len(), kept(&store, "/new", Resolution::Hour).0), (rules.records.len() + 1, 1));
}
