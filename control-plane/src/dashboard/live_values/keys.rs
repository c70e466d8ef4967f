//! The keys of an element's values, shared by all elements of its kind.

use std::ptr;
use std::sync::Arc;

/// Maximum nesting of structs: a tile, its number, the number's digits.
const DEPTH_MAX: usize = 3;

/// The key of a value: the path of struct fields to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Key([&'static str; DEPTH_MAX]);

/// The keys of one kind of element, in the order of its values.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// The keys as sent, with a dot between the fields.
    names: Vec<String>,
}

/// Compares keys of elements and caches the last equal pair: a page has thousands of one kind.
#[derive(Debug, Default)]
pub(super) struct KeyComparer<'a> {
    known: Option<(&'a Arc<Keys>, &'a Arc<Keys>)>,
}

impl Key {
    /// The key of a value: the outer field and, if not empty, the inner one.
    pub fn new(outer: &'static str, inner: &'static str) -> Self {
        Self([outer, inner, ""])
    }

    /// The key of a field of the struct at this key.
    pub(super) fn within(self, field: &'static str) -> Self {
        let mut key = self;
        let free = key.0.iter_mut().find(|part| part.is_empty());
        *free.expect("live values nest at most three levels") = field;
        key
    }

    fn name(&self) -> String {
        let parts: Vec<&str> = self.0.iter().copied().filter(|part| !part.is_empty()).collect();
        parts.join(".")
    }
}

impl PartialEq for Key {
    /// Field names nearly always have the same address, which avoids a string comparison.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(one, other)| ptr::eq(*one, other) || *one == other)
    }
}

impl Eq for Key {}

impl Keys {
    pub(super) fn of(keys: Vec<Key>) -> Self {
        let names = keys.iter().map(Key::name).collect();
        Self { keys, names }
    }

    pub(super) fn each(&self) -> &[Key] {
        &self.keys
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

impl<'a> KeyComparer<'a> {
    /// Compares the keys of two elements; `true` if they are the same.
    pub(super) fn compare(&mut self, one: &'a Arc<Keys>, other: &'a Arc<Keys>) -> bool {
        let is_known = |(a, b): (&Arc<Keys>, &Arc<Keys>)| Arc::ptr_eq(a, one) && Arc::ptr_eq(b, other);
        if Arc::ptr_eq(one, other) || self.known.is_some_and(is_known) {
            return true;
        }
        let is_same = one.keys == other.keys;
        if is_same {
            self.known = Some((one, other));
        }
        is_same
    }
}
