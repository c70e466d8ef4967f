//! Tests that a million random paths change neither the memory nor the rows of real endpoints.

use std::collections::HashMap;
use std::sync::Arc;

use mesh::report::EndpointReport;

use crate::recorder::Recorder;
use crate::recorder::endpoint_limiter::{ASKED_AGAIN_MIN, ENDPOINTS_MAX, EndpointLimiter, OPEN_MAX, UNKNOWN_MAX};
use crate::recorder::tests::exchange;

const FLOOD: u64 = 1_000_000;

/// Random paths of words, so that route detection does not turn them into `{id}`.
fn random_path(number: u64) -> String {
    let mut hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let letters = (0..11).map(|_| {
        hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + (hash >> 59) as u8 % 26)
    });
    format!("/{}", letters.collect::<String>())
}

fn hits(reports: &[EndpointReport]) -> HashMap<String, u64> {
    reports.iter().map(|report| (report.endpoint.to_string(), report.golden.hits)).collect()
}

/// The real endpoints are requested before, during and after the flood; each of them once in a thousand requests.
fn flooded(status: u16) -> (HashMap<String, u64>, usize) {
    let mut recorder = Recorder::default();
    exchange(&mut recorder, "GET", "/before", 200, 1);
    for number in 0..FLOOD {
        exchange(&mut recorder, "GET", &random_path(number), status, 1);
        if number % 1000 == 0 {
            exchange(&mut recorder, "GET", "/before", 200, 1);
            exchange(&mut recorder, "GET", "/during", 200, 1);
        }
    }
    (hits(&recorder.collect()), recorder.table.size())
}

#[test]
fn a_flood_of_unknown_paths_takes_few_rows() {
    let (hits, kept) = flooded(404);
    let unknown = UNKNOWN_MAX as u64;
    assert_eq!((hits["GET /before"], hits["GET /during"], hits["(other)"]), (1001, 1000, FLOOD - unknown));
    assert_eq!((hits.len(), kept), (UNKNOWN_MAX + 3, 2 * UNKNOWN_MAX + 5), "a row, and a name that leads to it, for each");
}

#[test]
fn a_flood_before_a_service_that_answers_anything_leaves_room_for_what_is_asked_again() {
    let (hits, kept) = flooded(200);
    assert_eq!(hits["GET /before"], 1001);
    let during = hits["GET /during"];
    assert_eq!(during, 1000, "it came while there was room");
    assert_eq!(hits.values().sum::<u64>(), FLOOD + 2001, "what has no row is counted under (other)");
    assert!(hits.len() <= OPEN_MAX + 1, "{} names", hits.len());
    assert_eq!(kept, 2 * OPEN_MAX + 1);
}

#[test]
fn the_last_rows_go_to_those_that_are_asked_again_and_again() {
    let mut recorder = Recorder::default();
    for number in 0..10_000 {
        exchange(&mut recorder, "GET", &random_path(number), 200, 1);
    }
    for number in 0..100 {
        exchange(&mut recorder, "GET", "/late", 200, 1);
        for more in 0..20 {
            exchange(&mut recorder, "GET", &random_path(20_000 + number * 20 + more), 200, 1);
        }
    }
    let hits = hits(&recorder.collect());
    assert_eq!(hits.len(), OPEN_MAX + 2);
    assert!(hits["GET /late"] > 100 - 2 * u64::from(ASKED_AGAIN_MIN), "{}", hits["GET /late"]);
    assert_eq!(hits.values().sum::<u64>(), 12_100);
}

#[test]
fn there_are_never_more_rows_than_the_limit() {
    let mut recorder = Recorder::default();
    for number in 0..2 * ENDPOINTS_MAX as u64 {
        for _ in 0..=ASKED_AGAIN_MIN {
            exchange(&mut recorder, "GET", &random_path(number), 200, 1);
        }
    }
    assert_eq!(recorder.collect().len(), ENDPOINTS_MAX + 1);
}

#[test]
fn workers_of_one_pod_have_the_same_rows() {
    let register = Arc::<EndpointLimiter>::default();
    let mut workers = [Recorder::new(Arc::clone(&register), &[], &[]), Recorder::new(register, &[], &[])];
    for number in 0..2 * OPEN_MAX as u64 {
        exchange(&mut workers[number as usize % 2], "GET", &random_path(number), 200, 1);
    }
    exchange(&mut workers[1], "GET", &random_path(0), 200, 1);
    let reported = workers.map(|mut worker| hits(&worker.collect()));
    let mut names: Vec<_> = reported.iter().flatten().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), OPEN_MAX + 1);
    assert_eq!(reported[1][&format!("GET {}", random_path(0))], 1, "what one has a row for, the other has, too");
}

#[test]
fn methods_made_up_for_a_pinned_route_take_few_rows() {
    let pattern = "/users/{name}".parse().unwrap();
    let mut recorder = Recorder::new(Arc::default(), &[pattern], &[]);
    for number in 0..10_000 {
        exchange(&mut recorder, &format!("M{number}"), "/users/a", 405, 1);
    }
    exchange(&mut recorder, "DELETE", "/users/a", 404, 1);
    let hits = hits(&recorder.collect());
    assert_eq!((hits["DELETE /users/{name}"], hits["(other)"]), (1, 10_000 - UNKNOWN_MAX as u64));
    assert_eq!(hits.len(), UNKNOWN_MAX + 2);
}
