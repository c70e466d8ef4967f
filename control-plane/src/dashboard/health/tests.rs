//! Tests of the limits, case by case.

use crate::dashboard::health::*;
use crate::dashboard::sample::{NOW_MS, golden, row};

fn verdict(hits: u64, failures: u64, ms: u64, usual_ms: Option<u64>) -> Health {
    let mut row = row(1, "GET", "/", "web", golden(hits, failures, ms));
    row.usual_p95_us = usual_ms.map(|usual_ms| usual_ms as f64 * 1000.0);
    Health::of(&row, NOW_MS)
}

#[test]
fn failures_are_amber_from_one_percent_and_red_from_five() {
    assert_eq!(verdict(1000, 9, 10, None).failing, HealthLevel::Calm);
    assert_eq!(verdict(1000, 10, 10, None).failing, HealthLevel::Amber);
    assert_eq!(verdict(1000, 49, 10, None).failing, HealthLevel::Amber);
    assert_eq!(verdict(1000, 50, 10, None).failing, HealthLevel::Red);
}

#[test]
fn nothing_is_coloured_under_twenty_requests() {
    assert_eq!(verdict(19, 19, 100, Some(10)).level(), HealthLevel::Calm);
    assert_eq!(verdict(20, 20, 100, Some(10)).level(), HealthLevel::Red);
}

#[test]
fn slow_is_more_than_twice_the_usual() {
    assert_eq!(verdict(100, 0, 15, Some(10)).slow, HealthLevel::Calm);
    assert_eq!(verdict(100, 0, 25, Some(10)).slow, HealthLevel::Amber);
    assert_eq!(verdict(100, 0, 25, None).slow, HealthLevel::Calm);
}

#[test]
fn quiet_is_a_minute_without_a_request() {
    let mut row = row(1, "GET", "/", "web", golden(100, 0, 10));
    assert!(!Health::of(&row, NOW_MS).quiet);
    row.last_seen_ms = Some(NOW_MS - QUIET_AFTER_MS);
    assert!(Health::of(&row, NOW_MS).quiet);
    row.last_seen_ms = None;
    assert_eq!(Health::of(&row, NOW_MS).shows(), ["quiet"]);
}
