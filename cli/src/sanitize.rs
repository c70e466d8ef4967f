//! Escapes untrusted text from sidecars and callers, so that a terminal does not interpret it.

use std::borrow::Cow;

use mesh::visible::one_line;

/// The number of characters of a name that a table shows. JSON output has the full name.
const LETTERS_MAX: usize = 200;

/// Escapes everything that moves a cursor, changes a colour, or is invisible.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    one_line(text)
}

/// Like [`plain`], and cut to the length of a table line.
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
