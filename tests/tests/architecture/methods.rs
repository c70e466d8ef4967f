//! A type's own methods are in its file and in at most one file above or below it, so that a reader finds them.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{CRATES, modules};

/// Methods in a sibling file: a query names a window or a range, and the range is read where its form is.
const ELSEWHERE: [(&str, &str); 1] = [("dashboard/range", "ViewQuery")];

/// Whether one of the two files is a child of the other.
fn is_next_to(one: &str, other: &str) -> bool {
    let is_child = |child: &str, parent: &str| child.rsplit_once('/').is_some_and(|(above, _)| above == parent);
    is_child(one, other) || is_child(other, one)
}

/// The types that a file defines, whatever their visibility.
fn defined(text: &str) -> impl Iterator<Item = String> {
    let name = |line: &str| {
        let begin = ["struct ", "enum "].iter().find_map(|word| Some(line.find(word)? + word.len()))?;
        let is_item = line.starts_with("pub") || line.starts_with("struct ") || line.starts_with("enum ");
        is_item.then(|| word(&line[begin..]))
    };
    text.lines().filter_map(name)
}

/// The types with methods of their own in a file: `impl Name<T>`, not `impl Trait for Name`.
fn extended(text: &str) -> impl Iterator<Item = String> {
    let name = |line: &str| {
        let rest = line.strip_prefix("impl")?;
        let rest = if rest.starts_with('<') { after_generics(rest) } else { rest };
        (rest.starts_with(' ') && !rest.contains(" for ")).then(|| word(rest.trim_start()))
    };
    text.lines().filter_map(name)
}

fn after_generics(text: &str) -> &str {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        depth += i32::from(letter == '<') - i32::from(letter == '>' && !text[..at].ends_with('-'));
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    text
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// What is wrong in one crate, a line each.
fn strays(name: &str) -> Vec<String> {
    let modules = modules(name);
    let mut homes = BTreeMap::<String, BTreeSet<&str>>::new();
    for (module, text) in &modules {
        for defined in defined(text) {
            homes.entry(defined).or_default().insert(module);
        }
    }
    let (mut strays, mut neighbours) = (Vec::new(), BTreeMap::<(&str, String), BTreeSet<&str>>::new());
    for (module, text) in &modules {
        for extended in extended(text) {
            let Some(homes) = homes.get(&extended).filter(|homes| !homes.contains(module.as_str())) else { continue };
            if ELSEWHERE.contains(&(module, &extended)) {
                continue;
            }
            match homes.iter().find(|home| is_next_to(module, home)) {
                Some(home) => _ = neighbours.entry((home, extended)).or_default().insert(module),
                None => strays.push(format!("{name}: {module} adds methods to {extended} of {homes:?}")),
            }
        }
    }
    let many = neighbours.iter().filter(|(_, neighbours)| neighbours.len() > 1);
    strays
        .extend(many.map(|((home, extended), neighbours)| format!("{name}: {extended} of {home} has methods in {neighbours:?}")));
    strays
}

#[test]
fn a_type_has_its_methods_in_its_own_file_and_at_most_one_next_to_it() {
    let strays: Vec<String> = CRATES.iter().flat_map(|name| strays(name)).collect();
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}
