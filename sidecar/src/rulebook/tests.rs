//! Tests of prefix rules: they match as the dashboard shows, skip protected paths, and outlive a shorter rule below.

use mesh::endpoint::Endpoint;
use mesh::rule::{ANY_METHOD, Scope, Selector};

use crate::rulebook::*;

fn prefix(id: &str, route: &str) -> Rule {
    Rule {
        id: id.into(),
        selector: Selector { namespace: "default".into(), service: "web".into(), pods: vec![] },
        endpoint: Endpoint::named(ANY_METHOD, route).unwrap(),
        scope: Scope::Prefix,
        action: Action::Disable { status: 503 },
        selection: Selection::default(),
        protection: Protection::Respected,
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    }
}

fn book(rules: &[Rule]) -> Rulebook {
    let pins = Pins::new(&["/{page}".parse().unwrap()]);
    let rules: Vec<_> = rules.iter().cloned().map(TimedRule::without_limit).collect();
    Rulebook::new(&rules, (&["/healthz".to_owned(), "/a/ready".to_owned()], &[&pins]))
}

fn ids(book: &Rulebook, method: &str, route: &str) -> Vec<String> {
    book.matching(method, route)
        .into_iter()
        .flat_map(|rules| rules.iter().map(|rule| rule.id.to_string()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn a_prefix_is_obeyed_for_every_route_below_it_and_the_longest_has_the_say() {
    let book = book(&[prefix("all", "/*"), prefix("a", "/a/*")]);
    assert_eq!(ids(&book, "GET", "/a/{id}"), ["a", "all"]);
    assert_eq!(ids(&book, "POST", "/b/c"), ["all"]);
    assert_eq!(ids(&book, "OPTIONS", "*"), ["all"]);
}

#[test]
fn a_prefix_leaves_protected_paths_out_under_every_name_unless_it_overrides_them() {
    let with_respect = book(&[prefix("all", "/*")]);
    for route in ["/healthz", "/{page}", "/a/ready"] {
        assert_eq!(ids(&with_respect, "GET", route), [""; 0], "{route}");
    }
    let overriding = book(&[Rule { protection: Protection::Overridden, ..prefix("all", "/*") }]);
    assert_eq!(ids(&overriding, "GET", "/healthz"), ["all"]);
}

#[test]
fn a_prefix_outlives_a_shorter_rule_for_one_endpoint_below_it() {
    let one =
        Rule { id: "one".into(), endpoint: Endpoint::named("GET", "/a/b").unwrap(), scope: Scope::Endpoint, ..prefix("", "/*") };
    let now = Instant::now();
    let one = TimedRule { lapses: Some(now + Duration::from_secs(1)), ..TimedRule::without_limit(one) };
    let book = Rulebook::new(&[TimedRule::without_limit(prefix("a", "/a/*")), one], (&[], &[]));
    let covering = book.matching("GET", "/a/b").unwrap();
    let first = |at: Instant| covering.iter().find(|rule| !rule.has_lapsed(at)).map(|rule| rule.id.to_string());
    assert_eq!(first(now).as_deref(), Some("one"));
    assert_eq!(first(now + Duration::from_secs(2)).as_deref(), Some("a"));
}

#[test]
fn no_name_and_no_spelling_of_a_path_gets_around_a_guard() {
    let guard = |route: &str| {
        let action = r#"{"jwt":{"issuer":"https://sso.example","audience":["a"]}}"#;
        let rule = Rule {
            id: route.into(),
            endpoint: Endpoint::named(ANY_METHOD, route).unwrap(),
            scope: if route.ends_with("/*") { Scope::Prefix } else { Scope::Endpoint },
            action: Action::Decorate(Arc::new(decorators::action::Action::from_json(action).unwrap())),
            ..prefix("", "/*")
        };
        let decorator: Arc<dyn Decorator> = Arc::new(crate::decorator::closures::on_exchange(|_| {}));
        TimedRule { decorator: Some(decorator), ..TimedRule::without_limit(rule) }
    };
    let pins = Pins::new(&["/{page}".parse().unwrap(), "/{a}/{b}".parse().unwrap()]);
    let protected = ["/healthz".to_owned()];
    let count = |route: &str, target: &str, counted: &str| {
        let book = Rulebook::new(&[guard(route)], (&protected, &[&pins]));
        book.with_guards(book.matching("GET", counted), ("GET", target, counted)).map_or(0, |rules| rules.len())
    };
    for (target, counted) in [
        ("/admin", "/{page}"),
        ("/admin?x=1", "/{page}"),
        ("/admin/../healthz", "/healthz"),
        ("/admin/%2E%2e/healthz", "/healthz"),
        ("//healthz", "/healthz"),
        ("/healthz/.", "/healthz"),
        ("/healthz/", "/healthz"),
        ("*", "*"),
    ] {
        assert_eq!(count("/*", target, counted), 1, "{target}");
    }
    assert_eq!(count("/*", "/healthz", "/{page}"), 0, "a probe passes");
    assert_eq!(count("/*", "/healthz?full", "/{page}"), 0);
    assert_eq!(count("/admin/*", "/admin/users", "/{a}/{b}"), 1, "a pin does not rename it out of the guard");
    assert_eq!(count("/admin/*", "/admin/../public", "/public"), 1);
    assert_eq!(count("/admin/*", "/public/x", "/{a}/{b}"), 0);
    assert_eq!(count("/orders/{id}", "/orders/7", "/{a}/{b}"), 1);
    assert_eq!(count("/orders/{id}", "/users/7", "/{a}/{b}"), 0);
    assert_eq!(count("/orders/{id}", "/%6Frders/alice", "/orders/alice"), 1, "an encoded letter is the letter");
    assert_eq!(count("/admin/*", "/%61dmin/users", "/{a}/{b}"), 1);
    let get = Rulebook::new(
        &[{
            let mut only = guard("/report");
            only.rule.endpoint = Endpoint::named("GET", "/report").unwrap();
            only
        }],
        (&[], &[]),
    );
    for (method, applies) in [("GET", 1), ("HEAD", 1), ("CONNECT", 1), ("POST", 0)] {
        assert_eq!(get.with_guards(None, (method, "/report", "/report")).map_or(0, |rules| rules.len()), applies, "{method}");
    }
}
