//! Tests when a circuit opens, how it is probed, and which ends of exchanges count.

use std::thread;

use mesh::endpoint::Endpoint;
use mesh::rule_totals::CircuitState;

use super::*;

fn circuit(json: &str, now: Instant) -> Circuit {
    Circuit::new(serde_json::from_str(json).unwrap(), now)
}

fn is_open(circuit: &Circuit) -> bool {
    matches!(circuit.position, Position::Open { .. })
}

#[test]
fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let now = Instant::now();
    let mut circuit = circuit(r#"{"failures": 3}"#, now);
    for verdict in [Verdict::Fails, Verdict::Fails, Verdict::Works, Verdict::Fails, Verdict::Fails] {
        circuit.count(verdict, None, now);
        assert_eq!(circuit.admit(now), Admission::Pass);
    }
    circuit.count(Verdict::Fails, None, now);
    assert_eq!(circuit.admit(now), Admission::Refuse(Duration::from_secs(30)));
    circuit.count(Verdict::Works, None, now);
    assert!(is_open(&circuit), "a request that began before says nothing new");
}

#[test]
fn a_rate_opens_it_only_with_enough_requests_of_its_period() {
    let now = Instant::now();
    let at = |ms| now + Duration::from_millis(ms);
    let mut circuit = circuit(r#"{"error_percent": 50, "requests": 10, "within": "10s"}"#, now);
    (0..9).for_each(|ms| circuit.count(Verdict::Fails, None, at(ms)));
    assert!(!is_open(&circuit), "nine requests are too few");
    circuit.count(Verdict::Fails, None, at(20_000));
    assert!(!is_open(&circuit), "the others are too old");
    for ms in 0..20 {
        circuit.count(if ms % 2 == 0 { Verdict::Works } else { Verdict::Fails }, None, at(40_000 + ms));
        assert_eq!(is_open(&circuit), ms >= 9, "{ms}");
    }
}

#[test]
fn probes_close_it_together_and_one_failure_opens_it_for_twice_as_long() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let mut circuit = circuit(r#"{"failures": 1, "open_for": "10s", "open_for_max": "25s", "probes": 2}"#, now);
    circuit.count(Verdict::Fails, None, now);
    assert_eq!(circuit.admit(at(4)), Admission::Refuse(Duration::from_secs(6)));
    assert_eq!(circuit.admit(at(10)), Admission::Probe(1));
    assert_eq!(circuit.admit(at(10)), Admission::Probe(1));
    assert_eq!(circuit.admit(at(10)), Admission::Refuse(Duration::ZERO));
    circuit.count(Verdict::Fails, Some(1), at(11));
    assert_eq!(circuit.admit(at(30)), Admission::Refuse(Duration::from_secs(1)), "20 s after 11 s");
    assert_eq!(circuit.admit(at(31)), Admission::Probe(2));
    circuit.count(Verdict::Fails, Some(2), at(31));
    assert_eq!(circuit.admit(at(55)), Admission::Refuse(Duration::from_secs(1)), "at most 25 s");
    assert_eq!(circuit.admit(at(56)), Admission::Probe(3));
    circuit.count(Verdict::Works, None, at(56));
    circuit.count(Verdict::Fails, Some(2), at(56));
    circuit.count(Verdict::Works, Some(3), at(56));
    assert!(matches!(circuit.position, Position::HalfOpen { passed: 1, .. }), "only a probe of now counts");
    circuit.count(Verdict::Works, Some(3), at(57));
    assert_eq!(circuit.position, Position::Closed);
    circuit.count(Verdict::Fails, None, at(60));
    assert_eq!(circuit.admit(at(60)), Admission::Refuse(Duration::from_secs(10)), "it begins anew");
}

#[test]
fn a_probe_that_never_ends_makes_way_for_another_and_one_without_a_verdict_at_once() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let shared = Arc::new(Mutex::new(circuit(r#"{"failures": 1, "open_for": "10s"}"#, now)));
    let admit = |at: Instant| lock(&shared).admit(at);
    lock(&shared).count(Verdict::Fails, None, now);
    assert_eq!(admit(at(10)), Admission::Probe(1));
    let hanging = Probe { circuit: Arc::clone(&shared), probing: 1 };
    assert_eq!(admit(at(19)), Admission::Refuse(Duration::ZERO));
    assert_eq!(admit(at(20)), Admission::Probe(2), "after as long as the circuit was open");
    drop(hanging);
    assert_eq!(admit(at(21)), Admission::Refuse(Duration::ZERO), "the place of an old probe is not given twice");
    drop(Probe { circuit: Arc::clone(&shared), probing: 2 });
    assert_eq!(admit(at(21)), Admission::Probe(2), "its client has left");
}

#[test]
fn only_the_service_can_fail() {
    let endpoint = Endpoint::named("GET", "/a").unwrap();
    let ended = |outcome, status, service_status| {
        let second = Duration::from_secs(1);
        let (first_byte, took) = (second, second);
        Verdict::of(&EndedExchange { endpoint: &endpoint, status, service_status, outcome, first_byte, took, plan: None })
    };
    assert_eq!(ended(Outcome::Answered, 404, Some(404)), Some(Verdict::Works));
    assert_eq!(ended(Outcome::Answered, 503, Some(503)), Some(Verdict::Fails));
    assert_eq!(ended(Outcome::Decorator, 200, Some(500)), Some(Verdict::Fails), "a page in place of the failure");
    assert_eq!(ended(Outcome::Decorator, 503, None), None);
    for outcome in Outcome::EACH {
        let is_of_service = outcome.word().starts_with("upstream-") || outcome == Outcome::BrokenOff;
        let counts = is_of_service || outcome == Outcome::Answered;
        assert_eq!(ended(outcome, 503, None), counts.then_some(Verdict::Fails), "{outcome:?}");
    }
}

#[test]
fn workers_share_it() {
    let breaker = Breaker::new(serde_json::from_str(r#"{"failures": 4000}"#).unwrap());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| lock(&breaker.circuit).count(Verdict::Fails, None, Instant::now())));
        }
    });
    assert_eq!(breaker.circuit(), Some(CircuitState::Open));
}
