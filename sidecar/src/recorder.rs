//! Counts one worker's exchanges by endpoint until they are collected.

use std::rc::Rc;
use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::report::EndpointReport;
use mesh::routes;
use mesh::routes::route_patterns::{Pattern, Pins};

use crate::recorder::completed_exchange::CompletedExchange;
use crate::recorder::endpoint_limiter::{Admission, AdmitReason, EndpointLimiter};
use crate::recorder::row::RecorderRow;
use crate::recorder::row_index::{OTHER, RowIndex};
use crate::recorder::table::Table;
use crate::rulebook::{MatchedRules, Rulebook, TimedRule, pinned};

pub mod completed_exchange;
pub mod endpoint_limiter;
pub mod exchange_bus;
mod merge;
pub mod recent;
mod row;
pub mod row_index;
pub mod table;

/// The counters of one worker. Only that worker's thread changes them, in place.
pub struct Recorder {
    table: Table,
    register: Arc<EndpointLimiter>,
    rulebook: Rulebook,
    /// Patterns pinned by command; they take precedence over those pinned by setting.
    commanded: Pins,
    fixed: Pins,
    /// Paths that a rule for a prefix cannot turn off unless it overrides the protection.
    protected: Vec<String>,
    /// A reused buffer for a request's route.
    route: String,
}

/// Where a request is counted, its name, and its rules.
pub struct PlacedRequest {
    /// Where it is counted, as far as that is known before the response.
    pub place: RowIndex,
    /// Its endpoint.
    pub endpoint: Rc<Endpoint>,
    /// The rules for its endpoint.
    pub covering: Option<MatchedRules>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(Arc::default(), &[], &[])
    }
}

impl Recorder {
    /// A worker's recorder, which shares the endpoint limiter with the pod's other workers.
    pub fn new(register: Arc<EndpointLimiter>, fixed: &[Pattern], protected: &[String]) -> Self {
        Self {
            table: Table::default(),
            register,
            rulebook: Rulebook::default(),
            commanded: Pins::default(),
            fixed: Pins::new(fixed),
            protected: protected.to_vec(),
            route: String::new(),
        }
    }

    /// Returns the place of a request's endpoint, and the rules for it.
    ///
    /// A known endpoint costs one hash and no allocation.
    pub fn place(&mut self, method: &str, target: &str) -> PlacedRequest {
        routes::write_pinned_route(target, &[&self.commanded, &self.fixed], &mut self.route);
        match self.table.find(method, &self.route) {
            Some(place) => {
                let row = self.table.row(place);
                let covering = self.rulebook.with_guards(row.rules.clone(), (method, target, &self.route));
                PlacedRequest { place, endpoint: Rc::clone(&row.endpoint), covering }
            }
            None => self.place_unknown(method, target),
        }
    }

    /// Counts an exchange as in flight.
    pub fn begin(&mut self, place: RowIndex) {
        self.table.row_mut(place).in_flight += 1;
    }

    /// Returns the place of an exchange whose response has begun with this status. So a long exchange, such as a
    /// WebSocket, is reported under its own name while it lasts.
    pub fn settle(&mut self, place: RowIndex, endpoint: &Rc<Endpoint>, path: &str, status: u16) -> RowIndex {
        if place != OTHER || endpoint.is_other() {
            return place;
        }
        // It may have been named before a pin took effect.
        let settled = match self.commanded.rename(endpoint) {
            Some(renamed) => self.admit(&Rc::new(renamed), path, AdmitReason::Pinned),
            None => self.admit(endpoint, path, AdmitReason::Answered { status }),
        };
        if settled != OTHER {
            self.leave(OTHER);
            self.begin(settled);
        }
        settled
    }

    /// Counts an exchange that has ended.
    pub fn finish(&mut self, place: RowIndex, endpoint: &Rc<Endpoint>, finished: &CompletedExchange<'_>) {
        let place = self.settle(place, endpoint, finished.path, finished.status);
        self.leave(place);
        let place = self.table.row(place).into.unwrap_or(place);
        self.table.row_mut(place).count(finished);
    }

    /// Replaces the rules. The next exchange obeys them, and rows that the pins rename are merged.
    pub fn apply_rules(&mut self, rules: &[TimedRule]) {
        self.commanded = pinned(rules.iter().map(|timed| &timed.rule));
        self.rulebook = Rulebook::new(rules, (&self.protected, &[&self.commanded, &self.fixed]));
        self.fold();
        for row in &mut self.table.rows_mut()[1..] {
            row.rules = self.rulebook.matching(row.endpoint.method(), row.endpoint.route());
        }
    }

    /// Returns what was counted since the last call, by endpoint.
    pub fn collect(&mut self) -> Vec<EndpointReport> {
        self.table.gather();
        self.table.rows_mut().iter_mut().filter_map(RecorderRow::collect).collect()
    }

    /// Returns the place of a request whose endpoint, `method` and `self.route`, has no row on this worker.
    fn place_unknown(&mut self, method: &str, target: &str) -> PlacedRequest {
        let covering = self.rulebook.matching(method, &self.route);
        let covering = self.rulebook.with_guards(covering, (method, target, &self.route));
        let Ok(endpoint) = Endpoint::named(method, &self.route) else {
            return PlacedRequest { place: OTHER, endpoint: Rc::clone(&self.table.row(OTHER).endpoint), covering };
        };
        let endpoint = Rc::new(endpoint);
        let is_pinned = [&self.commanded, &self.fixed].iter().any(|pins| pins.find(&self.route) == Some(&self.route));
        let place = if is_pinned { self.admit(&endpoint, target, AdmitReason::Pinned) } else { OTHER };
        PlacedRequest { place, endpoint, covering }
    }

    /// Returns the row of an endpoint, if it has one or gets one for this reason.
    fn admit(&mut self, endpoint: &Rc<Endpoint>, path: &str, reason: AdmitReason) -> RowIndex {
        if let Some(place) = self.table.find(endpoint.method(), endpoint.route()) {
            return place;
        }
        match self.register.admit(endpoint, reason) {
            Admission::Other => OTHER,
            Admission::Own => {
                let mut row = RecorderRow::new(Rc::clone(endpoint), routes::is_file(path));
                row.rules = self.rulebook.matching(endpoint.method(), endpoint.route());
                self.table.insert(row)
            }
        }
    }

    fn leave(&mut self, place: RowIndex) {
        let row = self.table.row_mut(place);
        row.in_flight = row.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
pub(crate) mod tests;
