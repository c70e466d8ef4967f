//! `/api/v1/tap`: a live stream of exchanges.

use reqwest::Response;
use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::events::{Events, Told, TooLong};
use crate::failure::{Failure, innermost};
use crate::history::Exchange;

/// Which exchanges to stream.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// Only of this pod.
    pub pod: Option<String>,
    /// Only of this method.
    pub method: Option<String>,
    /// Only of this route; `/api/*` matches every route with that prefix.
    pub route: Option<String>,
    /// Only these statuses, such as `5xx,404`.
    pub status: Option<String>,
    /// The maximum number of exchanges per second.
    pub limit_per_s: Option<u32>,
}

/// An event of a tap.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The tap is open.
    Opened,
    /// A pod was added to the tap, or removed from it.
    Pod(Tapped),
    /// One exchange.
    Exchange(Box<Seen>),
    /// Counts of exchanges not shown so far.
    Dropped(Dropped),
    /// The tap has ended.
    Ended(Ended),
}

/// A pod of a tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tapped {
    /// Its namespace.
    pub namespace: String,
    /// Its service.
    pub service: String,
    /// Its name.
    pub pod: String,
    /// `tapped` or `gone`.
    pub state: String,
}

/// An exchange with its endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// The exchange.
    #[serde(flatten)]
    pub exchange: Exchange,
}

/// Counts of what was not shown since the tap was opened, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Exchanges over the requested rate.
    pub rate: u64,
    /// Exchanges dropped because a sidecar's queue was full.
    pub queue: u64,
    /// Exchanges that the client did not read in time.
    pub reader: u64,
    /// Exchanges that do not match the filter.
    pub unasked: u64,
    /// Pods that are not tapped, because there are too many.
    pub pods: u64,
}

impl Dropped {
    /// The sum of exchanges over the reasons for a drop.
    pub fn exchanges(self) -> u64 {
        self.rate.saturating_add(self.queue).saturating_add(self.reader)
    }
}

/// Why a tap has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The reason in words.
    pub why: String,
}

/// An open tap. Dropping it closes it.
#[derive(Debug)]
pub struct Tap {
    client: Client,
    response: Response,
    events: Events,
}

/// The action, for error messages.
const WHAT: &str = "tap";

impl Client {
    /// Opens a tap.
    pub async fn tap(&self, wanted: &Wanted) -> Result<Tap, Failure> {
        let query = [
            ("namespace", wanted.namespace.clone()),
            ("service", wanted.service.clone()),
            ("pod", wanted.pod.clone()),
            ("method", wanted.method.clone()),
            ("route", wanted.route.clone()),
            ("status", wanted.status.clone()),
            ("limit_per_s", wanted.limit_per_s.map(|limit| limit.to_string())),
        ];
        let response = self.stream(&Question { what: WHAT, path: &["api", "v1", "tap"], query: &query }).await?;
        Ok(Tap { client: self.clone(), response, events: Events::default() })
    }
}

impl Tap {
    /// Waits for the next event; `None` at the end. It is cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            while let Some(told) = self.events.next().map_err(|TooLong| self.foreign("an event has no end"))? {
                if let Some(event) = self.understood(&told)? {
                    return Ok(Some(event));
                }
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.events.take(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.broken_off(&error)),
            }
        }
    }

    fn understood(&self, told: &Told) -> Result<Option<Event>, Failure> {
        let read = match told.name.as_str() {
            "tap" => return Ok(Some(Event::Opened)),
            "pod" => serde_json::from_str(&told.data).map(Event::Pod),
            "exchange" => serde_json::from_str(&told.data).map(Event::Exchange),
            "dropped" => serde_json::from_str(&told.data).map(Event::Dropped),
            "ended" => serde_json::from_str(&told.data).map(Event::Ended),
            // An event that only newer control planes send.
            _ => return Ok(None),
        };
        read.map(Some).map_err(|error| self.foreign(&error.to_string()))
    }

    fn foreign(&self, why: &str) -> Failure {
        Failure::Foreign { what: WHAT.into(), url: self.client.url().to_string(), why: why.into() }
    }

    fn broken_off(&self, error: &reqwest::Error) -> Failure {
        Failure::BrokenOff { what: WHAT.into(), url: self.client.url().to_string(), why: innermost(error) }
    }
}
