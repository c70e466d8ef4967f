//! Turns what a page shows into values by key, and tells what has changed between two looks at it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// The values of one element of the page and everything in it, by key: `p95.v` is `1.24`, `p95.u` is `s`.
pub type Values = BTreeMap<String, String>;

/// A page as values: by the id of an element, then by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cells(BTreeMap<String, Values>);

impl Cells {
    /// Adds what one more element shows, a struct of texts.
    pub fn show(&mut self, id: impl Into<String>, shown: &impl Serialize) {
        self.0.insert(id.into(), values(shown));
    }

    /// Adds the values of one more element.
    pub fn insert(&mut self, id: &str, values: Values) {
        self.0.insert(id.to_owned(), values);
    }

    /// The elements and their values.
    pub fn elements(&self) -> &BTreeMap<String, Values> {
        &self.0
    }

    /// What to set so that a page that shows `self` shows `later`; elements that are new come whole.
    pub fn changes(&self, later: &Self) -> BTreeMap<String, Values> {
        let mut changes = BTreeMap::new();
        for (id, values) in &later.0 {
            let news = match self.0.get(id) {
                None => values.clone(),
                Some(shown) if shown == values => continue,
                Some(shown) => values
                    .iter()
                    .filter(|(key, value)| shown.get(*key) != Some(value))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
            };
            changes.insert(id.clone(), news);
        }
        changes
    }

    /// Which elements `later` has no more.
    pub fn gone(&self, later: &Self) -> Vec<String> {
        self.0.keys().filter(|id| !later.0.contains_key(*id)).cloned().collect()
    }
}

/// A struct of texts as values: nested ones get a dot in their key.
pub fn values(shown: &impl Serialize) -> Values {
    let mut values = Values::new();
    let shown = serde_json::to_value(shown).expect("what a page shows is text all through");
    flatten("", shown, &mut values);
    values
}

fn flatten(key: &str, value: Value, values: &mut Values) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let key = if key.is_empty() { member } else { format!("{key}.{member}") };
                flatten(&key, value, values);
            }
        }
        Value::String(text) => {
            values.insert(key.to_owned(), text);
        }
        other => {
            values.insert(key.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::overview::Overview;
    use crate::web::sample;
    use crate::web::view::Span;

    fn cells(hits: u64) -> Cells {
        let mut snapshot = sample::snapshot();
        snapshot.endpoints[0].now.hits = hits;
        Overview::of(&snapshot, Span::FiveMinutes).cells()
    }

    #[test]
    fn only_what_changed_is_told() {
        let changes = cells(14_580).changes(&cells(14_581));

        let row = &changes["e000000000005"];
        assert_eq!(row.get("hits").map(String::as_str), Some("14,581"));
        assert!(!row.contains_key("route"));
        assert!(!changes.contains_key("e000000000001"));
        assert!(cells(1).changes(&cells(1)).is_empty());
    }

    #[test]
    fn a_new_row_comes_whole_and_an_old_one_is_named() {
        let with = cells(14_580);
        let mut without = with.clone();
        without.0.remove("e000000000005");

        assert_eq!(without.changes(&with)["e000000000005"].get("route").map(String::as_str), Some("/products/{id}"));
        assert_eq!(with.gone(&without), ["e000000000005"]);
    }

    #[test]
    fn nested_texts_get_a_dot() {
        let row = &cells(14_580).0["e000000000002"];
        assert_eq!((row["p95.v"].as_str(), row["p95.u"].as_str()), ("1.24", "s"));
        assert_eq!(row["sw.state"], "on");
    }
}
