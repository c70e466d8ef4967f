//! One worker's rows, looked up by method and route without allocation.

use std::collections::HashMap;
use std::rc::Rc;

use foldhash::fast::RandomState;
use mesh::endpoint::Endpoint;

use crate::recorder::row::RecorderRow;
use crate::recorder::row_index::{OTHER, RowIndex};

pub(super) struct Table {
    rows: Vec<RecorderRow>,
    /// Rows by method and route; merged rows are not in it.
    places: HashMap<Box<str>, RowIndex, RandomState>,
    /// Merged rows that no exchange uses any more.
    free: Vec<RowIndex>,
    /// A reused buffer for a key.
    key: String,
}

impl Default for Table {
    fn default() -> Self {
        let other = RecorderRow::new(Rc::new(Endpoint::other()), false);
        Self { rows: vec![other], places: HashMap::default(), free: Vec::new(), key: String::new() }
    }
}

impl Table {
    /// The place of an endpoint that has a row.
    pub(super) fn find(&mut self, method: &str, route: &str) -> Option<RowIndex> {
        write_key(&mut self.key, method, route);
        self.places.get(self.key.as_str()).copied()
    }

    /// Inserts a row for an endpoint that has none, and returns its place.
    pub(super) fn insert(&mut self, row: RecorderRow) -> RowIndex {
        write_key(&mut self.key, row.endpoint.method(), row.endpoint.route());
        let place = if let Some(free) = self.free.pop() {
            self.rows[free.at()] = row;
            free
        } else {
            self.rows.push(row);
            RowIndex((self.rows.len() - 1) as u16)
        };
        self.places.insert(self.key.as_str().into(), place);
        place
    }

    pub(super) fn row(&self, place: RowIndex) -> &RecorderRow {
        &self.rows[place.at()]
    }

    pub(super) fn row_mut(&mut self, place: RowIndex) -> &mut RecorderRow {
        &mut self.rows[place.at()]
    }

    /// All rows; the first is `(other)`.
    pub(super) fn rows_mut(&mut self) -> &mut [RecorderRow] {
        &mut self.rows
    }

    /// The places with an endpoint of their own: all except `(other)`, merged rows and free ones.
    pub(super) fn named(&self) -> Vec<RowIndex> {
        let all = (1..self.rows.len() as u16).map(RowIndex);
        all.filter(|place| self.row(*place).into.is_none() && !self.free.contains(place)).collect()
    }

    /// Moves what one row has counted into another, and redirects later counts.
    pub(super) fn pour(&mut self, from: RowIndex, into: RowIndex) {
        let Ok([old, new]) = self.rows.get_disjoint_mut([from.at(), into.at()]) else { return };
        write_key(&mut self.key, old.endpoint.method(), old.endpoint.route());
        self.places.remove(self.key.as_str());
        old.into = Some(into);
        new.absorb(old);
        new.is_file |= old.is_file && into != OTHER;
        for row in &mut self.rows {
            if row.into == Some(from) {
                row.into = Some(into);
            }
        }
    }

    /// Sums what is in flight in merged rows, and frees those with none left.
    pub(super) fn gather(&mut self) {
        for row in &mut self.rows {
            row.folded_in_flight = 0;
        }
        for at in 1..self.rows.len() {
            let Some(into) = self.rows[at].into else { continue };
            match self.rows[at].in_flight {
                0 => {
                    self.rows[at].into = None;
                    self.free.push(RowIndex(at as u16));
                }
                in_flight => self.rows[into.at()].folded_in_flight += in_flight,
            }
        }
    }

    /// The total number of entries, to test that it is bounded.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.rows.len() + self.places.len() + self.free.len()
    }
}

fn write_key(key: &mut String, method: &str, route: &str) {
    key.clear();
    key.push_str(method);
    key.push(' ');
    key.push_str(route);
}
