//! Applies JSON patches to the text of a YAML stream, so that comments, order and quoting stay as they are.

mod emit;
mod items;
mod splice;
mod tree;

use std::collections::BTreeSet;

use json_patch::Patch;
use saphyr_parser::{Event, Parser};
use serde_json::Value;

use crate::yaml::items::splice_all;

/// The largest stream that is read, in bytes. `kubectl get --all-namespaces` of a thousand pods is about as large.
pub const STREAM_BYTES_MAX: usize = 16 << 20;

/// The documents of a YAML or JSON stream.
#[derive(Debug, Clone)]
pub struct YamlStream {
    parts: Vec<String>,
    documents: Vec<Value>,
}

/// A stream after its patches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchedStream {
    /// The new text.
    pub text: String,
    /// The indexes of documents that could not be changed in place, for example because of an alias. They were written
    /// anew, without their comments.
    pub rewritten: BTreeSet<usize>,
}

/// Why a stream cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is larger than [`STREAM_BYTES_MAX`].
    #[error("it is larger than {} MiB; split it", STREAM_BYTES_MAX >> 20)]
    TooLarge,
    /// It is not YAML.
    #[error("line {line}: it is not valid YAML: {what}")]
    Invalid {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

impl YamlStream {
    /// Reads a stream.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        if text.len() > STREAM_BYTES_MAX {
            return Err(YamlError::TooLarge);
        }
        let parts = split(text)?;
        let (mut documents, mut line) = (Vec::new(), 0);
        for part in &parts {
            documents.push(document(part).map_err(|error| {
                let at = error.location().map_or(1, |location| location.line());
                YamlError::Invalid { line: line + at, what: error.to_string() }
            })?);
            line += part.matches('\n').count();
        }
        Ok(Self { parts, documents })
    }

    /// The documents. Aliases and merge keys are resolved.
    pub fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// The stream after a patch of each document. Each patch has to fit its document.
    pub fn patched(&self, patches: &[Patch]) -> Result<PatchedStream, json_patch::PatchError> {
        let (mut text, mut rewritten) = (String::new(), BTreeSet::new());
        for (at, (part, before)) in self.parts.iter().zip(&self.documents).enumerate() {
            let operations = patches.get(at).map_or(&[][..], |patch| &patch.0);
            let mut wanted = before.clone();
            json_patch::patch(&mut wanted, operations)?;
            let in_place = if operations.is_empty() { Some(part.clone()) } else { splice_all(part, operations) };
            // The text is used only if a parser reads what is wanted in it.
            let in_place = in_place.filter(|text| document(text).is_ok_and(|read| read == wanted));
            let is_rewritten = in_place.is_none();
            text.push_str(&in_place.unwrap_or_else(|| anew(part, &wanted)));
            if is_rewritten {
                rewritten.insert(at);
            }
        }
        Ok(PatchedStream { text, rewritten })
    }
}

/// Splits a stream into the texts of its documents; together they are the stream.
fn split(text: &str) -> Result<Vec<String>, YamlError> {
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut starts = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| YamlError::Invalid { line: error.marker().line(), what: error.info().to_owned() })?;
        if let Event::DocumentStart(_) = event {
            let start = offsets.get(span.start.index()).copied().unwrap_or(text.len());
            starts.push(if starts.is_empty() { 0 } else { start });
        }
    }
    if starts.is_empty() {
        starts.push(0);
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    Ok(starts.iter().zip(ends).map(|(start, end)| text[*start..end].to_owned()).collect())
}

fn document(text: &str) -> Result<Value, serde_norway::Error> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Value::Null);
    }
    // Goes through the library's own value, which refuses duplicate keys and knows merge keys.
    let mut value: serde_norway::Value = serde_norway::from_str(text)?;
    value.apply_merge()?;
    serde_norway::from_value(value)
}

/// A document written anew, with the marker that it began with.
fn anew(part: &str, document: &Value) -> String {
    let marker = if part.starts_with("---") { "---\n" } else { "" };
    format!("{marker}{}", emit::block(document, emit::ListIndent::Indented).join("\n") + "\n")
}
