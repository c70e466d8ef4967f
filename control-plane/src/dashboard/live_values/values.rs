//! The values of one element of a page, and the builder that shares their keys with the previous element.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::Serializer;

use crate::dashboard::live_values::keys::{Key, Keys};

/// The values of one element of the page and everything in it, by key: `p95.v` is `1.24`, `p95.u`
/// is `s`.
///
/// They are in field order, in one string: a page of a thousand rows has fifty thousand, once a
/// second.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// The keys, shared by all elements of a kind.
    pub(super) keys: Arc<Keys>,
    /// The end of each value's text.
    pub(super) ends: Vec<usize>,
    pub(super) text: String,
}

impl Values {
    /// Values from a list of named texts.
    pub fn named<'a>(values: impl IntoIterator<Item = (Key, &'a str)>) -> Self {
        let mut draft = Draft::like(Arc::default());
        for (key, text) in values {
            draft.push(key, text);
        }
        draft.finished()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.each().find(|(known, _)| *known == key).map(|(_, text)| text)
    }

    /// The keys and their values.
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys.names().zip(self.texts())
    }

    /// The values, in the order of the keys.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let text = &self.text[from..*end];
            from = *end;
            text
        })
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.each())
    }
}

/// The values collected so far.
#[derive(Debug)]
pub(super) struct Draft {
    /// The keys of the previous element.
    like: Arc<Keys>,
    /// Its own keys, once they differ from `like`.
    own: Option<Vec<Key>>,
    ends: Vec<usize>,
    text: String,
}

impl Draft {
    /// An empty builder for an element that probably has these keys.
    pub(super) fn like(like: Arc<Keys>) -> Self {
        let ends = Vec::with_capacity(like.each().len());
        Self { like, own: None, ends, text: String::new() }
    }

    /// Adds a value; its key must be new.
    pub(super) fn push(&mut self, key: Key, text: &str) {
        let at = self.ends.len();
        match &mut self.own {
            Some(own) => own.push(key),
            None if self.like.each().get(at) == Some(&key) => {}
            None => self.own = Some(self.like.each()[..at].iter().copied().chain([key]).collect()),
        }
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// Builds the values; shares the keys if they are the same.
    pub(super) fn finished(self) -> Values {
        let Self { like, own, ends, text } = self;
        let keys = match own {
            None if like.each().len() == ends.len() => like,
            None => Arc::new(Keys::of(like.each()[..ends.len()].to_vec())),
            Some(own) => Arc::new(Keys::of(own)),
        };
        Values { keys, ends, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(like: &Values, keys: &[&'static str]) -> Values {
        let mut draft = Draft::like(Arc::clone(&like.keys));
        for key in keys {
            draft.push(Key::new(key, ""), key);
        }
        draft.finished()
    }

    #[test]
    fn an_element_has_the_keys_of_the_one_before_it_or_its_own() {
        let first = values(&Values::default(), &["a", "b"]);
        assert!(Arc::ptr_eq(&values(&first, &["a", "b"]).keys, &first.keys));
        for others in [&["a"][..], &["a", "c"], &["a", "b", "c"], &["b"], &[]] {
            let next = values(&first, others);
            assert_eq!(next.keys.names().collect::<Vec<_>>(), others);
            assert_eq!(next.texts().collect::<Vec<_>>(), others);
        }
    }
}
