//! Imports point down: no circle between the top modules of a crate, and none from a lower floor to a higher one.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{CRATES, modules};

/// The top modules of the two programs by floor, the lowest floor first. A module imports from its own floor and from
/// those below. A new module needs a place here.
const FLOORS: [(&str, &[&[&str]]); 2] = [
    (
        "control-plane",
        &[
            &[
                "address_limiter",
                "clock",
                "data_folder",
                "http",
                "kubernetes_api",
                "model",
                "public_url",
                "replication_settings",
                "token",
            ],
            &["attempt_limiter", "ca_publisher", "service_accounts", "store", "store_id", "tap", "tls"],
            &["counts", "replication"],
            &["exposed", "history", "notifications", "recovery", "rules"],
            &["state"],
            &["query"],
            &["api", "dashboard", "grpc", "webhook"],
            &["access", "middleware"],
            &["app"],
            &["config"],
        ],
    ),
    (
        "sidecar",
        &[
            &[
                "body",
                "forwarding",
                "head",
                "identity",
                "protocol",
                "redirect",
                "resources",
                "setting_values",
                "socket",
                "timeouts",
                "tls",
            ],
            &["decorator", "rulebook", "target"],
            &["recorder", "tap", "upstream"],
            &["exchange"],
            &["http1", "http2"],
            &["worker"],
            &["ledger"],
            &["control_client", "decorator_file"],
            &["export"],
            &["config", "sidecar"],
            &["ambassador"],
        ],
    ),
];

/// Which top modules each top module of a crate imports.
fn arrows(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows = BTreeMap::<String, BTreeSet<String>>::new();
    for (module, text) in modules(name) {
        let top = module.split('/').next().unwrap_or_default().to_owned();
        // The roots import everything, and nothing imports them.
        if top == "lib" || top == "main" || top == "bin" {
            continue;
        }
        let imported = arrows.entry(top.clone()).or_default();
        imported.extend(text.split("crate::").skip(1).flat_map(heads).filter(|head| *head != top));
    }
    let tops: BTreeSet<String> = arrows.keys().cloned().collect();
    for imported in arrows.values_mut() {
        imported.retain(|head| tops.contains(head));
    }
    arrows
}

/// The top modules that a path after `crate::` names: `store` of `store::redb`, both of `{clock, api::problem}`.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| text.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut heads, mut depth, mut begin) = (Vec::new(), 1, 0);
    for (at, letter) in group.char_indices() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        if (letter == ',' && depth == 1) || depth == 0 {
            heads.push(word(&group[begin..at]));
            begin = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

#[test]
fn no_top_modules_of_a_crate_import_each_other_in_a_circle() {
    for name in CRATES {
        let mut arrows = arrows(name);
        // Modules that import nothing are taken away, again and again: what stays is in a circle, or above one.
        while let Some(lowest) = arrows.iter().find(|(_, imported)| imported.is_empty()).map(|(top, _)| top.clone()) {
            arrows.remove(&lowest);
            for imported in arrows.values_mut() {
                imported.remove(&lowest);
            }
        }
        assert!(arrows.is_empty(), "{name} has a circle: {arrows:?}");
    }
}

#[test]
fn no_module_imports_from_a_floor_above_its_own() {
    for (name, floors) in FLOORS {
        let floor = |top: &str| {
            let floor = floors.iter().position(|floor| floor.contains(&top));
            floor.unwrap_or_else(|| panic!("{name}: the module {top} needs a floor in this test"))
        };
        for (top, imported) in arrows(name) {
            for below in imported {
                assert!(floor(&below) <= floor(&top), "{name}: {top} must not import {below}, which is above it");
            }
        }
    }
}

#[test]
fn grouped_and_nested_imports_are_read() {
    assert_eq!(heads("store::redb::FILE;"), ["store"]);
    assert_eq!(heads("{api::{self, problem}, clock};"), ["api", "clock"]);
}
