//! Tests that subscribers get what they want, lose only what they have no room for, and leave nothing behind.

use std::sync::Arc;
use std::thread;

use mesh::endpoint::Endpoint;

use crate::recorder::completed_exchange::CompletedExchange;
use crate::recorder::exchange_bus::{ExchangeBus, ExchangeFilter, READERS_MAX, TooManyReaders};
use crate::recorder::tests::finished;

/// The statuses of exchanges that took at least so long.
struct Slow(u64);

impl ExchangeFilter for Slow {
    type Record = u16;

    fn wants(&self, _: &Endpoint, finished: &CompletedExchange<'_>) -> bool {
        finished.took_us >= self.0
    }

    fn record(&self, _: &Endpoint, finished: &CompletedExchange<'_>) -> u16 {
        finished.status
    }
}

fn pass(exchange_bus: &ExchangeBus, status: u16, took_us: u64) {
    exchange_bus.pass(&Endpoint::named("GET", "/a").unwrap(), &finished("/a", status, took_us));
}

#[test]
fn each_reader_gets_what_it_wants_in_order() {
    let exchange_bus = Arc::<ExchangeBus>::default();
    pass(&exchange_bus, 100, 9);
    let (mut all, mut slow) = (exchange_bus.read(8, Slow(0)).unwrap(), exchange_bus.read(8, Slow(5)).unwrap());
    for (status, took_us) in [(200, 1), (201, 5), (202, 2)] {
        pass(&exchange_bus, status, took_us);
    }
    let mut read = Vec::new();
    assert_eq!((all.take(2, &mut read), all.take(9, &mut read)), (2, 1));
    assert_eq!(read, [200, 201, 202], "and nothing from before it came");
    read.clear();
    assert_eq!(slow.take(9, &mut read), 1);
    assert_eq!((read, all.missed(), slow.missed()), (vec![201], 0, 0));
}

#[test]
fn what_finds_no_room_is_counted_for_that_reader_alone() {
    let exchange_bus = Arc::<ExchangeBus>::default();
    let (mut wide, mut narrow) = (exchange_bus.read(100, Slow(0)).unwrap(), exchange_bus.read(2, Slow(0)).unwrap());
    (0..50).for_each(|at| pass(&exchange_bus, 200 + at, 1));
    let mut read = Vec::new();
    assert_eq!((narrow.take(99, &mut read), narrow.missed()), (2, 48));
    assert_eq!(read, [200, 201]);
    assert_eq!((wide.take(99, &mut read), wide.missed()), (50, 0));
    pass(&exchange_bus, 404, 1);
    assert_eq!((narrow.take(99, &mut read), narrow.missed()), (1, 48), "a subscriber that has read has room again");
}

#[test]
fn a_reader_that_left_is_forgotten_and_too_many_are_refused() {
    let exchange_bus = Arc::<ExchangeBus>::default();
    let mut readers: Vec<_> = (0..READERS_MAX).map(|_| exchange_bus.read(1, Slow(0)).unwrap()).collect();
    assert_eq!(exchange_bus.read(1, Slow(0)).err(), Some(TooManyReaders));
    readers.pop();
    readers.push(exchange_bus.read(1, Slow(0)).unwrap());
    pass(&exchange_bus, 200, 1);
    assert!(readers.iter_mut().all(|reader| reader.take(9, &mut Vec::new()) == 1));
    drop(readers);
    assert!(exchange_bus.readers.load().is_empty());
    assert!(!exchange_bus.is_read.load(std::sync::atomic::Ordering::SeqCst));
}

#[test]
fn readers_come_and_go_while_workers_pass_and_nothing_is_lost_unseen() {
    const PASSED: u64 = 5_000;
    let exchange_bus = Arc::<ExchangeBus>::default();
    let mut lasting = exchange_bus.read(64, Slow(0)).unwrap();
    let (mut read, mut taken) = (Vec::new(), 0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| (0..PASSED).for_each(|_| pass(&exchange_bus, 200, 1)))).collect();
        let comers = scope.spawn(|| (0..500).for_each(|_| drop(exchange_bus.read(4, Slow(0)).unwrap())));
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            taken += lasting.take(16, &mut read) as u64;
            read.clear();
            thread::yield_now();
        }
        comers.join().unwrap();
    });
    taken += lasting.take(usize::MAX, &mut read) as u64;
    assert_eq!(taken + lasting.missed(), 2 * PASSED);
}
