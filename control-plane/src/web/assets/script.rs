//! Makes one small script of our modules: imports followed, comments and white space dropped, private names shortened.
//!
//! It knows as much of the language as our own files use, and no more: every statement ends with a semicolon or a brace,
//! an import is one line, no name stands at the top of two files, and a template holds no template.

use std::collections::{BTreeSet, HashMap, HashSet};

mod tokens;

use tokens::{Kind, Token, tokens};

/// Words that are not names. Those of the language that our scripts do not use need not be here.
const KEYWORDS: &str = "async await break case catch class const continue default delete do else export finally for function if \
    import in instanceof let new null of return static switch this throw true false try typeof undefined void while";

/// What stands before an object's brace.
const BEFORE_OBJECT: [&str; 11] = ["(", "=", ",", ":", "return", "[", "?", "const", "let", "...", "??"];

/// The script that starts with the module `root`; `file` gives a module's text.
pub(super) fn script(root: &str, file: impl Fn(&str) -> Option<String>) -> String {
    let mut joined = String::new();
    join(root, &file, &mut BTreeSet::new(), &mut joined);
    shrink(&joined)
}

/// Adds a module after those that it imports, each once.
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

/// The same script in fewer bytes.
fn shrink(script: &str) -> String {
    let tokens = tokens(script);
    let short = short_names(&tokens);
    let mut small = String::with_capacity(script.len() / 2);
    for token in &tokens {
        let text = short.get(token.text).map_or(token.text, String::as_str);
        let joins = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || "_$".contains(letter));
        // Before the end of a block it says nothing.
        if text == "}" && small.ends_with(';') {
            small.pop();
        }
        // Between a part of a template and what it takes in, a space would be seen.
        if text != "${" && joins(small.chars().last()) && joins(text.chars().next()) {
            small.push(' ');
        }
        small.push_str(text);
    }
    small
}

/// A short name for each name that is ours alone: made here, and nowhere the name of a property, which others know.
fn short_names<'a>(tokens: &[Token<'a>]) -> HashMap<&'a str, String> {
    let mut uses: HashMap<&str, usize> = HashMap::new();
    tokens.iter().filter(|token| token.kind == Kind::Word).for_each(|token| *uses.entry(token.text).or_default() += 1);
    let (made, known) = (made(tokens), properties(tokens));
    let mut ours: Vec<&str> = made.into_iter().filter(|name| name.len() > 2 && !known.contains(name)).collect();
    ours.sort_unstable_by_key(|name| (std::cmp::Reverse(uses[name]), *name));
    let mut free = (0..).map(short_name).filter(|name| !uses.contains_key(name.as_str()) && !is_keyword(name));
    ours.into_iter().map(|name| (name, free.next().expect("there is no end of names"))).collect()
}

fn is_keyword(name: &str) -> bool {
    KEYWORDS.split(' ').any(|word| word == name)
}

/// `a`, `b`, … `z`, `aa`, `ab`, …
fn short_name(number: usize) -> String {
    let letter = |at: usize| char::from(b'a' + at as u8);
    if number < 26 { letter(number).to_string() } else { format!("{}{}", letter(number / 26 - 1), letter(number % 26)) }
}

/// Names that are declared somewhere: after `const`, `let` and `function`, and as what a function takes.
fn made<'a>(tokens: &[Token<'a>]) -> HashSet<&'a str> {
    let mut made = HashSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = |by: usize| tokens.get(at + by).map_or("", |token| token.text);
        match token.text {
            "const" | "let" | "function" if token.kind == Kind::Word => drop(made.insert(next(1))),
            "=>" if tokens[at - 1].kind == Kind::Word => drop(made.insert(tokens[at - 1].text)),
            _ => {}
        }
        let opens = token.text == "(" && (next_is_arrow(tokens, at) || at > 1 && tokens[at - 2].text == "function");
        let unpacks = token.text == "[" && at > 0 && matches!(tokens[at - 1].text, "const" | "let");
        if opens || unpacks {
            made.extend(listed(tokens, at));
        }
    }
    made.retain(|name| name.starts_with(|letter: char| letter.is_alphabetic()) && !is_keyword(name));
    made
}

/// The plain names in a list that opens at `at`.
fn listed<'a>(tokens: &[Token<'a>], at: usize) -> Vec<&'a str> {
    let end = closing(tokens, at);
    let is_alone =
        |at: usize| matches!(tokens[at - 1].text, "(" | "," | "[") && matches!(tokens[at + 1].text, ")" | "," | "]" | "=");
    let depth_is_one = |place: usize| tokens[at + 1..place].iter().all(|token| !matches!(token.text, "{" | "[" | "("));
    (at + 1..end)
        .filter(|place| tokens[*place].kind == Kind::Word && is_alone(*place) && depth_is_one(*place))
        .map(|place| tokens[place].text)
        .collect()
}

fn next_is_arrow(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(closing(tokens, at) + 1).is_some_and(|token| token.text == "=>")
}

/// Where the bracket that opens at `at` closes.
fn closing(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "(" | "[" | "{" | "${" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    tokens.len()
}

/// Names that are a property's somewhere: after a dot, before a colon, or short for both in braces.
fn properties<'a>(tokens: &[Token<'a>]) -> HashSet<&'a str> {
    let (mut known, mut open) = (HashSet::new(), Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| tokens[at].text);
        let after = tokens.get(at + 1).map_or("", |token| token.text);
        match token.text {
            // A brace after these opens an object or takes one apart; any other opens a block.
            "{" => open.push(BEFORE_OBJECT.contains(&before)),
            "(" | "[" | "${" => open.push(false),
            ")" | "]" | "}" => drop(open.pop()),
            _ => {}
        }
        let in_braces = open.last() == Some(&true) && matches!(before, "{" | ",") && matches!(after, "," | "}" | ":" | "=");
        if token.kind == Kind::Word && (matches!(before, "." | "?.") || in_braces) {
            known.insert(token.text);
        }
    }
    known
}

#[cfg(test)]
mod tests;
