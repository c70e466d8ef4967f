//! Patterns that people have pinned: a path that matches one has it as its route, instead of a guessed route.
//!
//! `{name}` matches one segment that is not empty. A last `{name...}` matches any rest, even an
//! empty one. If several patterns match a path, they are compared segment by segment from the left,
//! and the first difference decides: a literal segment wins over `{name}`, and `{name}` over
//! `{name...}`.

use std::str::FromStr;

use crate::endpoint::{Endpoint, ROUTE_BYTES_MAX};
use crate::routes::normal::{SEGMENTS_MAX, escaped, is_plain, normal_form};

/// Patterns pinned for one service. With the seven usual methods each, and 256 endpoints that are
/// not pinned, they stay below the 1,024 names of one stream.
pub const PINS_MAX: usize = 100;

/// One pattern, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

/// Why a pattern is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is not a valid path.
    #[error(
        "the pattern {0:?} must begin with / and be at most {ROUTE_BYTES_MAX} bytes and {SEGMENTS_MAX} segments, such as /users/{{name}}"
    )]
    Path(String),
    /// It is not in the normal form of paths.
    #[error("paths are spelled {normal} before they are compared, so the pattern {asked} would recognise none: pin {normal}")]
    Spelling {
        /// The pattern as it was written.
        asked: String,
        /// The pattern in normal form.
        normal: String,
    },
    /// A segment has braces but is not a placeholder.
    #[error("{0:?} is neither a word nor {{name}}, nor {{name...}} as the last segment; a name has letters, digits and _")]
    Segment(String),
}

/// The patterns of a service, compiled for matching. Without any pattern, a lookup is one comparison with zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    root: PatternNode,
    count: usize,
}

/// A node of the prefix tree of patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PatternNode {
    /// Literal segments, sorted.
    words: Vec<(Box<str>, PatternNode)>,
    /// What follows `{name}`.
    any: Option<Box<PatternNode>>,
    /// The pattern that ends here.
    end: Option<Box<str>>,
    /// The pattern that ends here with `{name...}`.
    rest: Option<Box<str>>,
}

enum Segment<'a> {
    Word(&'a str),
    Any,
    Rest,
}

impl Pattern {
    /// The pattern as it was written, which is the route of all paths that match it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether two patterns match the same paths; the names of their placeholders may differ.
    pub fn is_like(&self, other: &Self) -> bool {
        let shape = |pattern: &Self| -> Vec<String> {
            let spelled = |segment: &str| match Segment::of(segment) {
                Segment::Word(word) => word.to_owned(),
                Segment::Any => "{}".to_owned(),
                Segment::Rest => "{...}".to_owned(),
            };
            pattern.0.split('/').map(spelled).collect()
        };
        shape(self) == shape(other)
    }

    /// Whether the pattern matches some path below a prefix such as `/legacy/`, but gives it a
    /// route without that prefix.
    pub fn takes_out_of(&self, prefix: &str) -> bool {
        let mut own = self.0.split('/').skip(1);
        let mut is_outside = false;
        for word in prefix.trim_matches('/').split('/').filter(|word| !word.is_empty()) {
            match own.next().map(Segment::of) {
                None => return false,
                Some(Segment::Rest) => return true,
                Some(Segment::Word(own)) if own != word => return false,
                Some(Segment::Word(_)) => {}
                // `{id}` in the prefix equals `{id}` in the pattern only if both are spelled the same.
                Some(Segment::Any) => is_outside = true,
            }
        }
        is_outside && !self.0.starts_with(prefix)
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let is_path = text.starts_with('/') && !text.contains(['?', '#', ',']) && !text.chars().any(char::is_control);
        let segments = text.split('/').skip(1);
        if !is_path || text.len() > ROUTE_BYTES_MAX || segments.clone().count() > SEGMENTS_MAX {
            return Err(BadPattern::Path(text.chars().take(ROUTE_BYTES_MAX).collect()));
        }
        let last = segments.clone().count() - 1;
        for (at, segment) in segments.enumerate() {
            match Segment::of(segment) {
                Segment::Word(word) if !word.contains(['{', '}']) => {}
                Segment::Any => {}
                Segment::Rest if at == last => {}
                Segment::Word(_) | Segment::Rest => return Err(BadPattern::Segment(segment.to_owned())),
            }
        }
        if !is_plain(text) {
            let normal = normal_form(text);
            if normal != text {
                return Err(BadPattern::Spelling { asked: text.to_owned(), normal });
            }
        }
        Ok(Self(text.into()))
    }
}

impl Pins {
    /// Compiles these patterns; of two that match the same paths, the later one wins.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let mut pins = Self::default();
        for pattern in patterns {
            pins.root.insert(pattern.0[1..].split('/'), &pattern.0);
            pins.count += 1;
        }
        pins
    }

    /// Whether there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The pattern that matches a path in normal form.
    pub fn find(&self, path: &str) -> Option<&str> {
        if self.is_empty() {
            return None;
        }
        self.root.find(path.strip_prefix('/'))
    }

    /// Returns the endpoint's name with these pins, if it differs from the name without them.
    ///
    /// Every path with the old name also matches the new one, because what matches `{id}` matches
    /// every segment that `{id}` replaces. If a literal value of such a segment is also pinned,
    /// only later requests are counted apart from the rest.
    pub fn rename(&self, endpoint: &Endpoint) -> Option<Endpoint> {
        let pattern = self.find(endpoint.route()).filter(|pattern| *pattern != endpoint.route())?;
        Endpoint::named(endpoint.method(), pattern).ok()
    }
}

impl PatternNode {
    fn insert<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>, pattern: &str) {
        let Some(segment) = segments.next() else {
            self.end = Some(pattern.into());
            return;
        };
        let next = match Segment::of(segment) {
            Segment::Rest => {
                self.rest = Some(pattern.into());
                return;
            }
            Segment::Any => self.any.get_or_insert_default(),
            // Paths arrive here with invalid URI bytes escaped, so the literals of patterns are escaped too.
            Segment::Word(word) => {
                let word = escaped(word);
                let at = self.words.binary_search_by_key(&word.as_str(), |(word, _)| word).unwrap_or_else(|at| {
                    self.words.insert(at, (word.into(), Self::default()));
                    at
                });
                &mut self.words[at].1
            }
        };
        next.insert(segments, pattern);
    }

    /// The depth is at most that of the longest pattern, and no node is visited twice.
    fn find(&self, path: Option<&str>) -> Option<&str> {
        let Some(path) = path else { return self.end.as_deref() };
        let (segment, next) = path.split_once('/').map_or((path, None), |(segment, next)| (segment, Some(next)));
        let word = self.words.binary_search_by_key(&segment, |(word, _)| word).ok().map(|at| &self.words[at].1);
        // A row with the route `{name...}` covers more than one segment; so does its name in escaped form.
        let is_rest = segment.ends_with("...}") || segment.ends_with("...%7D");
        let any = self.any.as_deref().filter(|_| !segment.is_empty() && !is_rest);
        let longer = word.and_then(|node| node.find(next)).or_else(|| any.and_then(|node| node.find(next)));
        longer.or(self.rest.as_deref())
    }
}

impl<'a> Segment<'a> {
    fn of(text: &'a str) -> Self {
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else { return Self::Word(text) };
        match inner.strip_suffix("...") {
            Some(name) if is_name(name) => Self::Rest,
            None if is_name(inner) => Self::Any,
            _ => Self::Word(text),
        }
    }
}

#[cfg(test)]
mod tests;
