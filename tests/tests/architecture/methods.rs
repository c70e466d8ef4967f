//! A type's own methods are in its file and in at most one child of it, so that a reader finds them.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{CRATES, modules};

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
    let (mut strays, mut children) = (Vec::new(), BTreeMap::<(&str, String), BTreeSet<&str>>::new());
    for (module, text) in &modules {
        for extended in extended(text) {
            let Some(homes) = homes.get(&extended).filter(|homes| !homes.contains(module.as_str())) else { continue };
            match homes.iter().find(|home| module.rsplit_once('/').is_some_and(|(parent, _)| parent == **home)) {
                Some(home) => _ = children.entry((home, extended)).or_default().insert(module),
                None => strays.push(format!("{name}: {module} adds methods to {extended} of {homes:?}")),
            }
        }
    }
    let many = children.iter().filter(|(_, children)| children.len() > 1);
    strays.extend(many.map(|((home, extended), children)| format!("{name}: {extended} of {home} has methods in {children:?}")));
    strays
}

#[test]
fn a_type_has_its_methods_in_its_own_file_and_at_most_one_child() {
    let strays: Vec<String> = CRATES.iter().flat_map(|name| strays(name)).collect();
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}
