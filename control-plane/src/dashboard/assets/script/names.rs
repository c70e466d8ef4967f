//! Shortens private names in the script that browsers load.
//!
//! A top-level name gets a unique short name. Local names get short names that every statement
//! reuses, because they are invisible outside it.

use std::collections::{HashMap, HashSet};

use crate::dashboard::assets::script::tokens::{Kind, Token};

/// Keywords, not names. Keywords that our scripts do not use are omitted.
const KEYWORDS: &str = "async await break case catch class const continue default delete do else export finally for function if \
    import in instanceof let new null of return static switch this throw true false try typeof undefined void while";

/// Tokens after which a brace opens an object.
const BEFORE_OBJECT: [&str; 11] = ["(", "=", ",", ":", "return", "[", "?", "const", "let", "...", "??"];

/// Number of short names reserved for local names.
const LOCAL: usize = 12;

/// The short name of each token.
pub(super) struct Names<'a> {
    /// Short names of top-level names.
    top: HashMap<&'a str, String>,
    /// Short names of local names, by statement.
    local: Vec<HashMap<&'a str, String>>,
    /// The statement that each token belongs to.
    statement: Vec<usize>,
}

impl<'a> Names<'a> {
    pub(super) fn of(tokens: &[Token<'a>]) -> Self {
        let (statement, known) = (statements(tokens), properties(tokens));
        let there: HashSet<&str> = tokens.iter().map(|token| token.text).collect();
        let mut free: Vec<String> =
            (0..26 * 27).map(short_name).filter(|name| !there.contains(name.as_str()) && !is_keyword(name)).collect();
        let mut for_top = free.split_off(LOCAL);
        let is_ours = |name: &&str| name.len() > 2 && !known.contains(name);
        let top: Vec<&str> = by_use(tokens, at_top(tokens).into_iter().filter(is_ours));
        free.extend(for_top.split_off(top.len()));
        let top: HashMap<&str, String> = top.into_iter().zip(for_top).collect();
        let last = statement.last().map_or(0, |last| last + 1);
        let local = |number: usize| {
            let from = statement.partition_point(|statement| *statement < number);
            let to = statement.partition_point(|statement| *statement <= number);
            let ours = made(&tokens[from..to]).into_iter().filter(is_ours).filter(|name| !top.contains_key(name));
            by_use(&tokens[from..to], ours).into_iter().zip(free.iter().cloned()).collect()
        };
        Self { local: (0..last).map(local).collect(), top, statement }
    }

    /// The text to write for the token at this index.
    pub(super) fn short<'b>(&'b self, at: usize, token: &Token<'b>) -> &'b str {
        let short = self.top.get(token.text).or_else(|| self.local[self.statement[at]].get(token.text));
        short.map_or(token.text, String::as_str)
    }
}

/// Sorts names by use, most used first.
fn by_use<'a>(tokens: &[Token<'_>], names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let uses = |name: &str| tokens.iter().filter(|token| token.kind == Kind::Word && token.text == name).count();
    let mut counted: Vec<(usize, &str)> = names.map(|name| (uses(name), name)).collect();
    counted.sort_unstable_by_key(|(uses, name)| (std::cmp::Reverse(*uses), *name));
    counted.into_iter().map(|(_, name)| name).collect()
}

/// The index of the top-level statement that each token belongs to.
fn statements(tokens: &[Token<'_>]) -> Vec<usize> {
    let (mut depth, mut number, mut before) = (0_usize, 0, ";");
    let mut statements = Vec::with_capacity(tokens.len());
    for token in tokens {
        let begins =
            before == ";" || (before == "}" && token.kind == Kind::Word && !matches!(token.text, "else" | "catch" | "finally"));
        number += usize::from(depth == 0 && begins);
        statements.push(number);
        match token.text {
            "{" | "(" | "[" | "${" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = token.text;
    }
    statements
}

/// Names that are declared outside of every bracket.
fn at_top<'a>(tokens: &[Token<'a>]) -> HashSet<&'a str> {
    let (mut depth, mut names) = (0_usize, HashSet::new());
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map_or("", |token| token.text);
        match token.text {
            "const" | "let" | "function" if depth == 0 && matches!(next, "{" | "[") => {
                names.extend(tokens[at + 2..closing(tokens, at + 1)].iter().map(|token| token.text));
            }
            "const" | "let" | "function" if depth == 0 => drop(names.insert(next)),
            "{" | "(" | "[" | "${" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    names
}

fn is_keyword(name: &str) -> bool {
    KEYWORDS.split(' ').any(|word| word == name)
}

/// `a`, `b`, … `z`, `aa`, `ab`, …
fn short_name(number: usize) -> String {
    let letter = |at: usize| char::from(b'a' + at as u8);
    if number < 26 { letter(number).to_string() } else { format!("{}{}", letter(number / 26 - 1), letter(number % 26)) }
}

/// Names that are declared anywhere: after `const`, `let` and `function`, and as parameters.
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

/// The plain names in the list that opens at `at`.
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

/// The index of the bracket that closes the one at `at`.
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

/// Names used as properties: after a dot, before a colon, or as shorthand in braces.
fn properties<'a>(tokens: &[Token<'a>]) -> HashSet<&'a str> {
    let (mut known, mut open) = (HashSet::new(), Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| tokens[at].text);
        let after = tokens.get(at + 1).map_or("", |token| token.text);
        match token.text {
            // After these tokens a brace opens an object or a pattern; otherwise a block.
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
