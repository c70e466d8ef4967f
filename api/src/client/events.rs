//! Parses server-sent events from chunks of any size; each event is bounded.

/// Bytes of one event. An exchange is under 2 kB.
const EVENT_BYTES_MAX: usize = 256 << 10;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// Its name; empty if it has none.
    pub(crate) name: String,
    /// Its data lines, joined.
    pub(crate) data: String,
}

/// An event is longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The parser; holds bytes that have arrived but are not parsed yet.
#[derive(Debug, Default)]
pub(crate) struct EventParser {
    arrived: Vec<u8>,
    /// Index of the first unread byte.
    read: usize,
    name: String,
    data: String,
}

impl EventParser {
    /// Appends a chunk.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.arrived.drain(..std::mem::take(&mut self.read));
        self.arrived.extend_from_slice(bytes);
    }

    /// Returns the next complete event; `None` until more data arrives.
    pub(crate) fn next(&mut self) -> Result<Option<ServerEvent>, TooLong> {
        while let Some(end) = self.arrived[self.read..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.arrived[self.read..self.read + end]).into_owned();
            self.read += end + 1;
            let line = line.trim_end_matches('\r');
            if let Some(event) = self.line(line) {
                return Ok(Some(event));
            }
        }
        let waits = self.arrived.len() - self.read;
        if self.data.len() + waits > EVENT_BYTES_MAX { Err(TooLong) } else { Ok(None) }
    }

    /// Parses one line; an empty line ends the event.
    fn line(&mut self, line: &str) -> Option<ServerEvent> {
        if line.is_empty() {
            let event = ServerEvent { name: std::mem::take(&mut self.name), data: std::mem::take(&mut self.data) };
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // A comment, or a field that only browsers use.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nevent: tap\r\ndata: {\"id\":1}\r\n\r\ndata: a\ndata: b\nid: 7\n\n";

    fn event(name: &str, data: &str) -> ServerEvent {
        ServerEvent { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_the_same_wherever_they_are_cut() {
        for size in 1..=STREAM.len() {
            let (mut events, mut all) = (EventParser::default(), Vec::new());
            for piece in STREAM.as_bytes().chunks(size) {
                events.push(piece);
                while let Some(next) = events.next().unwrap() {
                    all.push(next);
                }
            }
            assert_eq!(all, [event("tap", "{\"id\":1}"), event("", "a\nb")], "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut events = EventParser::default();
        events.push(b"data: ");
        assert_eq!(events.next(), Ok(None));
        events.push(&vec![b'x'; EVENT_BYTES_MAX]);
        assert_eq!(events.next(), Err(TooLong));
    }
}
