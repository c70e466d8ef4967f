//! Applies all operations to the text of a document; those of a List item by item, so that the time grows with the text alone.

use std::collections::BTreeMap;

use json_patch::jsonptr::{Pointer, PointerBuf};
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};

use crate::yaml::splice::{dashed_lines, splice};
use crate::yaml::tree::{Content, Layout, Node};

/// Bytes that are parsed for a document that is no List, or one with aliases between its items: each operation parses all
/// of its text. It is a second's work. A document with more is written anew.
const PARSED_BYTES_MAX: usize = 64 << 20;

/// The key of the items, before the text of one of them that is parsed by itself.
const KEY: &str = "items:";

/// The text after all operations; `None` if they cannot be applied in place.
pub(crate) fn splice_all(text: &str, operations: &[PatchOperation]) -> Option<String> {
    if let Some(spliced) = splice_items(text, operations) {
        return Some(spliced);
    }
    if text.len().saturating_mul(operations.len()) > PARSED_BYTES_MAX {
        return None;
    }
    operations.iter().try_fold(text.to_owned(), |text, operation| splice(&text, operation))
}

/// The same for a List with all operations inside of its items.
fn splice_items(text: &str, operations: &[PatchOperation]) -> Option<String> {
    let mut of_items = BTreeMap::<usize, Vec<PatchOperation>>::new();
    let root = Node::parse(text)?;
    let Content::List(layout, items) = &root.find(["items"])?.content else { return None };
    for operation in operations {
        let (item, operation) = inside(operation, *layout)?;
        of_items.entry(item).or_default().push(operation);
    }
    let mut spliced = String::with_capacity(text.len() * 2);
    let mut done = 0;
    for (at, operations) in of_items {
        let span = match layout {
            Layout::Flow => items.get(at)?.span.clone(),
            Layout::Block => dashed_lines(text, items, at)?,
        };
        spliced.push_str(&text[done..span.start]);
        spliced.push_str(&item(&text[span.clone()], *layout, &operations)?);
        done = span.end;
    }
    spliced.push_str(&text[done..]);
    Some(spliced)
}

/// The index of an operation's item, and the operation as one of the item's own text.
fn inside(operation: &PatchOperation, layout: Layout) -> Option<(usize, PatchOperation)> {
    let (item, path) = below(operation.path(), layout)?;
    let operation = match operation {
        PatchOperation::Add(add) => PatchOperation::Add(AddOperation { path, value: add.value.clone() }),
        PatchOperation::Replace(replace) => PatchOperation::Replace(ReplaceOperation { path, value: replace.value.clone() }),
        PatchOperation::Remove(_) => PatchOperation::Remove(RemoveOperation { path }),
        PatchOperation::Move(_) | PatchOperation::Copy(_) | PatchOperation::Test(_) => return None,
    };
    Some((item, operation))
}

fn below(path: &Pointer, layout: Layout) -> Option<(usize, PointerBuf)> {
    let rest = path.as_str().strip_prefix("/items/")?;
    let (item, rest) = rest.split_once('/')?;
    let root = match layout {
        Layout::Flow => "",
        Layout::Block => "/items/0",
    };
    Some((item.parse().ok()?, PointerBuf::parse(format!("{root}/{rest}")).ok()?))
}

/// The text of one item after its operations. In a block, it is parsed below a key, which keeps its columns.
fn item(text: &str, layout: Layout, operations: &[PatchOperation]) -> Option<String> {
    let key = match layout {
        Layout::Flow => String::new(),
        Layout::Block if text.contains("\r\n") => format!("{KEY}\r\n"),
        Layout::Block => format!("{KEY}\n"),
    };
    let spliced = operations.iter().try_fold(format!("{key}{text}"), |text, operation| splice(&text, operation))?;
    spliced.strip_prefix(&key).map(str::to_owned)
}
