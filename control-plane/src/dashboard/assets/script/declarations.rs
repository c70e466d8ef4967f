//! Detects consecutive declarations of the same kind, to merge them into one statement.

use crate::dashboard::assets::script::tokens::Token;

/// The first word of the current statement, at each depth of brackets.
pub(super) struct Begun<'a> {
    words: Vec<&'a str>,
    before: &'a str,
}

impl Default for Begun<'_> {
    fn default() -> Self {
        Self { words: vec![""], before: ";" }
    }
}

impl<'a> Begun<'a> {
    /// Whether this token begins a declaration of the same kind as the previous one. Call it for each token in order.
    pub(super) fn goes_on_with(&mut self, token: &Token<'a>) -> bool {
        let begun = self.words.last_mut().expect("the first is never closed");
        let goes_on = self.before == ";" && matches!(token.text, "const" | "let") && *begun == token.text;
        if matches!(self.before, ";" | "{" | "}") && token.text != ";" {
            *begun = token.text;
        }
        match token.text {
            "{" | "(" | "[" | "${" => self.words.push(""),
            "}" | ")" | "]" if self.words.len() > 1 => drop(self.words.pop()),
            _ => {}
        }
        self.before = token.text;
        goes_on
    }
}
