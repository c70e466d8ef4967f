//! Counts one worker's exchanges by endpoint until someone asks.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mesh::endpoint::Endpoint;
use mesh::report::EndpointReport;
use mesh::routes;
use mesh::routes::pins::{Pattern, Pins};

use crate::recorder::finished::Finished;
use crate::recorder::register::{Admission, Reason, Register};
use crate::recorder::row::Row;
use crate::recorder::table::{OTHER, Place, Table};
use crate::rulebook::{Covering, InForce, Rulebook, TimedRule, pinned};

pub mod finished;
mod folding;
pub mod outlet;
pub mod recent;
pub mod register;
mod row;
pub mod table;

/// One worker's counters. They are changed in place, by that worker's thread alone.
pub struct Recorder {
    table: Table,
    register: Arc<Register>,
    rulebook: Rulebook,
    /// What was pinned by command; it comes before what was pinned by setting.
    commanded: Pins,
    fixed: Pins,
    /// Paths that no rule for a prefix turns off unless it overrides them.
    protected: Vec<String>,
    /// Where a request's route is written, again and again.
    route: String,
}

/// Where a request begins to be counted, and what is said of it.
pub struct Placed {
    /// Where it is counted, as far as that is known before there is an answer.
    pub place: Place,
    /// What it is called.
    pub endpoint: Rc<Endpoint>,
    /// The rule that is in force for it.
    pub rule: Option<Rc<InForce>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(Arc::default(), &[], &[])
    }
}

impl Recorder {
    /// A worker's recorder, which shares the register with those of the pod's other workers.
    pub fn new(register: Arc<Register>, fixed: &[Pattern], protected: &[String]) -> Self {
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

    /// The place of a request's endpoint, and the rule that is in force for it.
    ///
    /// An endpoint that was seen before costs one hash and no allocation.
    pub fn place(&mut self, method: &str, target: &str, now: Instant) -> Placed {
        routes::write_pinned_route(target, &[&self.commanded, &self.fixed], &mut self.route);
        match self.table.find(method, &self.route) {
            Some(place) => {
                let row = self.table.row(place);
                Placed { place, endpoint: Rc::clone(&row.endpoint), rule: in_force(row.rules.as_ref(), now) }
            }
            None => self.place_newcomer(method, target, now),
        }
    }

    /// An exchange has begun.
    pub fn begin(&mut self, place: Place) {
        self.table.row_mut(place).in_flight += 1;
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
        let place = self.table.row(place).into.unwrap_or(place);
        self.table.row_mut(place).count(finished);
    }

    /// Puts other rules in force. The next exchange obeys them, and rows that are now named otherwise are folded together.
    pub fn obey(&mut self, rules: &[TimedRule]) {
        self.commanded = pinned(rules.iter().map(|timed| &timed.rule));
        self.rulebook = Rulebook::new(rules, (&self.protected, &[&self.commanded, &self.fixed]));
        self.fold();
        for row in &mut self.table.rows_mut()[1..] {
            row.rules = self.rulebook.covering(row.endpoint.method(), row.endpoint.route());
        }
    }

    /// What was counted since the last call, endpoint by endpoint.
    pub fn collect(&mut self) -> Vec<EndpointReport> {
        self.table.gather();
        self.table.rows_mut().iter_mut().filter_map(Row::collect).collect()
    }

    /// The place of a request whose endpoint, spelled in `key` and `route`, has no row here.
    fn place_newcomer(&mut self, method: &str, target: &str, now: Instant) -> Placed {
        let rule = in_force(self.rulebook.covering(method, &self.route).as_ref(), now);
        let Ok(endpoint) = Endpoint::named(method, &self.route) else {
            return Placed { place: OTHER, endpoint: Rc::clone(&self.table.row(OTHER).endpoint), rule };
        };
        let endpoint = Rc::new(endpoint);
        let is_pinned = [&self.commanded, &self.fixed].iter().any(|pins| pins.find(&self.route) == Some(&self.route));
        let place = if is_pinned { self.admit(&endpoint, target, Reason::Pinned) } else { OTHER };
        Placed { place, endpoint, rule }
    }

    /// The row of an endpoint, if it has one, or gets one for this reason.
    fn admit(&mut self, endpoint: &Rc<Endpoint>, path: &str, reason: Reason) -> Place {
        if let Some(place) = self.table.find(endpoint.method(), endpoint.route()) {
            return place;
        }
        match self.register.admit(endpoint, reason) {
            Admission::Other => OTHER,
            Admission::Own => {
                let mut row = Row::new(Rc::clone(endpoint), routes::is_file(path));
                row.rules = self.rulebook.covering(endpoint.method(), endpoint.route());
                self.table.insert(row)
            }
        }
    }

    fn leave(&mut self, place: Place) {
        let row = self.table.row_mut(place);
        row.in_flight = row.in_flight.saturating_sub(1);
    }
}

/// The first of these rules whose time is not over.
fn in_force(rules: Option<&Covering>, now: Instant) -> Option<Rc<InForce>> {
    rules?.iter().find(|rule| !rule.has_lapsed(now)).cloned()
}

#[cfg(test)]
pub(crate) mod tests;
