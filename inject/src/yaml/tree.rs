//! The nodes of a YAML document with their places in the text.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// How deep collections may be nested. The parser of values has the same limit.
const DEPTH_MAX: usize = 128;

/// A node, and the bytes of its text, without the blanks and comments after it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) content: Content,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Content {
    /// One line of text, or several; with its style.
    Scalar(ScalarStyle),
    /// `*name`.
    Alias,
    /// Its elements.
    List(Layout, Vec<Node>),
    /// Its entries.
    Map(Layout, Vec<Entry>),
}

/// How a collection is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// By indentation.
    Block,
    /// In brackets, as in JSON.
    Flow,
}

/// An entry of a map.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

impl Node {
    /// The root of a text with one document; `None` if it is none, or has keys that are collections.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let events: Result<Vec<_>, _> = Parser::new_from_str(text).collect();
        let mut events = events.ok()?;
        events.retain(|(event, _)| !matches!(event, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing));
        Builder { text, offsets, events: events.into_iter().peekable() }.node(0)
    }

    /// The node at a path of keys and indexes.
    pub(crate) fn find<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |node, token| match &node.content {
            Content::Map(_, entries) => Some(&entries.iter().find(|entry| entry.key == token)?.value),
            Content::List(_, items) => items.get(token.parse::<usize>().ok()?),
            Content::Scalar(_) | Content::Alias => None,
        })
    }

    /// Whether nothing is written: the value of `key:`.
    pub(crate) fn is_empty(&self) -> bool {
        self.span.is_empty()
    }
}

impl Entry {
    /// Where the text of key and value ends. The value may be empty.
    pub(crate) fn end(&self) -> usize {
        self.value.span.end.max(self.key_span.end)
    }
}

struct Builder<'a> {
    text: &'a str,
    offsets: Vec<usize>,
    events: Peekable<IntoIter<(Event<'a>, Span)>>,
}

impl Builder<'_> {
    fn node(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (event, span) = self.events.next()?;
        let span = self.bytes(&span);
        match event {
            Event::Alias(_) => Some(Node { span, content: Content::Alias }),
            Event::Scalar(value, style, ..) => {
                // The parser gives an empty scalar the place of what follows.
                let is_missing = value.is_empty() && style == ScalarStyle::Plain;
                let end = if is_missing { span.start } else { span.start + self.text[span.clone()].trim_end().len() };
                Some(Node { span: span.start..end, content: Content::Scalar(style) })
            }
            Event::SequenceStart(..) => self.list(span, depth),
            Event::MappingStart(..) => self.map(span, depth),
            _ => None,
        }
    }

    fn list(&mut self, start: Range<usize>, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        while !matches!(self.events.peek()?.0, Event::SequenceEnd) {
            items.push(self.node(depth + 1)?);
        }
        let layout = self.layout(&start);
        let first = items.first().map(|node| node.span.start);
        let span = self.close(layout, &start, first, items.last().map(|node| node.span.end))?;
        Some(Node { span, content: Content::List(layout, items) })
    }

    fn map(&mut self, start: Range<usize>, depth: usize) -> Option<Node> {
        let mut entries = Vec::new();
        while !matches!(self.events.peek()?.0, Event::MappingEnd) {
            let (Event::Scalar(key, ..), span) = self.events.next()? else { return None };
            let (key, key_span) = (key.into_owned(), self.bytes(&span));
            entries.push(Entry { key, key_span, value: self.node(depth + 1)? });
        }
        let layout = self.layout(&start);
        let first = entries.first().map(|entry| entry.key_span.start);
        let span = self.close(layout, &start, first, entries.last().map(Entry::end))?;
        Some(Node { span, content: Content::Map(layout, entries) })
    }

    /// Takes the event that ends a collection; returns the collection's span.
    fn close(&mut self, layout: Layout, start: &Range<usize>, first: Option<usize>, last: Option<usize>) -> Option<Range<usize>> {
        let (_, span) = self.events.next()?;
        match layout {
            Layout::Flow => Some(start.start..self.bytes(&span).end),
            // The parser ends a block where the next node begins.
            Layout::Block => Some(first?..last?),
        }
    }

    fn layout(&self, start: &Range<usize>) -> Layout {
        if self.text[start.clone()].ends_with(['{', '[']) { Layout::Flow } else { Layout::Block }
    }

    fn bytes(&self, span: &Span) -> Range<usize> {
        let byte = |index: usize| self.offsets.get(index).copied().unwrap_or(self.text.len());
        byte(span.start.index())..byte(span.end.index())
    }
}
