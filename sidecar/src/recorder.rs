//! Counts one worker's exchanges by endpoint until someone asks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use foldhash::fast::RandomState;
use mesh::endpoint::Endpoint;
use mesh::exchange::{Exchange, Outcome};
use mesh::golden::{CLIENT_GONE, GoldenMetrics};
use mesh::report::{EndpointReport, Seen};
use mesh::routes;
use mesh::trace::Traceparent;

use crate::recorder::recent::Recent;
use crate::rulebook::{InForce, Rulebook};

pub mod outlet;
pub mod recent;

/// Endpoints told apart per pod; the rest share one, and are visibly counted there.
/// A service rarely has a hundred, and 256 rows of about 2 kB are half a megabyte, which a sidecar can afford.
pub const ENDPOINTS_MAX: usize = 256;

/// One worker's counters. They are changed in place, by that worker's thread alone.
pub struct Recorder {
    rows: Vec<Row>,
    places: HashMap<Box<str>, u16, RandomState>,
    rulebook: Rulebook,
    key: String,
    route: String,
}

/// Where an endpoint is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u16);

/// The place of everything over the limit.
const OTHER: Place = Place(0);

struct Row {
    endpoint: Rc<Endpoint>,
    is_file: bool,
    in_flight: u32,
    told_in_flight: u32,
    golden: GoldenMetrics,
    seen: Option<Seen>,
    recent: Recent,
    rule: Option<Rc<InForce>>,
}

/// An exchange, finished.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// The path as it is to be remembered.
    pub path: &'a str,
    /// When the request's head had arrived, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// From then to the last byte of the response, in microseconds.
    pub took_us: u64,
    /// From the request's head to the response's first byte, in microseconds.
    pub first_byte_us: u64,
    /// The status that the downstream was sent.
    pub status: u16,
    /// Whose answer that is.
    pub author: Author,
    /// The reason phrase that came with it.
    pub reason: &'a str,
    /// Who has ended it, and how.
    pub outcome: Outcome,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The rule that answered in the service's place, if one did.
    pub rule: Option<&'a str>,
    /// Who has asked.
    pub caller: Option<IpAddr>,
    /// What the request said of its trace.
    pub trace: Option<Traceparent>,
}

impl Finished<'_> {
    /// How long it was until the service began to answer, in microseconds; `None` if it never did.
    pub fn service_began_us(&self) -> Option<u64> {
        let has_begun = matches!(self.outcome, Outcome::Answered | Outcome::BrokenOff) || self.first_byte_us < self.took_us;
        has_begun.then_some(self.first_byte_us)
    }
}

/// Who has answered, or failed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Author {
    /// The service, or nobody because of it: it cannot be reached, breaks off, or takes too long.
    #[default]
    Service,
    /// The sidecar: a decorator, a shortage of its own, or the end of its drain.
    Sitio,
}

impl Default for Recorder {
    fn default() -> Self {
        let mut recorder = Self {
            rows: Vec::new(),
            places: HashMap::default(),
            rulebook: Rulebook::default(),
            key: String::new(),
            route: String::new(),
        };
        recorder.rows.push(Row::new(Endpoint::other(), false));
        recorder
    }
}

impl Recorder {
    /// The place of a request's endpoint, and the rule that is in force for it.
    ///
    /// An endpoint that was seen before costs one hash and no allocation.
    pub fn place(&mut self, method: &str, target: &str, now: Instant) -> (Place, Option<Rc<InForce>>) {
        routes::write_route(target, &mut self.route);
        self.key.clear();
        self.key.push_str(method);
        self.key.push(' ');
        self.key.push_str(&self.route);
        let place = match self.places.get(self.key.as_str()) {
            Some(place) => Place(*place),
            None => self.make_place(method, target),
        };
        let rule = if place == OTHER { self.rulebook.rule(method, &self.route) } else { self.rows[place.at()].rule.clone() };
        (place, rule.filter(|rule| !rule.has_lapsed(now)))
    }

    /// The endpoint that is counted there.
    pub fn endpoint(&self, place: Place) -> &Rc<Endpoint> {
        &self.rows[place.at()].endpoint
    }

    /// An exchange has begun.
    pub fn begin(&mut self, place: Place) {
        self.rows[place.at()].in_flight += 1;
    }

    /// An exchange that had begun is over.
    pub fn finish(&mut self, place: Place, finished: &Finished<'_>) {
        let row = &mut self.rows[place.at()];
        row.in_flight = row.in_flight.saturating_sub(1);
        let seen = Seen::at(finished.started_ms);
        row.seen = Some(row.seen.map_or(seen, |before| before.and(seen)));
        row.golden.hits += 1;
        row.golden.carry(finished.bytes_in, finished.bytes_out);
        row.golden.add_status(finished.status, 1);
        if finished.rule.is_some() {
            row.golden.by_rule += 1;
        } else if finished.status != CLIENT_GONE {
            match finished.author {
                Author::Service => row.golden.failed += u64::from(finished.status >= 500),
                Author::Sitio => row.golden.failed_by_sitio += u64::from(finished.status >= 500),
            }
            row.golden.time(finished.took_us, finished.first_byte_us);
        }
        row.recent.keep(finished);
    }

    /// Puts other rules in force. The next exchange obeys them.
    pub fn obey(&mut self, rules: &Arc<Vec<mesh::rule::Rule>>, now: Instant, now_ms: u64) {
        self.rulebook = Rulebook::new(rules, now, now_ms);
        for row in &mut self.rows[1..] {
            row.rule = self.rulebook.rule(row.endpoint.method(), row.endpoint.route());
        }
    }

    /// What was counted since the last call, endpoint by endpoint.
    pub fn collect(&mut self) -> Vec<EndpointReport> {
        self.rows.iter_mut().filter_map(Row::collect).collect()
    }

    /// Makes a place for the endpoint spelled in `key` and `route`, if there is room.
    fn make_place(&mut self, method: &str, target: &str) -> Place {
        if self.rows.len() > ENDPOINTS_MAX {
            return OTHER;
        }
        let Ok(endpoint) = Endpoint::named(method, &self.route) else { return OTHER };
        let place = self.rows.len() as u16;
        let mut row = Row::new(endpoint, routes::is_file(target));
        row.rule = self.rulebook.rule(method, &self.route);
        self.rows.push(row);
        self.places.insert(self.key.as_str().into(), place);
        Place(place)
    }
}

impl Place {
    fn at(self) -> usize {
        usize::from(self.0)
    }
}

impl Row {
    fn new(endpoint: Endpoint, is_file: bool) -> Self {
        Self {
            endpoint: Rc::new(endpoint),
            is_file,
            in_flight: 0,
            told_in_flight: 0,
            golden: GoldenMetrics::default(),
            seen: None,
            recent: Recent::default(),
            rule: None,
        }
    }

    fn collect(&mut self) -> Option<EndpointReport> {
        // What is under way is told each time, because the house adds up what all workers tell at one time.
        if self.golden.is_empty() && self.in_flight == 0 && self.told_in_flight == 0 {
            return None;
        }
        self.told_in_flight = self.in_flight;
        let golden = self.golden.clone();
        self.golden.clear();
        Some(EndpointReport {
            endpoint: Endpoint::clone(&self.endpoint),
            is_file: self.is_file,
            in_flight: self.in_flight,
            seen: self.seen.take(),
            golden,
            recent: self.recent.take(),
        })
    }
}

impl From<&Finished<'_>> for Exchange {
    fn from(finished: &Finished<'_>) -> Self {
        let mut exchange = Self::default();
        recent::write(&mut exchange, finished);
        exchange
    }
}

#[cfg(test)]
pub(crate) mod tests;
