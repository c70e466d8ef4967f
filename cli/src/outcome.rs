//! The output format of a command's result: text, JSON or YAML.

use clap::ValueEnum;
use mesh::visible::{is_hidden, json};
use serde::Serialize;
use serde_json::Value;

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutcomeFormat {
    /// For people.
    // Accepted for users who are used to it from lists.
    #[value(alias = "wide")]
    Table,
    /// As the API returns it.
    Json,
    /// The same as YAML.
    Yaml,
}

impl OutcomeFormat {
    /// Formats the result: as JSON or YAML, or with `words`.
    pub(crate) fn format<T: Serialize>(self, answer: &T, words: impl FnOnce() -> String) -> anyhow::Result<String> {
        Ok(match self {
            Self::Table => words(),
            Self::Json => format!("{}\n", json(&serde_json::to_string_pretty(answer)?)),
            Self::Yaml => yaml(answer)?,
        })
    }
}

/// The JSON value as YAML. Serialized directly, an enum would become a tag (`!disable`), which few readers support.
///
/// Invisible characters are escaped. The library writes a text with a control character in double quotes, the only YAML
/// style with escapes. So each invisible character is first replaced by its number between two control characters, and
/// then by an escape.
pub(crate) fn yaml(answer: &impl Serialize) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(answer)?;
    mark(&mut value);
    let text = serde_norway::to_string(&value)?;
    let mut parts = text.split(MARK_WRITTEN);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        if at % 2 == 0 {
            shown.push_str("\\U");
        }
        shown.push_str(part);
    }
    Ok(shown)
}

/// The control character before and after the number of an invisible character; it is escaped itself.
const MARK: char = '\u{1a}';

/// The library's escape for [`MARK`].
const MARK_WRITTEN: &str = "\\x1A";

/// Marks the invisible characters in all texts of a value.
fn mark(value: &mut Value) {
    match value {
        Value::String(text) => {
            let letters: Vec<char> = text.chars().collect();
            let is_marked = |at: usize| {
                let before = at.checked_sub(1).map(|at| letters[at]);
                letters[at] == MARK || is_hidden(before, letters[at], letters.get(at + 1).copied())
            };
            if (0..letters.len()).any(is_marked) {
                let marked = |at: usize| {
                    if is_marked(at) { format!("{MARK}{:08X}{MARK}", u32::from(letters[at])) } else { letters[at].to_string() }
                };
                *text = (0..letters.len()).map(marked).collect();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mark),
        Value::Object(values) => values.values_mut().for_each(mark),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn yaml_keeps_its_values_and_hides_nothing() {
        let answer = value!({"pod": "a\u{202e}b\u{1a}", "plain": "größe", "list": ["x\u{200b}"]});
        let text = yaml(&answer).unwrap();
        assert!(text.contains("\\U0000202E") && text.contains("größe") && !text.contains(['\u{202e}', '\u{200b}']), "{text}");
        assert_eq!(serde_norway::from_str::<Value>(&text).unwrap(), answer);
    }
}
