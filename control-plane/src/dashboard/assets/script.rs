//! Bundles our JavaScript modules: follows imports, drops comments and white space, shortens private names.
//!
//! It supports only what our files use: every statement ends with a semicolon or a brace, and an
//! import is one line. Top-level names are unique over all files, and template literals are not
//! nested.

use std::collections::BTreeSet;

mod constants;
mod declarations;
mod names;
mod tokens;

use constants::without_constants;
use declarations::Begun;
use names::Names;
use tokens::tokens;

/// Bundles the script that starts with the module `root`; `file` returns a module's text.
pub(super) fn script(root: &str, file: impl Fn(&str) -> Option<String>) -> String {
    let mut joined = String::new();
    join(root, &file, &mut BTreeSet::new(), &mut joined);
    shrink(&joined)
}

/// Appends a module after its imports, each module once.
fn join(module: &str, file: &impl Fn(&str) -> Option<String>, seen: &mut BTreeSet<String>, joined: &mut String) {
    if !seen.insert(module.to_owned()) {
        return;
    }
    let text = file(module).unwrap_or_default();
    for line in text.lines() {
        if let Some(import) = line.strip_prefix("import ") {
            let imported = import.split("'./").nth(1).and_then(|rest| rest.split('\'').next());
            join(imported.unwrap_or_default(), file, seen, joined);
        }
    }
    for line in text.lines().filter(|line| !line.starts_with("import ")) {
        joined.push_str(line.strip_prefix("export ").unwrap_or(line));
        joined.push('\n');
    }
}

/// Minifies a script.
fn shrink(script: &str) -> String {
    let tokens = without_constants(tokens(script));
    let names = Names::of(&tokens);
    let mut small = String::with_capacity(script.len() / 2);
    let mut begun = Begun::default();
    for (at, token) in tokens.iter().enumerate() {
        let text = names.short(at, token);
        let goes_on = begun.goes_on_with(token);
        if goes_on || (text == "}" && small.ends_with(',')) {
            small.pop();
        }
        if goes_on {
            small.push(',');
            continue;
        }
        let joins = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || "_$".contains(letter));
        // A semicolon before a closing brace is redundant.
        if text == "}" && small.ends_with(';') {
            small.pop();
        }
        // A space between a template's text and `${` would be visible.
        if text != "${" && joins(small.chars().last()) && joins(text.chars().next()) {
            small.push(' ');
        }
        small.push_str(text);
    }
    small
}

#[cfg(test)]
mod tests;
