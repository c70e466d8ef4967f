//! A set of response statuses as people write it: `404`, `5xx`, `500-599`.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Final statuses of HTTP (RFC 9110, section 15).
const FINAL: RangeInclusive<u16> = 200..=599;

/// One status, or all of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StatusText", into = "String")]
pub struct StatusSet {
    range: RangeInclusive<u16>,
}

/// A status or a word. YAML reads `404` as a number.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum StatusText {
    /// A number.
    Number(u16),
    /// A text.
    Text(String),
}

impl StatusSet {
    /// One status.
    pub fn one(status: u16) -> Self {
        Self { range: status..=status }
    }

    /// Whether it contains this status.
    pub fn contains(&self, status: u16) -> bool {
        self.range.contains(&status)
    }
}

impl TryFrom<StatusText> for StatusSet {
    type Error = String;

    fn try_from(text: StatusText) -> Result<Self, String> {
        let text = match text {
            StatusText::Number(status) => status.to_string(),
            StatusText::Text(text) => text,
        };
        let range = match text.strip_suffix("xx") {
            Some(class) => class.parse::<u16>().ok().filter(|class| *class < 10).map(|class| class * 100..=class * 100 + 99),
            None => match text.split_once('-') {
                Some((from, to)) => from.parse().ok().zip(to.parse().ok()).map(|(from, to)| from..=to),
                None => text.parse().ok().map(|status| status..=status),
            },
        };
        let is_final = |range: &RangeInclusive<u16>| FINAL.contains(range.start()) && FINAL.contains(range.end());
        let range = range.filter(|range| is_final(range) && !range.is_empty());
        range
            .map(|range| Self { range })
            .ok_or_else(|| format!("{text:?} is no status from 200 to 599, such as 404, 5xx or 500-503"))
    }
}

impl From<StatusSet> for String {
    fn from(set: StatusSet) -> Self {
        set.to_string()
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (*self.range.start(), *self.range.end());
        match from {
            _ if from == to => write!(f, "{from}"),
            _ if from % 100 == 0 && to == from + 99 => write!(f, "{}xx", from / 100),
            _ => write!(f, "{from}-{to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_people_write_them() {
        let read = |json: &str| serde_json::from_str::<StatusSet>(json).map(|set| set.to_string());
        for (json, shown) in
            [("404", "404"), (r#""404""#, "404"), (r#""5xx""#, "5xx"), (r#""500-599""#, "5xx"), (r#""502-504""#, "502-504")]
        {
            assert_eq!(read(json).unwrap(), shown);
        }
        for json in ["99", "600", r#""1xx""#, r#""504-502""#, r#""x""#, r#""99xx""#, r#""65535xx""#, r#""""#, "-1"] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
