//! Changes a document step by step, and records each step as an operation of JSON Patch (RFC 6902).

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// A document and the operations that made it from the original.
#[derive(Debug, Clone)]
pub(crate) struct Editor {
    value: Value,
    operations: Vec<PatchOperation>,
}

/// A part of a document as it was.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: String,
    value: Value,
    operations: usize,
}

impl Editor {
    pub(crate) fn new(document: &Value) -> Self {
        Self { value: document.clone(), operations: Vec::new() }
    }

    /// The value at a JSON pointer (RFC 6901), or null.
    pub(crate) fn at(&self, path: &str) -> &Value {
        self.value.pointer(path).unwrap_or(&Value::Null)
    }

    /// Sets a key of an object; creates the object if it is missing.
    pub(crate) fn set(&mut self, object: &str, key: &str, value: Value) -> Result<(), Refusal> {
        match self.at(object) {
            Value::Object(_) => self.apply(add(&format!("{object}/{}", escaped(key)), value)),
            Value::Null => self.apply(add(object, Map::from_iter([(key.to_owned(), value)]).into())),
            _ => Err(malformed(object, "an object")),
        }
    }

    /// Inserts an element into a list; creates the list if it is missing.
    pub(crate) fn insert(&mut self, list: &str, index: usize, value: Value) -> Result<(), Refusal> {
        match self.at(list) {
            Value::Array(_) => self.apply(add(&format!("{list}/{index}"), value)),
            Value::Null => self.apply(add(list, Value::Array(vec![value]))),
            _ => Err(malformed(list, "a list")),
        }
    }

    /// Replaces a value that exists.
    pub(crate) fn replace(&mut self, path: &str, value: Value) -> Result<(), Refusal> {
        self.apply(PatchOperation::Replace(ReplaceOperation { path: pointer(path), value }))
    }

    /// Removes a key or an element, then the object or list that held it if nothing is left in it.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), Refusal> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let siblings = match self.at(parent) {
            Value::Object(fields) => fields.len(),
            Value::Array(elements) => elements.len(),
            _ => return Err(malformed(path, "there")),
        };
        let emptied = if siblings == 1 && !parent.is_empty() { parent } else { path };
        self.apply(PatchOperation::Remove(RemoveOperation { path: pointer(emptied) }))
    }

    /// The value at a path, and how many operations there are, to go back to.
    pub(crate) fn checkpoint(&self, path: &str) -> Checkpoint {
        Checkpoint { path: path.to_owned(), value: self.at(path).clone(), operations: self.operations.len() }
    }

    /// Takes back all since a checkpoint. No operation since then may have been outside of its path.
    pub(crate) fn go_back(&mut self, to: Checkpoint) {
        self.operations.truncate(to.operations);
        if let Some(value) = self.value.pointer_mut(&to.path) {
            *value = to.value;
        }
    }

    /// The operations so far.
    pub(crate) fn into_patch(self) -> Patch {
        Patch(self.operations)
    }

    fn apply(&mut self, operation: PatchOperation) -> Result<(), Refusal> {
        match json_patch::patch(&mut self.value, std::slice::from_ref(&operation)) {
            Ok(()) => self.operations.push(operation),
            Err(_) => return Err(malformed(operation.path().as_str(), "there")),
        }
        Ok(())
    }
}

fn add(path: &str, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: pointer(path), value })
}

fn pointer(path: &str) -> PointerBuf {
    PointerBuf::parse(path).expect("paths are built from escaped keys and indexes")
}

/// A key as a token of a JSON pointer.
pub(crate) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The refusal for a field of the wrong type, at a JSON pointer.
pub(crate) fn malformed(path: &str, expected: &'static str) -> Refusal {
    Refusal::Malformed { path: path.trim_start_matches('/').replace('/', "."), expected }
}
