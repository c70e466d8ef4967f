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
use mesh::routes::pins::{Pattern, Pins};
use mesh::trace::Traceparent;

use crate::recorder::recent::Recent;
use crate::recorder::register::{Admission, Reason, Register};
use crate::rulebook::{InForce, Rulebook, pinned};

mod folding;
pub mod outlet;
pub mod recent;
pub mod register;

/// One worker's counters. They are changed in place, by that worker's thread alone.
pub struct Recorder {
    rows: Vec<Row>,
    /// Rows by method and route; a row that was folded into another is in none.
    places: HashMap<Box<str>, u16, RandomState>,
    /// Rows that were folded away, and that nobody counts in any more.
    free: Vec<u16>,
    register: Arc<Register>,
    rulebook: Rulebook,
    /// What was pinned by command; it comes before what was pinned by setting.
    commanded: Pins,
    fixed: Pins,
    key: String,
    route: String,
}

/// Where an endpoint is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u16);

/// The place of everything that has no row of its own, or none yet.
const OTHER: Place = Place(0);

/// Where a request begins to be counted, and what is said of it.
pub struct Placed {
    /// Where it is counted, as far as that is known before there is an answer.
    pub place: Place,
    /// What it is called.
    pub endpoint: Rc<Endpoint>,
    /// The rule that is in force for it.
    pub rule: Option<Rc<InForce>>,
}

struct Row {
    endpoint: Rc<Endpoint>,
    /// The row that this one was folded into; exchanges that began here are counted there.
    into: Option<Place>,
    is_file: bool,
    in_flight: u32,
    /// Under way in rows that were folded into this one.
    folded_in_flight: u32,
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
        Self::new(Arc::default(), &[])
    }
}

impl Recorder {
    /// A worker's recorder, which shares the register with those of the pod's other workers.
    pub fn new(register: Arc<Register>, fixed: &[Pattern]) -> Self {
        Self {
            rows: vec![Row::new(Rc::new(Endpoint::other()), false)],
            places: HashMap::default(),
            free: Vec::new(),
            register,
            rulebook: Rulebook::default(),
            commanded: Pins::default(),
            fixed: Pins::new(fixed),
            key: String::new(),
            route: String::new(),
        }
    }

    /// The place of a request's endpoint, and the rule that is in force for it.
    ///
    /// An endpoint that was seen before costs one hash and no allocation.
    pub fn place(&mut self, method: &str, target: &str, now: Instant) -> Placed {
        routes::write_pinned_route(target, &[&self.commanded, &self.fixed], &mut self.route);
        write_key(&mut self.key, method, &self.route);
        let placed = match self.places.get(self.key.as_str()) {
            Some(place) => {
                let row = &self.rows[usize::from(*place)];
                Placed { place: Place(*place), endpoint: Rc::clone(&row.endpoint), rule: row.rule.clone() }
            }
            None => self.place_newcomer(method, target),
        };
        Placed { rule: placed.rule.filter(|rule| !rule.has_lapsed(now)), ..placed }
    }

    /// An exchange has begun.
    pub fn begin(&mut self, place: Place) {
        self.rows[place.at()].in_flight += 1;
    }

    /// The place of an exchange whose answer has begun with this status. An exchange that goes on for long, such as a
    /// WebSocket's, is so told under its own name.
    pub fn settle(&mut self, place: Place, endpoint: &Rc<Endpoint>, path: &str, status: u16) -> Place {
        if place != OTHER || endpoint.is_other() {
            return place;
        }
        // It may have been named before a pin was put in force.
        let settled = match self.commanded.rename(endpoint) {
            Some(renamed) => self.admit(&Rc::new(renamed), path, Reason::Pinned),
            None => self.admit(endpoint, path, Reason::Answered { status }),
        };
        if settled != OTHER {
            self.leave(OTHER);
            self.begin(settled);
        }
        settled
    }

    /// An exchange that had begun is over.
    pub fn finish(&mut self, place: Place, endpoint: &Rc<Endpoint>, finished: &Finished<'_>) {
        let place = self.settle(place, endpoint, finished.path, finished.status);
        self.leave(place);
        let place = self.rows[place.at()].into.unwrap_or(place);
        let row = &mut self.rows[place.at()];
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

    /// Puts other rules in force. The next exchange obeys them, and rows that are now named otherwise are folded together.
    pub fn obey(&mut self, rules: &Arc<Vec<mesh::rule::Rule>>, now: Instant, now_ms: u64) {
        self.rulebook = Rulebook::new(rules, now, now_ms);
        self.commanded = pinned(rules);
        self.fold();
        for row in &mut self.rows[1..] {
            row.rule = self.rulebook.rule(row.endpoint.method(), row.endpoint.route());
        }
    }

    /// What was counted since the last call, endpoint by endpoint.
    pub fn collect(&mut self) -> Vec<EndpointReport> {
        self.gather();
        self.rows.iter_mut().filter_map(Row::collect).collect()
    }

    /// The place of a request whose endpoint, spelled in `key` and `route`, has no row here.
    fn place_newcomer(&mut self, method: &str, target: &str) -> Placed {
        let rule = self.rulebook.rule(method, &self.route);
        let Ok(endpoint) = Endpoint::named(method, &self.route) else {
            return Placed { place: OTHER, endpoint: Rc::clone(&self.rows[OTHER.at()].endpoint), rule };
        };
        let endpoint = Rc::new(endpoint);
        let is_pinned = [&self.commanded, &self.fixed].iter().any(|pins| pins.find(&self.route) == Some(&self.route));
        let place = if is_pinned { self.admit(&endpoint, target, Reason::Pinned) } else { OTHER };
        Placed { place, endpoint, rule }
    }

    /// The row of an endpoint, if it has one, or gets one for this reason.
    fn admit(&mut self, endpoint: &Rc<Endpoint>, path: &str, reason: Reason) -> Place {
        write_key(&mut self.key, endpoint.method(), endpoint.route());
        if let Some(place) = self.places.get(self.key.as_str()) {
            return Place(*place);
        }
        match self.register.admit(endpoint, reason) {
            Admission::Other => OTHER,
            Admission::Own => self.make_row(endpoint, routes::is_file(path)),
        }
    }

    /// A new row for the endpoint that is spelled in `key`.
    fn make_row(&mut self, endpoint: &Rc<Endpoint>, is_file: bool) -> Place {
        let mut row = Row::new(Rc::clone(endpoint), is_file);
        row.rule = self.rulebook.rule(endpoint.method(), endpoint.route());
        let place = if let Some(free) = self.free.pop() {
            self.rows[usize::from(free)] = row;
            free
        } else {
            self.rows.push(row);
            (self.rows.len() - 1) as u16
        };
        self.places.insert(self.key.as_str().into(), place);
        Place(place)
    }

    fn leave(&mut self, place: Place) {
        let row = &mut self.rows[place.at()];
        row.in_flight = row.in_flight.saturating_sub(1);
    }
}

fn write_key(key: &mut String, method: &str, route: &str) {
    key.clear();
    key.push_str(method);
    key.push(' ');
    key.push_str(route);
}

impl Place {
    fn at(self) -> usize {
        usize::from(self.0)
    }
}

impl Row {
    fn new(endpoint: Rc<Endpoint>, is_file: bool) -> Self {
        Self {
            endpoint,
            into: None,
            is_file,
            in_flight: 0,
            folded_in_flight: 0,
            told_in_flight: 0,
            golden: GoldenMetrics::default(),
            seen: None,
            recent: Recent::default(),
            rule: None,
        }
    }

    fn collect(&mut self) -> Option<EndpointReport> {
        // What is under way is told each time, because the house adds up what all workers tell at one time.
        let in_flight = match self.into {
            Some(_) => 0,
            None => self.in_flight + self.folded_in_flight,
        };
        if self.golden.is_empty() && in_flight == 0 && self.told_in_flight == 0 {
            return None;
        }
        self.told_in_flight = in_flight;
        let golden = self.golden.clone();
        self.golden.clear();
        Some(EndpointReport {
            endpoint: Endpoint::clone(&self.endpoint),
            is_file: self.is_file,
            in_flight,
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
