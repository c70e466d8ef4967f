//! What is said to a page that is looked at: values to set, and rows that come, go or change their places.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// What one message says. Values are finished text; no markup ever travels.
#[derive(Debug, Serialize)]
pub struct Message<'a> {
    /// When the numbers were true, milliseconds since the Unix epoch.
    pub t: u64,
    /// What to set: by the id of an element, then by key. It was put into JSON once for all who are told the same.
    pub c: &'a RawValue,
    /// The build that speaks, in a whole message: a page of another one must be loaded again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v: Option<&'static str>,
    /// The order of the rows, if it is another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<&'a [String]>,
    /// Rows that are no more.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub gone: &'a [String],
}

impl<'a> Message<'a> {
    /// What has changed within a second.
    pub fn tick(taken_ms: u64, changes: &'a RawValue) -> Self {
        Self { t: taken_ms, c: changes, v: None, order: None, gone: &[] }
    }

    /// As an event of this name on the wire.
    pub fn finished(&self, name: &str) -> Bytes {
        event(name, self)
    }
}

/// An event of this name on the wire (HTML Living Standard, "Server-sent events"). JSON has no line ends.
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
        let event = Message { gone: &["e1".to_owned()], ..Message::tick(7, &changes) }.finished("tick");
        assert_eq!(event, "event: tick\ndata: {\"t\":7,\"c\":\"two\\nlines\\r\",\"gone\":[\"e1\"]}\n\n");
    }
}
