//! Tests of the limits, case by case.

use super::*;
use crate::web::sample::{NOW_MS, golden, row};

fn verdict(hits: u64, failures: u64, ms: u64, usual_ms: Option<u64>) -> Verdict {
    let mut row = row(1, "GET", "/", "web", golden(hits, failures, ms));
    row.usual_p95_us = usual_ms.map(|usual_ms| usual_ms as f64 * 1000.0);
    Verdict::of(&row, NOW_MS)
}

#[test]
fn failures_are_amber_from_one_percent_and_red_from_five() {
    assert_eq!(verdict(1000, 9, 10, None).failing, Level::Calm);
    assert_eq!(verdict(1000, 10, 10, None).failing, Level::Amber);
    assert_eq!(verdict(1000, 49, 10, None).failing, Level::Amber);
    assert_eq!(verdict(1000, 50, 10, None).failing, Level::Red);
}

#[test]
fn nothing_is_coloured_under_twenty_requests() {
    assert_eq!(verdict(19, 19, 100, Some(10)).level(), Level::Calm);
    assert_eq!(verdict(20, 20, 100, Some(10)).level(), Level::Red);
}

#[test]
fn slow_is_more_than_twice_the_usual() {
    assert_eq!(verdict(100, 0, 15, Some(10)).slow, Level::Calm);
    assert_eq!(verdict(100, 0, 25, Some(10)).slow, Level::Amber);
    assert_eq!(verdict(100, 0, 25, None).slow, Level::Calm);
}

#[test]
fn quiet_is_a_minute_without_a_request() {
    let mut row = row(1, "GET", "/", "web", golden(100, 0, 10));
    assert!(!Verdict::of(&row, NOW_MS).quiet);
    row.last_seen_ms = Some(NOW_MS - QUIET_AFTER_MS);
    assert!(Verdict::of(&row, NOW_MS).quiet);
    row.last_seen_ms = None;
    assert_eq!(Verdict::of(&row, NOW_MS).shows(), ["quiet"]);
}
