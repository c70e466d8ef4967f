//! Tests: rules and receipts survive encoding and decoding, and an error names what is invalid.

use crate::convert::rules::*;

fn rules() -> DesiredRules {
    let rule = Rule {
        id: "r1".into(),
        selector: Selector { namespace: "default".into(), service: "legacy".into(), pods: vec![] },
        endpoint: Endpoint::named("GET", "/legacy/export").unwrap(),
        scope: Scope::Endpoint,
        action: Action::Disable { status: 503 },
        selection: Selection::default(),
        protection: Protection::Respected,
        expires_ms: Some(5),
        by: "operator".into(),
        reason: "the disk is filling".into(),
    };
    let pin = Rule {
        id: "r2".into(),
        endpoint: Endpoint::named(ANY_METHOD, "/users/{name}").unwrap(),
        action: Action::Pin,
        expires_ms: None,
        ..rule.clone()
    };
    let prefix = Rule {
        id: "r3".into(),
        endpoint: Endpoint::named(ANY_METHOD, "/legacy/*").unwrap(),
        scope: Scope::Prefix,
        protection: Protection::Overridden,
        ..rule.clone()
    };
    DesiredRules { store: "s".into(), revision: 3, rules: vec![rule, pin, prefix] }
}

#[test]
fn a_set_of_rules_survives_the_wire() {
    assert_eq!(desired_rules(desired(&rules())), Ok(rules()));
    let sealed = Sealed::new(&rules());
    let wire::down::Message::Desired(bytes) = (&sealed).into() else { panic!("it is no set of rules") };
    let again = unsealed(&bytes).unwrap();
    assert_eq!((again.rules_hash, desired_rules(again)), (sealed.hash(), Ok(rules())));
    assert!(unsealed(&bytes[1..]).unwrap_err().to_string().starts_with("desired makes no sense"));
}

#[test]
fn a_set_with_one_bad_rule_is_refused_whole_and_names_it() {
    let mut wire = desired(&rules());
    wire.put[0].action = None;
    let refusals = desired_rules(wire).unwrap_err();
    assert_eq!(refusals[0].rule, "r1");
    assert!(refusals[0].why.contains("disable"), "{}", refusals[0].why);
}

/// A sidecar that is older than this action decodes an unknown action as none.
#[test]
fn a_sidecar_that_does_not_know_a_prefix_refuses_it_and_says_so() {
    let mut wire = desired(&rules());
    assert!(matches!(wire.put[2].action, Some(wire::rule::Action::DisablePrefix(_))));
    wire.put[2].action = None;
    let refusals = desired_rules(wire).unwrap_err();
    assert_eq!((refusals.len(), refusals[0].rule.as_str()), (1, "r3"));
    assert!(refusals[0].why.contains("action"), "{}", refusals[0].why);
}

#[test]
fn a_prefix_without_a_star_is_refused() {
    let mut wire = desired(&rules());
    wire.put[2].route = "/legacy".into();
    assert!(desired_rules(wire).unwrap_err()[0].why.contains("/*"));
}

#[test]
fn an_override_is_left_out_of_the_hash_so_that_an_older_sidecar_says_what_it_refuses() {
    let mut older = rules();
    older.rules[2].protection = Protection::Respected;
    assert_eq!(rules_hash(&older.rules), rules_hash(&rules().rules));
}

#[test]
fn a_pin_that_is_no_pattern_is_refused() {
    let mut wire = desired(&rules());
    wire.put[1].route = "/users/{}".into();
    assert!(desired_rules(wire).unwrap_err()[0].why.contains("{name}"));
    let mut wire = desired(&rules());
    wire.put[1].method = "GET".into();
    assert!(desired_rules(wire).unwrap_err()[0].why.contains("its method must be *"));
}

#[test]
fn a_set_that_was_changed_on_the_way_is_refused() {
    let mut wire = desired(&rules());
    wire.put[0].route = "/".into();
    assert!(desired_rules(wire).unwrap_err()[0].why.contains("hash"));
}

#[test]
fn a_receipt_survives_the_wire() {
    let receipt = Receipt {
        revision: 9,
        verdict: Verdict::Refused(vec![RuleRefusal { rule: "r1".into(), why: "protected".into() }]),
        took_us: 31,
    };
    assert_eq!(Receipt::try_from(wire::Applied::from(receipt.clone())), Ok(receipt));
}
