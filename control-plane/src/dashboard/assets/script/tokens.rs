//! Splits a script into tokens; white space and comments are dropped.

/// A token of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A string, a part of a template, a number or a regular expression: copied unchanged.
    Text,
    /// Punctuation.
    Sign,
}

/// Punctuation of several characters that must stay together, or that later steps look for.
const LONG_SIGNS: [&str; 16] =
    ["...", "===", "!==", "??=", "||=", "&&=", "=>", "?.", "??", "||", "&&", "++", "--", "<=", ">=", "+="];

/// The tokens of a script.
pub(super) fn tokens(script: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut rest = script;
    // For each open brace, whether it is a template's `${`.
    let mut braces = Vec::new();
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let closes_template = first == '}' && braces.last() == Some(&true);
        let (length, kind) = match first {
            '\'' => (quoted(rest), Kind::Text),
            '`' => (template(rest), Kind::Text),
            '}' if closes_template => (1, Kind::Sign),
            '/' if begins_regex(&tokens) => (regex(rest), Kind::Text),
            letter if is_word(letter) => (rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()), Kind::Word),
            _ => {
                (LONG_SIGNS.iter().find(|sign| rest.starts_with(**sign)).map_or(first.len_utf8(), |sign| sign.len()), Kind::Sign)
            }
        };
        let (text, after) = rest.split_at(length);
        let kind = if kind == Kind::Word && first.is_ascii_digit() { Kind::Text } else { kind };
        push(&mut tokens, text, kind, &mut braces);
        rest = after;
        if closes_template {
            let (part, after) = rest.split_at(template_part(rest));
            tokens.push(Token { text: part, kind: Kind::Text });
            open_if(part, &mut tokens, &mut braces);
            rest = after;
        }
    }
    tokens
}

fn push<'a>(tokens: &mut Vec<Token<'a>>, text: &'a str, kind: Kind, braces: &mut Vec<bool>) {
    match text {
        "{" => braces.push(false),
        "}" => drop(braces.pop()),
        _ => {}
    }
    tokens.push(Token { text, kind });
    if text.starts_with('`') {
        open_if(text, tokens, braces);
    }
}

/// If a part of a template ends with `${`, splits it off as an opening brace.
fn open_if<'a>(part: &'a str, tokens: &mut Vec<Token<'a>>, braces: &mut Vec<bool>) {
    if let Some(before) = part.strip_suffix("${") {
        let last = tokens.last_mut().expect("the part has just been pushed");
        (last.text, last.kind) = (before, Kind::Text);
        tokens.push(Token { text: &part[before.len()..], kind: Kind::Sign });
        braces.push(true);
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

/// A slash after these tokens divides; otherwise it begins a regular expression.
fn begins_regex(tokens: &[Token<'_>]) -> bool {
    tokens.last().is_none_or(|token| token.kind == Kind::Sign && !matches!(token.text, ")" | "]" | "}"))
}

/// The length of the string at the start of `rest`.
fn quoted(rest: &str) -> usize {
    end(rest, 1, |at| rest[at..].starts_with('\'').then_some(1))
}

/// The length of the template at the start of `rest`, up to its end or its first `${`.
fn template(rest: &str) -> usize {
    1 + template_part(&rest[1..])
}

fn template_part(rest: &str) -> usize {
    end(rest, 0, |at| match &rest[at..] {
        rest if rest.starts_with('`') => Some(1),
        rest if rest.starts_with("${") => Some(2),
        _ => None,
    })
}

fn regex(rest: &str) -> usize {
    let end = end(rest, 1, |at| rest[at..].starts_with('/').then_some(1));
    end + rest[end..].find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(0)
}

/// The end of the first match of `closes`, counted from `from`; escaped characters are skipped.
fn end(rest: &str, from: usize, closes: impl Fn(usize) -> Option<usize>) -> usize {
    let mut protected = false;
    for (at, letter) in rest.char_indices().skip_while(|(at, _)| *at < from) {
        if protected {
            protected = false;
        } else if letter == '\\' {
            protected = true;
        } else if let Some(length) = closes(at) {
            return at + length;
        }
    }
    rest.len()
}
