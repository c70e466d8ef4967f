//! Turns what a page shows into values by key, and tells what has changed between two looks at it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::web::cells::flat::flatten;

mod flat;

/// Structs within structs that a value may lie in: a tile, its number, the digits of it.
const DEPTH_MAX: usize = 3;

/// The name of a value: of the struct's fields that lead to it, with a dot between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Key([&'static str; DEPTH_MAX]);

/// The values of one element of the page and everything in it, by key: `p95.v` is `1.24`, `p95.u` is `s`.
///
/// They stand in the order of the struct that shows them, all in one text: a page of a thousand rows has fifty thousand,
/// once a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Each with where its text ends.
    keys: Vec<(Key, usize)>,
    text: String,
}

/// A page as values: by the id of an element, then by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Cells(BTreeMap<String, Values>);

/// What to set so that a page that shows the one shows the other.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    shown: &'a Cells,
    later: &'a Cells,
}

impl Key {
    /// The name of a value in a struct in another, or in none.
    pub fn new(outer: &'static str, inner: &'static str) -> Self {
        Self([outer, inner, ""])
    }

    /// The name of a value in what this names.
    fn within(self, field: &'static str) -> Self {
        let mut key = self;
        let free = key.0.iter_mut().find(|part| part.is_empty());
        *free.expect("no page shows a struct so deep in others") = field;
        key
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0[0])?;
        self.0[1..].iter().filter(|part| !part.is_empty()).try_for_each(|part| write!(f, ".{part}"))
    }
}

impl Values {
    /// A struct of texts as values: nested ones get a dot in their key.
    pub fn of(shown: &impl Serialize) -> Self {
        flatten(shown)
    }

    /// Adds one that is not there yet.
    pub fn push(&mut self, key: Key, text: &str) {
        self.text.push_str(text);
        self.keys.push((key, self.text.len()));
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.each().find(|(known, _)| known.to_string() == key).map(|(_, text)| text)
    }

    fn each(&self) -> impl Iterator<Item = (Key, &str)> {
        let mut from = 0;
        self.keys.iter().map(move |(key, end)| {
            let text = &self.text[from..*end];
            from = *end;
            (*key, text)
        })
    }

    /// What is other than in `shown`, which has the same keys as long as the element is of the same kind.
    fn since<'a>(&'a self, shown: &'a Self) -> impl Iterator<Item = (Key, &'a str)> {
        let mut before = shown.each();
        self.each().filter(move |value| before.next().as_ref() != Some(value))
    }
}

impl Cells {
    /// Adds what one more element shows, a struct of texts.
    pub fn show(&mut self, id: impl Into<String>, shown: &impl Serialize) {
        self.0.insert(id.into(), Values::of(shown));
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
    pub fn changes<'a>(&'a self, later: &'a Self) -> Changes<'a> {
        Changes { shown: self, later }
    }

    /// Which elements `later` has no more.
    pub fn gone(&self, later: &Self) -> Vec<String> {
        self.0.keys().filter(|id| !later.0.contains_key(*id)).cloned().collect()
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.each().map(|(key, text)| (Name(key), text)))
    }
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut elements = to.serialize_map(None)?;
        for (id, values) in &self.later.0 {
            match self.shown.0.get(id) {
                None => elements.serialize_entry(id, values)?,
                Some(shown) if shown == values => {}
                Some(shown) => elements.serialize_entry(id, &News { values, shown })?,
            }
        }
        elements.end()
    }
}

/// What is new of one element.
struct News<'a> {
    values: &'a Values,
    shown: &'a Values,
}

impl Serialize for News<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.values.since(self.shown).map(|(key, text)| (Name(key), text)))
    }
}

/// A key as it travels.
struct Name(Key);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::web::overview::Overview;
    use crate::web::sample;
    use crate::web::view::Span;

    fn cells(hits: u64) -> Cells {
        let mut snapshot = sample::snapshot();
        snapshot.endpoints[0].now.hits = hits;
        Overview::of(&snapshot, Span::FiveMinutes).cells()
    }

    fn changes(shown: &Cells, later: &Cells) -> Value {
        serde_json::to_value(shown.changes(later)).unwrap()
    }

    #[test]
    fn only_what_changed_is_told() {
        let told = changes(&cells(14_580), &cells(14_581));

        let row = &told["e000000000005"];
        assert_eq!(row["hits"], "14,581");
        assert_eq!(row.get("route"), None);
        assert_eq!(told.get("e000000000001"), None);
        assert_eq!(changes(&cells(1), &cells(1)), json!({}));
    }

    #[test]
    fn a_new_row_comes_whole_and_an_old_one_is_named() {
        let with = cells(14_580);
        let mut without = with.clone();
        without.0.remove("e000000000005");

        assert_eq!(changes(&without, &with)["e000000000005"]["route"], "/products/{id}");
        assert_eq!(with.gone(&without), ["e000000000005"]);
    }

    #[test]
    fn an_element_that_becomes_one_of_another_kind_comes_whole() {
        let values = |pairs: &[(&'static str, &str)]| {
            let mut values = Values::default();
            for (key, text) in pairs {
                values.push(Key::new(key, ""), text);
            }
            values
        };
        let (mut shown, mut later) = (Cells::default(), Cells::default());
        shown.insert("x", values(&[("a", "1"), ("b", "2")]));
        later.insert("x", values(&[("b", "2"), ("c", "3")]));
        assert_eq!(changes(&shown, &later), json!({ "x": { "b": "2", "c": "3" } }));
        assert_eq!(changes(&later, &later.clone()), json!({}));
    }

    #[test]
    fn nested_texts_get_a_dot() {
        let cells = cells(14_580);
        let row = &cells.0["e000000000002"];
        assert_eq!((row.get("p95.v"), row.get("p95.u"), row.get("sw.state")), (Some("1.24"), Some("s"), Some("on")));
        assert_eq!(row.get("p95"), None);
    }

    #[test]
    fn what_is_in_a_list_is_found_by_its_place() {
        #[derive(Serialize)]
        struct Chips {
            shows: Vec<&'static str>,
        }
        let values = Values::of(&Chips { shows: vec!["12", "3"] });
        assert_eq!((values.get("shows.0"), values.get("shows.1"), values.get("shows")), (Some("12"), Some("3"), None));
    }

    #[test]
    fn an_empty_text_is_told_when_it_comes_and_when_it_goes() {
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
