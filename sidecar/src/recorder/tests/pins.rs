//! Tests that a pin takes effect at once, and that merging loses and doubles nothing.

use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::rule::{ANY_METHOD, Action, Protection, Rule, Scope, Selector};

use crate::recorder::endpoint_limiter::{ENDPOINTS_MAX, PINNED_MAX};
use crate::recorder::tests::{exchange, finished};
use crate::recorder::{PlacedRequest, Recorder};
use crate::rulebook::TimedRule;

pub(super) fn pin(pattern: &str) -> Rule {
    Rule {
        id: pattern.to_owned(),
        selector: Selector { namespace: "default".into(), service: "web".into(), pods: vec![] },
        endpoint: Endpoint::named(ANY_METHOD, pattern).unwrap(),
        action: Action::Pin,
        scope: Scope::default(),
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    }
}

fn obey(recorder: &mut Recorder, rules: Vec<Rule>) {
    recorder.apply_rules(&rules.into_iter().map(TimedRule::without_limit).collect::<Vec<_>>());
}

/// The collected endpoints, with hits and exchanges in flight.
fn describe(recorder: &mut Recorder) -> Vec<(String, u64, u32)> {
    let reported = |report: &mesh::report::EndpointReport| (report.endpoint.to_string(), report.golden.hits, report.in_flight);
    let mut reported: Vec<_> = recorder.collect().iter().map(reported).collect();
    reported.sort();
    reported
}

#[test]
fn old_rows_fold_into_the_pinned_one() {
    let mut recorder = Recorder::default();
    for path in ["/users/jane", "/users/bob", "/users/42", "/users", "/other"] {
        exchange(&mut recorder, "GET", path, 200, 10);
    }
    exchange(&mut recorder, "POST", "/users/jane", 201, 10);
    obey(&mut recorder, vec![pin("/users/{name}")]);
    exchange(&mut recorder, "GET", "/users/zoe", 404, 30);
    let expected = [("GET /other", 1), ("GET /users", 1), ("GET /users/{name}", 4), ("POST /users/{name}", 1)];
    assert_eq!(describe(&mut recorder), expected.map(|(name, hits)| (name.to_owned(), hits, 0)));
}

#[test]
fn what_is_under_way_while_it_is_folded_is_counted_once_and_under_the_new_name() {
    let mut recorder = Recorder::default();
    exchange(&mut recorder, "GET", "/users/jane", 200, 10);
    recorder.collect();
    let PlacedRequest { place, endpoint, .. } = recorder.place("GET", "/users/jane");
    recorder.begin(place);
    obey(&mut recorder, vec![pin("/users/{name}")]);
    obey(&mut recorder, vec![pin("/{kind}/{name}"), pin("/users/{name}")]);
    assert_eq!(describe(&mut recorder), [("GET /users/{name}".to_owned(), 0, 1)]);
    recorder.finish(place, &endpoint, &finished("/users/jane", 200, 10));
    assert_eq!(describe(&mut recorder), [("GET /users/{name}".to_owned(), 1, 0)]);
    assert_eq!(describe(&mut recorder), []);
}

#[test]
fn a_first_exchange_that_was_not_placed_yet_is_counted_under_the_new_name() {
    let mut recorder = Recorder::default();
    let PlacedRequest { place, endpoint, .. } = recorder.place("GET", "/users/jane");
    recorder.begin(place);
    obey(&mut recorder, vec![pin("/users/{name}")]);
    recorder.finish(place, &endpoint, &finished("/users/jane", 200, 10));
    let hits: Vec<_> = describe(&mut recorder).into_iter().filter(|(_, hits, _)| *hits > 0).collect();
    assert_eq!(hits, [("GET /users/{name}".to_owned(), 1, 0)]);
}

#[test]
fn pins_that_come_and_go_take_no_more_room_each_time() {
    let mut recorder = Recorder::default();
    for round in 0..1000_u32 {
        for name in ["/users/jane", "/users/bob", "/users/zoe"] {
            exchange(&mut recorder, "GET", name, 200, 10);
        }
        obey(&mut recorder, vec![pin("/users/{name}")]);
        let hits: u64 = describe(&mut recorder).iter().map(|(_, hits, _)| hits).sum();
        assert_eq!(hits, 3, "round {round}");
        obey(&mut recorder, vec![]);
    }
    let rows = recorder.table.rows_mut().len();
    assert!(rows <= 5, "{rows} rows");
}

#[test]
fn a_pin_by_command_comes_before_one_by_setting() {
    let mut recorder = Recorder::new(Arc::default(), &["/users/{id}".parse().unwrap(), "/users/me".parse().unwrap()], &[]);
    exchange(&mut recorder, "GET", "/users/jane", 200, 10);
    exchange(&mut recorder, "GET", "/users/me", 200, 10);
    obey(&mut recorder, vec![pin("/users/{name}")]);
    exchange(&mut recorder, "GET", "/users/me", 200, 10);
    assert_eq!(describe(&mut recorder), [("GET /users/{name}".to_owned(), 3, 0)]);
}

#[test]
fn pinned_routes_with_every_method_get_no_more_rows_than_the_limit() {
    let fixed: Vec<_> = (0..100).map(|at| format!("/fixed{at}/{{name}}").parse().unwrap()).collect();
    let mut recorder = Recorder::new(Arc::default(), &fixed, &[]);
    obey(&mut recorder, (0..12).map(|at| pin(&format!("/commanded{at}/{{name}}"))).collect());
    for at in 0..1000 {
        exchange(&mut recorder, "GET", &format!("/word{at}"), 200, 1);
    }
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        (0..100).for_each(|at| exchange(&mut recorder, method, &format!("/fixed{at}/x"), 404, 1));
        (0..12).for_each(|at| exchange(&mut recorder, method, &format!("/commanded{at}/x"), 404, 1));
    }

    let reported = describe(&mut recorder);
    assert!(reported.len() <= ENDPOINTS_MAX + PINNED_MAX + 1, "{}", reported.len());
    assert_eq!(reported.iter().map(|(_, hits, _)| hits).sum::<u64>(), 1000 + 7 * 112);
}

#[test]
fn pins_that_come_and_go_give_no_rows_to_methods_that_are_made_up() {
    let mut recorder = Recorder::default();
    let mut ever = std::collections::HashSet::new();
    for round in 0..50 {
        for at in 0..200 {
            exchange(&mut recorder, &format!("M{round}X{at}"), "/users/jane", 200, 1);
        }
        // Under their own names, and then under the pin's.
        ever.extend(describe(&mut recorder).into_iter().map(|(name, ..)| name));
        obey(&mut recorder, vec![pin("/users/{name}")]);
        ever.extend(describe(&mut recorder).into_iter().map(|(name, ..)| name));
        obey(&mut recorder, vec![]);
    }
    assert!(ever.len() <= 2 * ENDPOINTS_MAX + 1, "{} names were reported", ever.len());
}
