//! Live values: flattens what a page shows into values by key, and computes changes between two states.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::dashboard::live_values::flatten::flatten;
use crate::dashboard::live_values::keys::{KeyComparer, Keys};
use crate::dashboard::live_values::values::Values;

pub mod flatten;
pub mod keys;
pub mod values;

/// The live values of a page: by element id, then by key.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Cells {
    elements: BTreeMap<String, Values>,
    /// The keys of the element added last; the next one usually has the same.
    #[serde(skip)]
    keys: Arc<Keys>,
}

/// A diff between two states of a page.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    shown: &'a Cells,
    later: &'a Cells,
}

impl Cells {
    /// Adds the values of one more element, from a struct of texts.
    pub fn show(&mut self, id: impl Into<String>, shown: &impl Serialize) {
        let values = flatten(shown, &self.keys);
        self.keys = Arc::clone(&values.keys);
        self.elements.insert(id.into(), values);
    }

    /// Adds the values of several elements: `name-0`, `name-1` and so on.
    pub fn show_each(&mut self, name: &str, each: &[impl Serialize]) {
        for (at, one) in each.iter().enumerate() {
            self.show(format!("{name}-{at}"), one);
        }
    }

    /// Adds the values of one more element.
    pub fn insert(&mut self, id: &str, values: Values) {
        self.elements.insert(id.to_owned(), values);
    }

    /// The elements and their values.
    pub fn elements(&self) -> &BTreeMap<String, Values> {
        &self.elements
    }

    /// The diff from `self` to `later`. New elements are included whole.
    pub fn changes<'a>(&'a self, later: &'a Self) -> Changes<'a> {
        Changes { shown: self, later }
    }

    /// Ids of the elements that `later` no longer has.
    pub fn gone(&self, later: &Self) -> Vec<String> {
        self.elements.keys().filter(|id| !later.elements.contains_key(*id)).cloned().collect()
    }
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut elements = to.serialize_map(None)?;
        let mut comparer = KeyComparer::default();
        for (id, values) in &self.later.elements {
            match self.shown.elements.get(id) {
                Some(shown) if comparer.compare(&shown.keys, &values.keys) => {
                    if shown.ends != values.ends || shown.text != values.text {
                        elements.serialize_entry(id, &ElementDiff { values, shown })?;
                    }
                }
                _ => elements.serialize_entry(id, values)?,
            }
        }
        elements.end()
    }
}

/// The diff of one element that still has the same keys.
struct ElementDiff<'a> {
    values: &'a Values,
    shown: &'a Values,
}

impl Serialize for ElementDiff<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let pairs = self.values.each().zip(self.shown.texts());
        to.collect_map(pairs.filter(|((_, text), shown)| text != shown).map(|(value, _)| value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dashboard::live_values::flatten::values_of;
    use crate::dashboard::live_values::keys::Key;
    use crate::dashboard::overview::Overview;
    use crate::dashboard::query::DisplayWindow;
    use crate::dashboard::sample;

    fn cells(hits: u64) -> Cells {
        let mut snapshot = sample::snapshot();
        snapshot.endpoints[0].now.hits = hits;
        Overview::of(&snapshot, DisplayWindow::FiveMinutes).cells()
    }

    fn changes(shown: &Cells, later: &Cells) -> Value {
        serde_json::to_value(shown.changes(later)).unwrap()
    }

    #[test]
    fn only_changes_are_sent() {
        let reported = changes(&cells(14_580), &cells(14_581));

        let row = &reported["e000000000005"];
        assert_eq!(row["hits"], "14,581");
        assert_eq!(row.get("route"), None);
        assert_eq!(reported.get("e000000000001"), None);
        assert_eq!(changes(&cells(1), &cells(1)), json!({}));
    }

    #[test]
    fn a_new_row_comes_whole_and_an_old_one_is_named() {
        let with = cells(14_580);
        let mut without = with.clone();
        without.elements.remove("e000000000005");

        assert_eq!(changes(&without, &with)["e000000000005"]["route"], "/products/{id}");
        assert_eq!(with.gone(&without), ["e000000000005"]);
    }

    #[test]
    fn an_element_that_becomes_one_of_another_kind_comes_whole() {
        let values =
            |pairs: &[(&'static str, &'static str)]| Values::named(pairs.iter().map(|(key, text)| (Key::new(key, ""), *text)));
        let (mut shown, mut later) = (Cells::default(), Cells::default());
        shown.insert("x", values(&[("a", "1"), ("b", "2")]));
        later.insert("x", values(&[("b", "2"), ("c", "3")]));
        assert_eq!(changes(&shown, &later), json!({ "x": { "b": "2", "c": "3" } }));
        assert_eq!(changes(&later, &later.clone()), json!({}));
    }

    #[test]
    fn nested_texts_get_a_dot() {
        let cells = cells(14_580);
        let row = &cells.elements["e000000000002"];
        assert_eq!((row.get("p95.v"), row.get("p95.u"), row.get("sw.state")), (Some("1.24"), Some("s"), Some("on")));
        assert_eq!(row.get("p95"), None);
    }

    #[test]
    fn what_is_in_a_list_is_found_by_its_place() {
        #[derive(Serialize)]
        struct Chips {
            shows: Vec<&'static str>,
        }
        let values = values_of(&Chips { shows: vec!["12", "3"] });
        assert_eq!((values.get("shows.0"), values.get("shows.1"), values.get("shows")), (Some("12"), Some("3"), None));
    }

    #[test]
    fn an_empty_text_is_sent_when_it_appears_and_when_it_disappears() {
        let blocked = |text: &str| {
            let mut cells = Cells::default();
            cells.show("x", &Blocked { blocked: text });
            cells
        };
        assert_eq!(changes(&blocked("3/s"), &blocked("")), json!({ "x": { "blocked": "" } }));
    }

    #[derive(Serialize)]
    struct Blocked<'a> {
        blocked: &'a str,
    }
}
