//! Tests of which pattern matches a path, and that a renamed row keeps no old name.

use proptest::prelude::*;

use crate::endpoint::Endpoint;
use crate::routes::route_patterns::{BadPattern, Pattern, Pins};
use crate::routes::{write_pinned_route, write_route};

fn pins(patterns: &[&str]) -> Pins {
    let patterns: Vec<Pattern> = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
    Pins::new(&patterns)
}

fn route(pins: &Pins, path: &str) -> String {
    let mut route = String::new();
    write_pinned_route(path, &[pins], &mut route);
    route
}

#[test]
fn the_most_specific_pattern_names_the_path() {
    let pins = pins(&[
        "/users/{name}",
        "/users/me",
        "/users/{name}/posts/{post}",
        "/users/me/{what}/archive",
        "/files/{path...}",
        "/files/{folder}/index",
        "/reports/2026",
        "/x/",
    ]);
    for (path, expected) in [
        ("/users/jane.doe", "/users/{name}"),
        ("/users/42", "/users/{name}"),
        ("/users/me", "/users/me"),
        ("/users/%6De?x", "/users/me"),
        ("/users//me", "/users/me"),
        ("/users/", "/users/"),
        ("/users", "/users"),
        ("/users/me/posts/7", "/users/{name}/posts/{post}"),
        ("/users/me/posts/archive", "/users/me/{what}/archive"),
        ("/users/me/7", "/users/me/{id}"),
        ("/files/a/b/c.txt", "/files/{path...}"),
        ("/files/", "/files/{path...}"),
        ("/files", "/files"),
        ("/files/a/index", "/files/{folder}/index"),
        ("/files//index", "/files/{path...}"),
        ("/files/a/b/index", "/files/{path...}"),
        ("/reports/2026", "/reports/2026"),
        ("/reports/2025", "/reports/{id}"),
        ("/x/", "/x/"),
        ("/other/7", "/other/{id}"),
        ("*", "*"),
    ] {
        assert_eq!(route(&pins, path), expected, "{path}");
    }
}

#[test]
fn a_text_that_is_no_pattern_is_refused_with_a_reason() {
    for text in ["", "users", "/a?b", "/a\n", "/a,b", &format!("/{}", "a".repeat(300)), &"/a".repeat(25)] {
        assert!(matches!(Pattern::from_str_checked(text), Err(BadPattern::Path(_))), "{text}");
    }
    for text in ["/a/{}", "/a/{b", "/a/x{b}", "/{rest...}/a", "/{b c}", "/{...}"] {
        assert!(matches!(Pattern::from_str_checked(text), Err(BadPattern::Segment(_))), "{text}");
    }
    let refused = Pattern::from_str_checked("/a//b").unwrap_err();
    assert_eq!(refused, BadPattern::Spelling { asked: "/a//b".into(), normal: "/a/b".into() });
}

impl Pattern {
    fn from_str_checked(text: &str) -> Result<Self, BadPattern> {
        text.parse()
    }
}

#[test]
fn patterns_are_alike_whatever_their_parts_are_called() {
    let pattern = |text: &str| text.parse::<Pattern>().unwrap();
    assert!(pattern("/a/{x}/{y...}").is_like(&pattern("/a/{id}/{rest...}")));
    assert!(!pattern("/a/{x}").is_like(&pattern("/a/{x...}")) && !pattern("/a/{x}").is_like(&pattern("/a/x")));
}

#[test]
fn of_two_pins_the_first_has_the_say() {
    let mut route = String::new();
    write_pinned_route("/a/b", &[&pins(&["/a/{x}"]), &pins(&["/a/b"])], &mut route);
    assert_eq!(route, "/a/{x}");
}

#[test]
fn the_shared_endpoint_and_the_pattern_itself_keep_their_names() {
    let pins = pins(&["/{rest...}", "/users/{name}"]);
    assert_eq!(pins.rename(&Endpoint::other()), None);
    assert_eq!(pins.rename(&Endpoint::named("GET", "/users/{name}").unwrap()), None);
    let renamed = pins.rename(&Endpoint::named("GET", "/users/{id}").unwrap());
    assert_eq!(renamed, Endpoint::named("GET", "/users/{name}").ok());
}

fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
    let segment = prop_oneof!["[a-c]", Just("{x}".to_owned()), Just("7".to_owned())];
    let pattern = (prop::collection::vec(segment, 1..4), any::<bool>()).prop_map(|(segments, is_open)| {
        format!("/{}{}", segments.join("/"), if is_open { "/{rest...}" } else { "" }).parse().unwrap()
    });
    prop::collection::vec(pattern, 0..8)
}

#[test]
fn a_pattern_recognises_a_path_however_its_bytes_are_escaped() {
    let pins = Pins::new(&["/files/{id}/a^b".parse().unwrap(), "/caf\u{e9}/{name}".parse().unwrap()]);
    for (path, expected) in [
        ("/files/7/a^b", "/files/{id}/a^b"),
        ("/files/7/a%5Eb", "/files/{id}/a^b"),
        ("/files/7/a%5eb", "/files/{id}/a^b"),
        ("/caf\u{e9}/x", "/caf\u{e9}/{name}"),
        ("/caf%C3%A9/x", "/caf\u{e9}/{name}"),
    ] {
        assert_eq!(route(&pins, path), expected, "{path}");
    }
}

proptest! {
    /// A row that is renamed later gets the same name as a request that matches the pin at once.
    #[test]
    fn a_renamed_row_agrees_with_the_requests_that_follow(patterns in patterns(), path in "(/[abc]|/[a-c]{2}|/dGhpcyBpcyBhIHRva2VuMTIz){1,4}") {
        let pins = Pins::new(&patterns);
        let mut guessed = String::new();
        write_route(&path, &mut guessed);
        let endpoint = Endpoint::named("GET", &guessed).unwrap();
        let renamed = pins.rename(&endpoint).unwrap_or(endpoint);
        prop_assert_eq!(route(&pins, &path), renamed.route());
    }

    #[test]
    fn a_pinned_route_is_its_own_route(patterns in patterns(), path in "(/[a-z0-9]{1,3}){1,5}") {
        let pins = Pins::new(&patterns);
        let once = route(&pins, &path);
        prop_assert_eq!(route(&pins, &once), once);
    }
}

#[test]
fn a_pattern_takes_paths_out_of_a_prefix_if_it_names_them_otherwise() {
    let takes = |pattern: &str, prefix: &str| pattern.parse::<Pattern>().unwrap().takes_out_of(prefix);
    assert!(takes("/{tenant}/export", "/legacy/") && takes("/{rest...}", "/legacy/"));
    assert!(!takes("/legacy/{name}", "/legacy/") && !takes("/shop/{name}", "/legacy/") && !takes("/legacy", "/legacy/a/"));
    assert!(!takes("/users/{id}/{name}", "/users/{id}/") && takes("/users/{name}/x", "/users/{id}/"));
    assert!(!takes("/{tenant}/export", "/"), "everything begins with a slash");
}
