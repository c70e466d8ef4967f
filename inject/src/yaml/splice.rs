//! Applies one operation of a JSON Patch to the text of a document, and leaves every other byte as it is.

use std::ops::Range;

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use saphyr_parser::ScalarStyle;
use serde_json::Value;

use crate::yaml::emit::{ListIndent, element, entry, flow, flow_entry, text as scalar_text};
use crate::yaml::tree::{Content, Entry, Layout, Node};

/// The text after the operation; `None` if it cannot be applied in place.
pub(crate) fn splice(text: &str, operation: &PatchOperation) -> Option<String> {
    let root = Node::parse(text)?;
    let is_json = matches!(&root.content, Content::Map(Layout::Flow, _) | Content::List(Layout::Flow, _));
    let splice = Splice { text, scalars: if is_json { flow } else { scalar_text }, lists: list_indent(text, &root) };
    match operation {
        PatchOperation::Add(add) => splice.add(&root, &add.path, &add.value),
        PatchOperation::Replace(replace) => {
            let node = root.find(tokens(&replace.path).iter().map(String::as_str))?;
            splice.replace(node, &replace.value)
        }
        PatchOperation::Remove(remove) => splice.remove(&root, &remove.path),
        PatchOperation::Move(_) | PatchOperation::Copy(_) | PatchOperation::Test(_) => None,
    }
}

/// The lines of an item of a list in block style, from its dash to the next one's; `None` if it does not begin its line.
pub(crate) fn dashed_lines(text: &str, items: &[Node], at: usize) -> Option<Range<usize>> {
    let splice = Splice { text, scalars: scalar_text, lists: ListIndent::Indented };
    let begin = |item: &Node| Some(splice.line(splice.dash(item)?));
    let end = match items.get(at + 1) {
        Some(next) => begin(next)?,
        None => splice.next_line(items.get(at)?.span.end),
    };
    Some(begin(items.get(at)?)?..end)
}

struct Splice<'a> {
    text: &'a str,
    /// How scalars are written that replace plain ones.
    scalars: fn(&Value) -> String,
    lists: ListIndent,
}

impl Splice<'_> {
    fn add(&self, root: &Node, path: &Pointer, value: &Value) -> Option<String> {
        let (parent, last) = parent(root, path)?;
        match &parent.content {
            Content::Map(layout, entries) => match entries.iter().find(|entry| entry.key == last) {
                Some(entry) => self.set(entry, value),
                None => self.insert_entry(parent, *layout, entries, &last, value),
            },
            Content::List(layout, items) => {
                let at = if last == "-" { items.len() } else { last.parse().ok().filter(|at| *at <= items.len())? };
                self.insert_item(parent, *layout, items, at, value)
            }
            Content::Scalar(_) | Content::Alias => None,
        }
    }

    /// Sets the value of an entry that exists.
    fn set(&self, entry: &Entry, value: &Value) -> Option<String> {
        let is_null = entry.value.is_empty() || matches!(&self.text[entry.value.span.clone()], "null" | "~");
        if !(is_null && (value.is_object() || value.is_array())) {
            return if entry.value.is_empty() { None } else { self.replace(&entry.value, value) };
        }
        // The key's line stays with its comment, without the null; the lines of the value follow.
        let indent = self.column(entry.key_span.start)?;
        let lines = self::entry(&entry.key, value, self.lists).split_off(1);
        let below = self.insert_lines(self.next_line(entry.end()), indent, &lines);
        Some(below[..entry.value.span.start].to_owned() + &below[entry.value.span.end..])
    }

    fn replace(&self, node: &Node, value: &Value) -> Option<String> {
        let Content::Scalar(style) = node.content else { return None };
        if node.is_empty() || value.is_object() || value.is_array() {
            return None;
        }
        let written = match style {
            ScalarStyle::Plain => (self.scalars)(value),
            _ => flow(value),
        };
        Some(self.with(node.span.clone(), &written))
    }

    fn insert_entry(&self, map: &Node, layout: Layout, entries: &[Entry], key: &str, value: &Value) -> Option<String> {
        match (layout, entries.last()) {
            (Layout::Block, Some(last)) => {
                let indent = self.column(entries[0].key_span.start)?;
                Some(self.insert_lines(self.next_line(last.end()), indent, &entry(key, value, self.lists)))
            }
            (Layout::Flow, Some(last)) => Some(self.with(last.end()..last.end(), &format!(", {}", flow_entry(key, value)))),
            (_, None) => Some(self.with(map.span.clone(), &format!("{{{}}}", flow_entry(key, value)))),
        }
    }

    fn insert_item(&self, list: &Node, layout: Layout, items: &[Node], at: usize, value: &Value) -> Option<String> {
        match (layout, items.get(at), items.last()) {
            (_, _, None) => Some(self.with(list.span.clone(), &flow(&Value::Array(vec![value.clone()])))),
            (Layout::Flow, Some(next), _) => Some(self.with(next.span.start..next.span.start, &format!("{}, ", flow(value)))),
            (Layout::Flow, None, Some(end)) => Some(self.with(end.span.end..end.span.end, &format!(", {}", flow(value)))),
            (Layout::Block, ..) => {
                let dash = self.dash(&items[0])?;
                let line = match at.checked_sub(1) {
                    Some(before) => self.next_line(items[before].span.end),
                    None => self.above_comments(self.line(dash)),
                };
                Some(self.insert_lines(line, self.column(dash)?, &element(value, self.lists)))
            }
        }
    }

    fn remove(&self, root: &Node, path: &Pointer) -> Option<String> {
        let (parent, last) = parent(root, path)?;
        match &parent.content {
            Content::Map(layout, entries) => {
                let at = entries.iter().position(|entry| entry.key == last)?;
                let spans: Vec<Range<usize>> = entries.iter().map(|entry| entry.key_span.start..entry.end()).collect();
                match layout {
                    Layout::Flow => Some(self.without_flow(&spans, at)),
                    Layout::Block if self.is_blank_before(spans[at].start) => self.without_lines(&spans[at]),
                    // The first entry of a list's element stands behind the dash, where the next one takes its place.
                    Layout::Block => Some(self.with(spans[at].start..spans.get(at + 1)?.start, "")),
                }
            }
            Content::List(layout, items) => {
                let at = last.parse::<usize>().ok().filter(|at| *at < items.len())?;
                match layout {
                    Layout::Flow => {
                        let spans: Vec<Range<usize>> = items.iter().map(|item| item.span.clone()).collect();
                        Some(self.without_flow(&spans, at))
                    }
                    Layout::Block => self.without_lines(&(self.dash(&items[at])?..items[at].span.end)),
                }
            }
            Content::Scalar(_) | Content::Alias => None,
        }
    }

    /// Without one of the parts of a collection in brackets, and without a comma beside it.
    fn without_flow(&self, parts: &[Range<usize>], at: usize) -> String {
        let gone = match at.checked_sub(1) {
            Some(before) => parts[before].end..parts[at].end,
            None => parts[0].start..parts.get(1).map_or(parts[0].end, |next| next.start),
        };
        self.with(gone, "")
    }

    /// Without the lines of a part that begins its line.
    fn without_lines(&self, part: &Range<usize>) -> Option<String> {
        self.column(part.start)?;
        let gone = self.line(part.start)..self.next_line(part.end);
        // A text that ends without a line end does so afterwards.
        let is_open = gone.end == self.text.len() && !self.text.ends_with('\n');
        let start = if is_open { self.text[..gone.start].trim_end_matches(['\r', '\n']).len() } else { gone.start };
        Some(self.with(start..gone.end, ""))
    }

    fn with(&self, span: Range<usize>, replacement: &str) -> String {
        format!("{}{replacement}{}", &self.text[..span.start], &self.text[span.end..])
    }

    /// Inserts lines at the beginning of a line, with the line ends of the text.
    fn insert_lines(&self, at: usize, indent: usize, lines: &[String]) -> String {
        let end = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let is_open = at > 0 && !self.text[..at].ends_with('\n');
        let lines: Vec<String> = lines.iter().map(|line| format!("{:indent$}{line}", "")).collect();
        let lines = lines.join(end);
        // A text that ends without a line end does so afterwards.
        self.with(at..at, &if is_open { format!("{end}{lines}") } else { format!("{lines}{end}") })
    }

    /// The beginning of the line of a byte.
    fn line(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// The beginning of the line after that of a byte.
    fn next_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// The column of what follows blanks, or blanks and the dashes of lists.
    fn column(&self, at: usize) -> Option<usize> {
        let before = &self.text[self.line(at)..at];
        before.bytes().all(|byte| byte == b' ' || byte == b'-').then_some(before.len())
    }

    fn is_blank_before(&self, at: usize) -> bool {
        self.text[self.line(at)..at].bytes().all(|byte| byte == b' ')
    }

    /// The dash of a list's element, if it begins its line.
    fn dash(&self, item: &Node) -> Option<usize> {
        let before = self.text[..item.span.start].trim_end();
        let dash = before.strip_suffix('-')?.len();
        self.is_blank_before(dash).then_some(dash)
    }

    /// The beginning of the comments and empty lines above a line.
    fn above_comments(&self, line: usize) -> usize {
        let mut top = line;
        while let Some(end) = top.checked_sub(1) {
            let above = self.line(end);
            let content = self.text[above..end].trim();
            if !(content.is_empty() || content.starts_with('#')) {
                break;
            }
            top = above;
        }
        top
    }
}

fn tokens(path: &Pointer) -> Vec<String> {
    path.tokens().map(|token| token.decoded().into_owned()).collect()
}

fn parent<'a>(root: &'a Node, path: &Pointer) -> Option<(&'a Node, String)> {
    let mut tokens = tokens(path);
    let last = tokens.pop()?;
    Some((root.find(tokens.iter().map(String::as_str))?, last))
}

/// How the document indents its first list.
fn list_indent(text: &str, root: &Node) -> ListIndent {
    fn flush(text: &str, node: &Node) -> Option<bool> {
        match &node.content {
            Content::Map(Layout::Block, entries) => entries.iter().find_map(|entry| match &entry.value.content {
                Content::List(Layout::Block, items) => {
                    let splice = Splice { text, scalars: scalar_text, lists: ListIndent::Indented };
                    let dash = splice.dash(items.first()?)?;
                    Some(splice.column(dash)? <= splice.column(entry.key_span.start)?)
                }
                _ => flush(text, &entry.value),
            }),
            Content::List(_, items) => items.iter().find_map(|item| flush(text, item)),
            _ => None,
        }
    }
    if flush(text, root) == Some(true) { ListIndent::Flush } else { ListIndent::Indented }
}
