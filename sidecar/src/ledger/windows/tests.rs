//! Tests that every count is in exactly one window, whatever the clocks, the streams and the control plane do.

use std::time::{Duration, Instant};

use mesh::endpoint::Endpoint;
use mesh::window::{Window, slot_of};

use crate::ledger::Ledger;
use crate::ledger::tests::counted;
use crate::ledger::windows::{IN_FLIGHT_MAX, Moment, ROWS_MAX, UnackedWindows, WINDOWS_MAX};

mod any_order;

/// Both clocks, controlled by the test.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    unix_ms: u64,
    at: Instant,
}

impl Clocks {
    /// Starts in the middle of a slot.
    fn start() -> Self {
        Self { unix_ms: 1_700_000_005_000, at: Instant::now() }
    }

    fn now(self) -> Moment {
        Moment { unix_ms: self.unix_ms, at: self.at }
    }

    /// Advances both clocks.
    fn pass(&mut self, seconds: u64) {
        self.unix_ms += seconds * 1000;
        self.at += Duration::from_secs(seconds);
    }
}

fn ledger() -> (Ledger, Clocks) {
    let (mut ledger, clocks) = (Ledger::default(), Clocks::start());
    ledger.keep_windows();
    ledger.turn(clocks.now());
    (ledger, clocks)
}

fn windows(ledger: &mut Ledger) -> &mut UnackedWindows {
    ledger.windows().unwrap()
}

/// Counts one hit on a route, and then lets a whole slot pass.
fn count_and_pass(ledger: &mut Ledger, clocks: &mut Clocks, route: &str) {
    ledger.absorb(vec![counted(route, 0, &[5])]);
    clocks.pass(10);
    ledger.turn(clocks.now());
}

fn held(ledger: &mut Ledger) -> Vec<(u64, u32, u64)> {
    windows(ledger).held().map(|window| (window.id, window.span, window.sum().hits)).collect()
}

/// Sends all windows that may be sent on a stream whose last sent slot is `sent`.
fn send(ledger: &mut Ledger, sent: &mut u64) -> Vec<Window> {
    let mut next = |sent: &mut u64| {
        let (window, _) = windows(ledger).hand_over(*sent)?;
        *sent = window.last_slot();
        Some(window)
    };
    std::iter::from_fn(|| next(sent)).collect()
}

#[test]
fn a_window_closes_when_its_slot_is_over_and_an_empty_one_is_not_kept() {
    let (mut ledger, mut clocks) = ledger();
    let slot = slot_of(clocks.unix_ms);
    ledger.absorb(vec![counted("/a", 0, &[5, 7]), counted("/b", 1, &[])]);
    clocks.pass(4);
    ledger.turn(clocks.now());
    assert_eq!(held(&mut ledger), [], "it is still open");
    clocks.pass(1);
    ledger.turn(clocks.now());
    assert_eq!(held(&mut ledger), [(slot, 1, 2)]);
    clocks.pass(50);
    ledger.turn(clocks.now());
    count_and_pass(&mut ledger, &mut clocks, "/b");
    assert_eq!(held(&mut ledger), [(slot, 1, 2), (slot + 6, 1, 1)], "nothing happened for a while");
    let routes: Vec<_> = windows(&mut ledger).held().map(|window| window.rows[0].endpoint.route().to_owned()).collect();
    assert_eq!(routes, ["/a", "/b"]);
}

#[test]
fn numbers_grow_whatever_the_wall_clock_does() {
    let (mut ledger, mut clocks) = ledger();
    let slot = slot_of(clocks.unix_ms);
    count_and_pass(&mut ledger, &mut clocks, "/a");
    // The wall clock is set back by an hour, and continues from there.
    clocks.unix_ms -= 3_600_000;
    for _ in 0..22 {
        ledger.absorb(vec![counted("/a", 0, &[5])]);
        clocks.pass(1);
        ledger.turn(clocks.now());
    }
    assert_eq!(held(&mut ledger), [(slot, 1, 1), (slot + 1, 1, 11), (slot + 2, 1, 11)], "the other clock closes them");
    // The wall clock stops, and then it is corrected.
    ledger.absorb(vec![counted("/a", 0, &[5])]);
    clocks.at += Duration::from_secs(11);
    ledger.turn(clocks.now());
    clocks.unix_ms += 3_600_000;
    count_and_pass(&mut ledger, &mut clocks, "/a");
    count_and_pass(&mut ledger, &mut clocks, "/a");
    assert_eq!(held(&mut ledger)[3..], [(slot + 3, 1, 1), (slot + 4, 1, 2)]);
    assert_eq!(slot_of(clocks.unix_ms), slot + 5, "and they agree again");
}

#[test]
fn a_window_is_sent_after_a_report_that_covers_it_and_few_at_a_time() {
    let (mut ledger, mut clocks) = ledger();
    for _ in 0..20 {
        count_and_pass(&mut ledger, &mut clocks, "/a");
    }
    let mut sent = 0;
    assert!(send(&mut ledger, &mut sent).is_empty(), "there is no stream");
    ledger.begin_stream(0, 3);
    assert!(send(&mut ledger, &mut sent).is_empty(), "no report has covered them");
    ledger.snapshot(1, 0);
    count_and_pass(&mut ledger, &mut clocks, "/a");
    let three = send(&mut ledger, &mut sent);
    assert_eq!((three.len(), sent), (3, three[2].last_slot()));
    windows(&mut ledger).ack(three[1].last_slot());
    assert_eq!(send(&mut ledger, &mut sent).len(), 2, "so many have been acked");
    assert_eq!(windows(&mut ledger).numbers().acked, 2);

    // A new stream begins with the oldest window that is not on disk, and resends earlier windows unchanged.
    ledger.begin_stream(three[1].last_slot(), usize::MAX);
    ledger.change(2, 0);
    let again = send(&mut ledger, &mut 0);
    assert_eq!((again.len(), &again[0]), (IN_FLIGHT_MAX, &three[2]));

    ledger.begin_stream(0, 0);
    ledger.change(3, 0);
    assert!(send(&mut ledger, &mut 0).is_empty() && !ledger.has_undurable(), "a control plane that keeps none gets none");
}

#[test]
fn a_control_plane_that_speaks_of_what_it_was_never_sent_is_not_believed() {
    let (mut ledger, mut clocks) = ledger();
    count_and_pass(&mut ledger, &mut clocks, "/a");
    count_and_pass(&mut ledger, &mut clocks, "/a");
    ledger.begin_stream(u64::MAX, 1);
    assert_eq!(held(&mut ledger).len(), 2);
    ledger.snapshot(1, 0);
    let (first, _) = windows(&mut ledger).hand_over(0).unwrap();
    windows(&mut ledger).ack(u64::MAX);
    assert_eq!((held(&mut ledger).len(), windows(&mut ledger).numbers().mark), (1, first.id));
}

#[test]
fn what_an_older_copy_of_a_store_lacks_is_lost_and_reported() {
    let (mut ledger, mut clocks) = ledger();
    for _ in 0..4 {
        count_and_pass(&mut ledger, &mut clocks, "/a");
    }
    ledger.begin_stream(0, 16);
    ledger.snapshot(1, 0);
    let sent = send(&mut ledger, &mut 0);
    windows(&mut ledger).ack(sent[2].last_slot());
    ledger.begin_stream(sent[0].last_slot(), 16);
    assert_eq!((windows(&mut ledger).numbers().lost, held(&mut ledger).len()), (2, 1), "two slots are nowhere any more");

    // An empty store gets everything again.
    ledger.begin_stream(0, 16);
    let hits: u64 = windows(&mut ledger).held().map(|window| window.sum().hits).sum();
    assert_eq!((windows(&mut ledger).numbers().lost, hits), (2, 4));
}

#[test]
fn windows_that_are_not_accepted_are_merged_and_nothing_is_lost() {
    let (mut ledger, mut clocks) = ledger();
    ledger.begin_stream(0, 2);
    count_and_pass(&mut ledger, &mut clocks, "/a");
    count_and_pass(&mut ledger, &mut clocks, "/a");
    ledger.snapshot(1, 0);
    let sent = send(&mut ledger, &mut 0);
    for _ in 2..1000 {
        count_and_pass(&mut ledger, &mut clocks, "/a");
    }
    let held = held(&mut ledger);
    assert_eq!(held.len(), WINDOWS_MAX);
    assert_eq!(held.iter().map(|(.., hits)| hits).sum::<u64>(), 1000);
    assert!(held[2..].iter().all(|(_, span, hits)| (1..=8).contains(span) && u64::from(*span) == *hits), "{held:?}");
    assert_eq!(windows(&mut ledger).numbers().merged, 1000 - WINDOWS_MAX as u64);
    let first: Vec<_> = windows(&mut ledger).held().take(2).cloned().collect();
    assert_eq!(first, sent, "what may be on disk already stays as it was sent");
}

#[test]
fn all_windows_together_have_a_bound_however_many_endpoints_there_are() {
    let (mut ledger, mut clocks) = ledger();
    for _ in 0..WINDOWS_MAX {
        ledger.absorb((0..200).map(|at| counted(&format!("/a{at}"), 0, &[5])).collect());
        clocks.pass(10);
        ledger.turn(clocks.now());
    }
    let rows: usize = windows(&mut ledger).held().map(|window| window.rows.len()).sum();
    assert!((ROWS_MAX / 2..=ROWS_MAX).contains(&rows), "{rows}");
    let hits: u64 = windows(&mut ledger).held().map(|window| window.sum().hits).sum();
    assert_eq!(hits, 200 * WINDOWS_MAX as u64);
}

#[test]
fn what_was_counted_before_anybody_kept_windows_is_in_the_first_one() {
    let (mut ledger, clocks) = (Ledger::default(), Clocks::start());
    ledger.absorb(vec![counted("/a", 0, &[5, 6])]);
    ledger.turn(clocks.now());
    ledger.keep_windows();
    ledger.absorb(vec![counted("/a", 0, &[7])]);
    ledger.close_window(clocks.now());
    assert_eq!(held(&mut ledger), [(slot_of(clocks.unix_ms), 1, 3)]);
    assert_eq!(ledger.baseline().rows, []);
}

#[test]
fn a_pin_renames_what_was_never_sent_and_the_baseline_knows_what_was() {
    let (mut ledger, mut clocks) = ledger();
    ledger.begin_stream(0, 1);
    for route in ["/users/jane", "/users/bob", "/users/jane"] {
        count_and_pass(&mut ledger, &mut clocks, route);
    }
    ledger.snapshot(1, 0);
    let sent = send(&mut ledger, &mut 0);
    ledger.absorb(vec![counted("/users/bob", 0, &[5])]);
    ledger.pin(mesh::routes::route_patterns::Pins::new(&["/users/{name}".parse().unwrap()]));
    ledger.close_window(clocks.now());

    let routes: Vec<_> = windows(&mut ledger).held().map(|window| window.rows[0].endpoint.route().to_owned()).collect();
    assert_eq!(routes, ["/users/jane", "/users/{name}", "/users/{name}", "/users/{name}"]);
    assert_eq!(ledger.baseline().rows, [], "nothing is on disk");

    // The pin is withdrawn, and its old names are counted again: those are other rows.
    ledger.pin(mesh::routes::route_patterns::Pins::default());
    count_and_pass(&mut ledger, &mut clocks, "/users/jane");
    assert_eq!(ledger.baseline().rows, []);
    windows(&mut ledger).ack(sent[0].last_slot());
    let durable = ledger.baseline();
    assert_eq!((durable.id, durable.rows.len(), durable.sum().hits), (sent[0].id, 1, 1));
    assert_eq!(durable.rows[0].endpoint, Endpoint::named("GET", "/users/{name}").unwrap());
}

#[test]
fn counts_on_a_lost_disk_are_sent_again() {
    let (mut ledger, mut clocks) = ledger();
    ledger.begin_stream(0, 16);
    for _ in 0..3 {
        count_and_pass(&mut ledger, &mut clocks, "/a");
    }
    ledger.snapshot(1, 0);
    let sent = send(&mut ledger, &mut 0);
    windows(&mut ledger).ack(sent[1].id);
    assert_eq!((ledger.baseline().id, ledger.baseline().sum().hits), (sent[1].id, 2));

    ledger.begin_stream(0, 16);
    assert_eq!((ledger.baseline().id, ledger.baseline().rows), (0, vec![]), "it does not need what it does not have");
    assert_eq!(held(&mut ledger), [(sent[1].id, 1, 2), (sent[2].id, 1, 1)]);

    // An older copy of the store: what it lacks is lost, and nothing is sent twice.
    ledger.change(2, 0);
    windows(&mut ledger).hand_over(0);
    windows(&mut ledger).ack(sent[1].id);
    ledger.begin_stream(sent[0].id, 16);
    assert_eq!((ledger.baseline().id, held(&mut ledger)), (sent[0].id, vec![(sent[2].id, 1, 1)]));
}

#[test]
fn counts_acked_by_a_lost_store_are_not_sent_to_an_older_copy_of_it() {
    let (mut ledger, mut clocks) = ledger();
    ledger.begin_stream(0, 16);
    for _ in 0..3 {
        count_and_pass(&mut ledger, &mut clocks, "/a");
    }
    ledger.snapshot(1, 0);
    let sent = send(&mut ledger, &mut 0);
    windows(&mut ledger).ack(sent[1].id);
    // The store is lost, and a backup replaces it before a new one has acked anything.
    ledger.begin_stream(0, 16);
    ledger.begin_stream(sent[0].id, 16);

    assert_eq!(held(&mut ledger), [(sent[2].id, 1, 1)], "the first is in the backup, and the second is lost");
    assert_eq!((ledger.baseline().id, ledger.baseline().sum().hits), (sent[0].id, 2));
    assert_eq!(windows(&mut ledger).numbers().lost, 1, "which is reported");
}

#[test]
fn a_withdrawn_ack_is_reported_until_all_is_on_disk() {
    let (mut ledger, mut clocks) = ledger();
    ledger.begin_stream(0, 16);
    count_and_pass(&mut ledger, &mut clocks, "/a");
    count_and_pass(&mut ledger, &mut clocks, "/a");
    ledger.snapshot(1, 0);
    let sent = send(&mut ledger, &mut 0);
    windows(&mut ledger).ack(sent[1].id);
    ledger.begin_stream(0, 16);
    ledger.begin_stream(0, 16);
    assert_eq!(held(&mut ledger), [(sent[1].id, 1, 2)]);

    // It reached the new store, and only the ack was lost.
    ledger.begin_stream(sent[1].id, 16);
    assert_eq!((held(&mut ledger), ledger.baseline().sum().hits), (vec![], 2));
}
