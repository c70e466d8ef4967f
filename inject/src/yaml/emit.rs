//! Writes values as YAML: as lines of a block, or in brackets as JSON.

use serde_json::Value;

/// Whether the lists of a document are indented below their key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListIndent {
    /// The dash stands two columns to the right of the key.
    Indented,
    /// The dash stands below the key.
    Flush,
}

/// Plain words that YAML 1.1 or 1.2 reads as something else than a text.
const RESERVED: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// The lines of a value in block style.
pub(crate) fn block(value: &Value, lists: ListIndent) -> Vec<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.iter().flat_map(|(key, value)| entry(key, value, lists)).collect(),
        Value::Array(items) if !items.is_empty() => items.iter().flat_map(|item| element(item, lists)).collect(),
        scalar => vec![text(scalar)],
    }
}

/// The lines of `key: value`.
pub(crate) fn entry(key: &str, value: &Value, lists: ListIndent) -> Vec<String> {
    let key = text(&Value::from(key));
    if !is_block(value) {
        return vec![format!("{key}: {}", text(value))];
    }
    let indent = if value.is_array() && lists == ListIndent::Flush { "" } else { "  " };
    let lines = block(value, lists);
    [format!("{key}:")].into_iter().chain(lines.into_iter().map(|line| format!("{indent}{line}"))).collect()
}

/// The lines of `- value`.
pub(crate) fn element(value: &Value, lists: ListIndent) -> Vec<String> {
    let lines = block(value, lists).into_iter().enumerate();
    lines.map(|(at, line)| if at == 0 { format!("- {line}") } else { format!("  {line}") }).collect()
}

/// A value in one line, as JSON with a blank after each comma and colon.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, value)| flow_entry(key, value)).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}

/// `"key": value` in one line.
pub(crate) fn flow_entry(key: &str, value: &Value) -> String {
    format!("{}: {}", Value::from(key), flow(value))
}

/// A scalar, or an empty collection. A text is quoted unless every version of YAML reads it as a text.
pub(crate) fn text(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_-./:@".contains(letter);
    let is_plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/')
        && text.chars().all(is_word)
        && !text.ends_with(':')
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    // Single quotes know no escapes, so a text with double quotes in it stays readable.
    let is_single = text.contains('"') && text.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic());
    match (is_plain, is_single) {
        (true, _) => text.clone(),
        (false, true) => format!("'{}'", text.replace('\'', "''")),
        (false, false) => value.to_string(),
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}
