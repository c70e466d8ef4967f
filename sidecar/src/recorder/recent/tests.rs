//! Tests that notable exchanges are kept, each once, however many there were.

use mesh::exchange::Outcome;

use crate::recorder::completed_exchange::{Author, CompletedExchange};
use crate::recorder::recent::{FAILED_MAX, NEWEST_MAX, RecentExchanges};

fn finished(started_ms: u64, status: u16, took_us: u64) -> CompletedExchange<'static> {
    CompletedExchange {
        path: "/a",
        started_ms,
        took_us,
        first_byte_us: took_us / 2,
        status,
        author: Author::Service,
        reason: "",
        outcome: Outcome::Answered,
        bytes_in: 0,
        bytes_out: 0,
        rule: None,
        caller: None,
        trace: None,
    }
}

fn kept(recent: &mut RecentExchanges) -> Vec<u64> {
    let mut kept: Vec<u64> = recent.take().iter().map(|exchange| exchange.started_ms).collect();
    kept.sort_unstable();
    kept
}

#[test]
fn a_lone_404_among_thousands_is_kept_and_so_is_the_slowest() {
    let mut recent = RecentExchanges::default();
    for at in 1..=10_000 {
        let (status, took_us) = match at {
            500 => (404, 5),
            700 => (200, 900),
            _ => (200, 5),
        };
        recent.keep(&finished(at, status, took_us));
    }
    let mut expected = vec![1, 500, 700];
    expected.extend(10_001 - NEWEST_MAX as u64..=10_000);
    assert_eq!(kept(&mut recent), expected, "the first 200, the first 404, the slowest, the newest");
    recent.keep(&finished(10_001, 404, 5));
    assert_eq!(kept(&mut recent), [10_001], "only what is new is reported again, and it is no first any more");
}

#[test]
fn the_slowest_exchange_stays_among_the_newest() {
    let mut recent = RecentExchanges::default();
    for collection in 0..3 {
        (1..=5).for_each(|at| recent.keep(&finished(10 * collection + at, 200, 100 * at)));
        assert_eq!(kept(&mut recent), [1, 2, 3, 4, 5].map(|at| 10 * collection + at), "each was slower than the one before");
    }
}

#[test]
fn failures_are_kept_besides_the_newest_and_a_rules_own_are_none() {
    let mut recent = RecentExchanges::default();
    (1..=20).for_each(|at| recent.keep(&finished(at, 500, 5)));
    (21..=60).for_each(|at| recent.keep(&CompletedExchange { rule: Some("r1"), ..finished(at, 503, 5) }));
    let kept = recent.take();
    assert_eq!(kept.iter().filter(|exchange| exchange.status == 500).count(), FAILED_MAX + 1, "the first is a first");
    assert!(kept.iter().filter(|exchange| exchange.status == 503).count() <= NEWEST_MAX + 2);
}

#[test]
fn what_is_written_over_leaves_nothing_behind() {
    let mut recent = RecentExchanges::default();
    (1..=10).for_each(|at| recent.keep(&finished(at, 200, 5)));
    recent.take();
    let long = "/x".repeat(400);
    recent.keep(&CompletedExchange { path: &long, rule: Some("r1"), caller: "10.0.0.7".parse().ok(), ..finished(11, 200, 5) });
    let first = recent.take().remove(0);
    assert_eq!((first.path.len(), first.rule.as_deref(), first.caller.is_some()), (256, Some("r1"), true));
    recent.keep(&finished(12, 200, 7));
    let second = recent.take().remove(0);
    assert_eq!((second.path.as_str(), second.rule, second.caller, second.first_byte_us), ("/a", None, None, Some(3)));
}
