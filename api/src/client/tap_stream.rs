//! An open tap: reads its events one by one.

use reqwest::{Response, Url};

use crate::client::events::{EventParser, ServerEvent, TooLong};
use crate::client::failure::Failure;
use crate::client::transport_error::innermost;
use crate::tap::{TapDropped, TapEnded, TappedExchange, TappedPod};

/// The action, for error messages.
const WHAT: &str = "tap";

/// An event of a tap.
#[derive(Debug, Clone, PartialEq)]
pub enum TapEvent {
    /// The tap is open.
    Opened,
    /// A pod was added to the tap, or removed from it.
    Pod(TappedPod),
    /// One exchange.
    Exchange(Box<TappedExchange>),
    /// Counts of exchanges not shown so far.
    Dropped(TapDropped),
    /// The tap has ended.
    Ended(TapEnded),
}

/// An open tap. Dropping it closes it.
#[derive(Debug)]
pub struct TapStream {
    url: Url,
    response: Response,
    events: EventParser,
}

impl TapStream {
    pub(super) fn new(url: Url, response: Response) -> Self {
        Self { url, response, events: EventParser::default() }
    }

    /// Waits for the next event; `None` at the end. It is cancel-safe.
    pub async fn next(&mut self) -> Result<Option<TapEvent>, Failure> {
        loop {
            while let Some(event) = self.events.next().map_err(|TooLong| self.not_sitio("an event is too long"))? {
                if let Some(event) = self.decoded(&event)? {
                    return Ok(Some(event));
                }
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.events.push(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => {
                    let (what, url) = (WHAT.to_owned(), self.url.to_string());
                    return Err(Failure::ConnectionLost { what, url, why: innermost(&error) });
                }
            }
        }
    }

    fn decoded(&self, event: &ServerEvent) -> Result<Option<TapEvent>, Failure> {
        let read = match event.name.as_str() {
            "tap" => return Ok(Some(TapEvent::Opened)),
            "pod" => serde_json::from_str(&event.data).map(TapEvent::Pod),
            "exchange" => serde_json::from_str(&event.data).map(TapEvent::Exchange),
            "dropped" => serde_json::from_str(&event.data).map(TapEvent::Dropped),
            "ended" => serde_json::from_str(&event.data).map(TapEvent::Ended),
            // An event that only newer control planes send.
            _ => return Ok(None),
        };
        read.map(Some).map_err(|error| self.not_sitio(error))
    }

    fn not_sitio(&self, why: impl ToString) -> Failure {
        Failure::not_sitio(WHAT, &self.url, why.to_string())
    }
}
