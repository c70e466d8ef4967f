//! Property test: in any order of events, disk, held and open windows sum to the counts, and sent windows never change.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh::golden::GoldenMetrics;
use mesh::routes::route_patterns::Pins;
use mesh::window::Window;
use proptest::prelude::*;

use crate::ledger::Ledger;
use crate::ledger::tests::counted;
use crate::ledger::windows::WINDOWS_MAX;
use crate::ledger::windows::tests::{Clocks, ledger, windows};

#[derive(Debug, Clone)]
enum Step {
    Count {
        route: usize,
        hits: usize,
    },
    /// Both clocks advance; the wall clock is also set by `set_by_s`.
    Pass {
        seconds: u64,
        set_by_s: i64,
    },
    Close,
    Stream {
        in_flight_max: usize,
    },
    Report,
    /// A window is sent. If it is lost, everything after it on the stream is lost too.
    Send {
        arrives: bool,
    },
    Ack {
        arrives: bool,
    },
    Pin,
    Unpin,
    /// The control plane comes back with an empty disk.
    LoseStore,
}

/// What a control plane has on disk.
#[derive(Default)]
struct Disk {
    mark: u64,
    sum: GoldenMetrics,
}

struct World {
    ledger: Ledger,
    clocks: Clocks,
    disk: Disk,
    /// The last slot sent on this stream, as long as no message was lost.
    sent: u64,
    is_broken: bool,
    ever_sent: BTreeMap<u64, Window>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..4, 1_usize..4).prop_map(|(route, hits)| Step::Count { route, hits }),
        4 => (0_u64..25, prop_oneof![6 => Just(0_i64), 1 => -4000_i64..4000])
            .prop_map(|(seconds, set_by_s)| Step::Pass { seconds, set_by_s }),
        1 => Just(Step::Close),
        1 => (0_usize..5).prop_map(|in_flight_max| Step::Stream { in_flight_max }),
        3 => Just(Step::Report),
        4 => prop::bool::weighted(0.9).prop_map(|arrives| Step::Send { arrives }),
        3 => prop::bool::weighted(0.8).prop_map(|arrives| Step::Ack { arrives }),
        1 => Just(Step::Pin),
        1 => Just(Step::Unpin),
        1 => Just(Step::LoseStore),
    ]
}

impl World {
    fn new() -> Self {
        let (ledger, clocks) = ledger();
        Self { ledger, clocks, disk: Disk::default(), sent: 0, is_broken: true, ever_sent: BTreeMap::new() }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Count { route, hits } => {
                let route = ["/a", "/users/jane", "/users/bob", "/img.png"][*route];
                self.ledger.absorb(vec![counted(route, 0, &vec![1000; *hits])]);
            }
            Step::Pass { seconds, set_by_s } => {
                self.clocks.at += Duration::from_secs(*seconds);
                self.clocks.unix_ms = (self.clocks.unix_ms + seconds * 1000).saturating_add_signed(set_by_s * 1000);
                self.ledger.turn(self.clocks.now());
            }
            Step::Close => self.ledger.close_window(self.clocks.now()),
            Step::Stream { in_flight_max } => {
                self.ledger.begin_stream(self.disk.mark, *in_flight_max);
                (self.sent, self.is_broken) = (0, false);
                let baseline = self.ledger.baseline();
                assert_eq!(baseline.id, self.disk.mark);
                assert_same(&baseline.sum(), &self.disk.sum);
            }
            Step::Report => drop(self.ledger.change(0, 0)),
            Step::Send { arrives } => self.send(*arrives),
            Step::Ack { arrives } => {
                self.is_broken |= !arrives;
                if !self.is_broken {
                    windows(&mut self.ledger).ack(self.disk.mark);
                }
            }
            Step::Pin => self.ledger.pin(Pins::new(&["/users/{name}".parse().unwrap()])),
            Step::Unpin => self.ledger.pin(Pins::default()),
            Step::LoseStore => {
                self.disk = Disk::default();
                // What was sent to it is gone, and what was on its disk comes back as one window.
                self.ever_sent.clear();
                self.is_broken = true;
                self.take(&Step::Stream { in_flight_max: 1 });
            }
        }
    }

    fn send(&mut self, arrives: bool) {
        let Some((window, _)) = windows(&mut self.ledger).hand_over(self.sent) else { return };
        self.sent = window.last_slot();
        let before = self.ever_sent.entry(window.id).or_insert_with(|| window.clone());
        assert_eq!(*before, window, "it was sent before, and has changed");
        self.is_broken |= !arrives;
        if !self.is_broken && window.last_slot() > self.disk.mark {
            assert!(window.id > self.disk.mark, "half of it is on disk already");
            self.disk.sum.merge(&window.sum());
            self.disk.mark = window.last_slot();
        }
    }

    fn check(&mut self) {
        let (baseline, mut later) = (self.ledger.baseline(), windows(&mut self.ledger).sums());
        let mut durable: BTreeMap<_, _> = baseline.rows.into_iter().map(|row| (row.endpoint, row.golden)).collect();
        for (endpoint, row) in self.ledger.rows() {
            let mut sum = durable.remove(endpoint).unwrap_or_default();
            sum.merge(&later.remove(endpoint).unwrap_or_default());
            sum.merge(&row.open.golden);
            assert_same(&sum, &row.total);
        }
        assert!(durable.is_empty() && later.is_empty(), "a window has rows that the ledger does not know");
        let held: Vec<&Window> = windows(&mut self.ledger).held().collect();
        assert!(held.is_sorted_by(|one, next| one.last_slot() < next.id) && held.len() <= WINDOWS_MAX);
    }

    /// Runs the rest without faults.
    fn calm(&mut self) {
        self.take(&Step::Close);
        self.take(&Step::Stream { in_flight_max: 2 });
        self.take(&Step::Report);
        let held = windows(&mut self.ledger).held().len();
        for _ in 0..held {
            self.send(true);
            self.take(&Step::Ack { arrives: true });
        }
        assert!(!self.ledger.has_undurable());
        let mut counted = GoldenMetrics::default();
        self.ledger.rows().for_each(|(_, row)| counted.merge(&row.total));
        assert_same(&self.disk.sum, &counted);
    }
}

/// Minimum and maximum cannot be subtracted, so only additive values are compared.
fn assert_same(one: &GoldenMetrics, other: &GoldenMetrics) {
    assert_eq!((one.hits, one.total_us, one.first_byte_total_us), (other.hits, other.total_us, other.first_byte_total_us));
    assert_eq!((one.statuses(), &one.latency), (other.statuses(), &other.latency));
}

proptest! {
    #[test]
    fn what_is_on_disk_held_and_open_is_what_was_counted(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        world.calm();
        world.check();
    }
}
