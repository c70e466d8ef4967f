//! What sidecars and callers say is a stranger's text: a terminal must not take any of it for an order.

use std::borrow::Cow;

use mesh::visible::one_line;

/// Letters of a name that a table shows. Whoever needs all of it asks for JSON.
const LETTERS_MAX: usize = 200;

/// The text with everything escaped that moves a cursor, changes a colour, or cannot be seen.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    one_line(text)
}

/// The same, and no longer than a line of a table.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LETTERS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", plain(&text[..end]))),
        None => plain(text),
    }
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
