//! What sidecars and callers say is a stranger's text: a terminal must not take any of it for an order.

use std::borrow::Cow;

/// Letters of a name that a table shows. Whoever needs all of it asks for JSON.
const LETTERS_MAX: usize = 200;

/// The text with everything escaped that moves a cursor, changes a colour, or turns the direction of reading around.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_order) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_order(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    Cow::Owned(plain)
}

/// The same, and no longer than a line of a table.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LETTERS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", plain(&text[..end]))),
        None => plain(text),
    }
}

/// Whether a terminal would do something else with it than show it.
fn is_order(letter: char) -> bool {
    let turns_or_hides = matches!(letter,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    letter.is_control() || turns_or_hides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_an_order_to_a_terminal_is_only_shown() {
        assert_eq!(plain("/users/{id}/ä/😀"), "/users/{id}/ä/😀");
        assert_eq!(plain("/a\x1b[2J\r\n\u{202e}b\u{9b}"), "/a\\u{1b}[2J\\u{d}\\u{a}\\u{202e}b\\u{9b}");
        let long = "ü".repeat(LETTERS_MAX + 1);
        assert_eq!(short(&long).chars().count(), LETTERS_MAX + 1);
        assert!(short(&long).ends_with("ü…"));
        assert_eq!(short("/short"), "/short");
    }
}
