//! Tests that a name resolves to the one that is shown, or is refused with the nearest ones.

use mesh::rule::{Action, Protection, Selector};

use crate::rules::naming::*;

fn known(counted: &[&str], patterns: &[&str]) -> KnownEndpoints {
    let named = |name: &&str| name.split_once(' ').map(|(method, route)| Endpoint::named(method, route).unwrap()).unwrap();
    KnownEndpoints {
        counted: counted.iter().map(named).collect(),
        patterns: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
    }
}

/// The endpoint of the resulting rule, or why there is none.
fn asked(known: &KnownEndpoints, name: &str, scope: Scope, unseen: Unseen) -> Result<String, String> {
    let (method, route) = name.split_once(' ').unwrap();
    let endpoint = known.endpoint(method, route, scope).map_err(|why| why.to_string())?;
    let rule = Rule {
        id: "r1".into(),
        selector: Selector { namespace: "default".into(), service: "shop".into(), pods: vec![] },
        endpoint,
        scope,
        action: Action::Disable { status: 503 },
        selection: decorators::selection::Selection::default(),
        protection: Protection::Respected,
        expires_ms: None,
        by: String::new(),
        reason: String::new(),
    };
    known.require_match(&rule, unseen).map_err(|why| why.to_string())?;
    Ok(rule.endpoint.to_string())
}

fn shop() -> KnownEndpoints {
    known(&["GET /orders/{id}", "POST /orders", "GET /users/{id}/orders", "purge /cache", "GET /odd/*"], &["/reports/{year}"])
}

#[test]
fn a_method_and_placeholders_are_brought_to_the_name_that_is_shown() {
    let shop = shop();
    for (name, shown) in [
        ("GET /orders/{id}", "GET /orders/{id}"),
        ("get /orders/{orderId}", "GET /orders/{id}"),
        ("Post /orders", "POST /orders"),
        ("purge /cache", "purge /cache"),
        ("GET /users/{user}/orders", "GET /users/{id}/orders"),
        ("GET /reports/{year}", "GET /reports/{year}"),
        ("GET /reports/{y}", "GET /reports/{year}"),
        ("GET /odd/*", "GET /odd/*"),
    ] {
        assert_eq!(asked(&shop, name, Scope::Endpoint, Unseen::Refused).as_deref(), Ok(shown), "{name}");
    }
}

#[test]
fn what_no_endpoint_has_is_refused_with_the_nearest_names() {
    let shop = shop();
    let refused = |name: &str| asked(&shop, name, Scope::Endpoint, Unseen::Refused).unwrap_err();
    assert!(refused("GET /order/{orderId}").contains("similar names: GET /orders/{id}"), "{}", refused("GET /order/{orderId}"));
    assert!(refused("PURGE /cache").contains("purge /cache"), "another method than purge");
    for never in ["GET /orders/*", "GET /orders/{x...}"] {
        assert!(refused(never).contains("allow_unseen"), "{}", refused(never));
    }
    assert!(refused("GET /orders/*").contains("set scope to prefix"));
    assert!(refused("GET /users/4711/orders").contains("/users/{id}/orders"));
    let nothing = asked(&known(&[], &[]), "GET /x", Scope::Endpoint, Unseen::Refused).unwrap_err();
    assert!(nothing.contains("no request for GET /x of shop was ever counted; set allow_unseen"), "{nothing}");
}

#[test]
fn what_was_never_called_is_allowed_when_said_so_and_named_as_it_will_be() {
    let allowed = |name: &str| asked(&shop(), name, Scope::Endpoint, Unseen::Allowed);
    assert_eq!(allowed("delete /carts/{cart}/items/{item}").as_deref(), Ok("DELETE /carts/{id}/items/{id}"));
    assert_eq!(allowed("GET /new").as_deref(), Ok("GET /new"));
}

#[test]
fn placeholders_that_could_be_several_are_refused_with_them() {
    let known = known(&["GET /a/{id}", "GET /a/{name}"], &[]);
    let why = asked(&known, "GET /a/{x}", Scope::Endpoint, Unseen::Allowed).unwrap_err();
    assert_eq!(why, "/a/{x} is ambiguous: /a/{id} or /a/{name}; use one of these names");
}

#[test]
fn a_prefix_is_one_of_something_that_is_known_or_of_the_whole_service() {
    let prefix = |name: &str| asked(&shop(), name, Scope::Prefix, Unseen::Refused);
    assert_eq!(prefix("* /orders/*").as_deref(), Ok("* /orders/*"));
    assert_eq!(prefix("get /users/{user}/*").as_deref(), Ok("GET /users/{id}/*"));
    assert_eq!(prefix("* /reports/*").as_deref(), Ok("* /reports/*"), "a pinned pattern is below it");
    assert!(prefix("* /legacy/*").unwrap_err().contains("no request for a route under /legacy/ of shop"));
    assert!(prefix("* /orders").unwrap_err().contains("ends in /*"));
    assert_eq!(asked(&known(&[], &[]), "* /*", Scope::Prefix, Unseen::Refused).as_deref(), Ok("* /*"));
}
