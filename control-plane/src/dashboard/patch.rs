//! The patch that a live page receives as a server-sent event: values to set, and rows to add, remove or reorder.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// One patch. Its values are plain text, never markup.
#[derive(Debug, Serialize)]
pub struct Patch<'a> {
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub t: u64,
    /// The values to set, by element id, then by key. Serialized once for all clients that receive the same.
    pub c: &'a RawValue,
    /// The server's build, in a full patch only: a page of another build must reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v: Option<&'static str>,
    /// The order of the rows, if it has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<&'a [String]>,
    /// Rows to remove.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub gone: &'a [String],
}

impl<'a> Patch<'a> {
    /// The patch with the changes of one second.
    pub fn tick(taken_ms: u64, changes: &'a RawValue) -> Self {
        Self { t: taken_ms, c: changes, v: None, order: None, gone: &[] }
    }

    /// Serializes it as a server-sent event of this name.
    pub fn finished(&self, name: &str) -> Bytes {
        event(name, self)
    }
}

/// Serializes a server-sent event (HTML Living Standard, "Server-sent events"). JSON has no raw line breaks.
pub fn event(name: &str, message: &impl Serialize) -> Bytes {
    let mut event = format!("event: {name}\ndata: ").into_bytes();
    serde_json::to_writer(&mut event, message).expect("a message is texts and numbers");
    event.extend_from_slice(b"\n\n");
    event.into()
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn a_line_end_in_a_text_ends_no_event() {
        let changes = to_raw_value(&"two\nlines\r").unwrap();
        let event = Patch { gone: &["e1".to_owned()], ..Patch::tick(7, &changes) }.finished("tick");
        assert_eq!(event, "event: tick\ndata: {\"t\":7,\"c\":\"two\\nlines\\r\",\"gone\":[\"e1\"]}\n\n");
    }
}
