//! The template escaper: escapes HTML markup, and writes hidden characters as `\u{202e}`.

use std::fmt;

use askama::filters::{Escaper, Html};
use mesh::visible::visible;

/// The escaper of every template.
#[derive(Debug, Clone, Copy)]
pub struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: fmt::Write>(&self, into: W, text: &str) -> fmt::Result {
        Html.write_escaped_str(into, &visible(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_hidden_letters_are_only_shown() {
        let mut page = String::new();
        Visible.write_escaped_str(&mut page, "<b>\u{202e}gnp</b>").unwrap();
        assert_eq!(page, "&#60;b&#62;\\u{202e}gnp&#60;/b&#62;");
    }
}
