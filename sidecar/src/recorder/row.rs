//! What one worker has counted of one endpoint since the last collection.

use std::rc::Rc;

use mesh::callers::{Callers, Calls};
use mesh::endpoint::Endpoint;
use mesh::golden::{CLIENT_GONE, GoldenMetrics};
use mesh::report::{EndpointReport, Seen};

use crate::recorder::completed_exchange::{Author, CompletedExchange};
use crate::recorder::recent::RecentExchanges;
use crate::recorder::row_index::RowIndex;
use crate::rulebook::MatchedRules;

pub(super) struct RecorderRow {
    pub(super) endpoint: Rc<Endpoint>,
    /// The row that this one was merged into; exchanges that began here are counted there.
    pub(super) into: Option<RowIndex>,
    pub(super) is_file: bool,
    pub(super) in_flight: u32,
    /// In flight in rows that were merged into this one.
    pub(super) folded_in_flight: u32,
    reported_in_flight: u32,
    golden: GoldenMetrics,
    seen: Option<Seen>,
    callers: Callers,
    recent: RecentExchanges,
    pub(super) rules: Option<MatchedRules>,
}

impl RecorderRow {
    pub(super) fn new(endpoint: Rc<Endpoint>, is_file: bool) -> Self {
        Self {
            endpoint,
            into: None,
            is_file,
            in_flight: 0,
            folded_in_flight: 0,
            reported_in_flight: 0,
            golden: GoldenMetrics::default(),
            seen: None,
            callers: Callers::default(),
            recent: RecentExchanges::default(),
            rules: None,
        }
    }

    /// Counts an exchange that has ended.
    pub(super) fn count(&mut self, finished: &CompletedExchange<'_>) {
        let seen = Seen::at(finished.started_ms);
        self.seen = Some(self.seen.map_or(seen, |before| before.and(seen)));
        self.golden.hits += 1;
        self.golden.carry(finished.bytes_in, finished.bytes_out);
        self.golden.add_status(finished.status, 1);
        let mut has_failed = false;
        if finished.rule.is_some() {
            self.golden.by_rule += 1;
        } else if finished.status != CLIENT_GONE {
            has_failed = finished.status >= 500;
            match finished.author {
                Author::Service => self.golden.failed += u64::from(has_failed),
                Author::Sitio => self.golden.failed_by_sitio += u64::from(has_failed),
            }
            self.golden.time(finished.took_us, finished.first_byte_us);
        }
        self.callers.add(finished.caller, Calls::one(finished.started_ms, has_failed));
        self.recent.keep(finished);
    }

    /// Moves what another row has counted, and not yet reported, into this one.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        other.reported_in_flight = 0;
        self.golden.merge(&std::mem::take(&mut other.golden));
        self.seen = self.seen.into_iter().chain(other.seen.take()).reduce(Seen::and);
        self.callers.merge(&std::mem::take(&mut other.callers));
        self.recent.absorb(&mut std::mem::take(&mut other.recent));
    }

    /// Returns what was counted since the last call, or `None` if nothing was.
    pub(super) fn collect(&mut self) -> Option<EndpointReport> {
        // The number in flight is reported each time, because the ledger sums what all workers report at one time.
        let in_flight = match self.into {
            Some(_) => 0,
            None => self.in_flight + self.folded_in_flight,
        };
        if self.golden.is_empty() && in_flight == 0 && self.reported_in_flight == 0 {
            return None;
        }
        self.reported_in_flight = in_flight;
        let golden = self.golden.clone();
        self.golden.clear();
        Some(EndpointReport {
            endpoint: Endpoint::clone(&self.endpoint),
            is_file: self.is_file,
            in_flight,
            seen: self.seen.take(),
            golden,
            callers: self.callers.take(),
            recent: self.recent.take(),
        })
    }
}
