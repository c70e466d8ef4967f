//! Inlines constants that are used once, in the place of their names.

use std::collections::HashMap;

use crate::dashboard::assets::script::tokens::{Kind, Token};

/// Replaces each constant that is used once by its number or string. Names in capitals are never
/// reassigned, and are unique.
pub(super) fn without_constants(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let mut values: HashMap<&str, Token<'_>> = HashMap::new();
    for made in tokens.windows(5).filter(|made| made[0].text == "const" && made[2].text == "=" && made[4].text == ";") {
        let uses = tokens.iter().filter(|token| token.text == made[1].text).count();
        if uses == 2
            && made[3].kind == Kind::Text
            && made[1].text.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
        {
            values.insert(made[1].text, made[3]);
        }
    }
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = &tokens[..];
    while let Some(first) = rest.first() {
        let is_made = first.text == "const" && rest.get(1).is_some_and(|name| values.contains_key(name.text));
        if !is_made {
            kept.push(values.get(first.text).copied().unwrap_or(*first));
        }
        rest = &rest[if is_made { 5 } else { 1 }..];
    }
    kept
}
