//! Folds rows that a pin has renamed into the row of the new name, so that no count is lost or told twice.

use std::rc::Rc;

use mesh::report::Seen;

use crate::recorder::register::Reason;
use crate::recorder::{OTHER, Place, Recorder};

impl Recorder {
    /// Folds every row that the pins now in force name otherwise.
    pub(super) fn fold(&mut self) {
        if self.commanded.is_empty() {
            return;
        }
        for at in 1..self.rows.len() {
            let row = &self.rows[at];
            if row.into.is_some() || self.free.contains(&(at as u16)) {
                continue;
            }
            let Some(renamed) = self.commanded.rename(&row.endpoint) else { continue };
            let (old, renamed) = (Rc::clone(&row.endpoint), Rc::new(renamed));
            let into = self.admit(&renamed, old.route(), Reason::Pinned);
            self.pour(Place(at as u16), into);
            self.places.remove(format!("{} {}", old.method(), old.route()).as_str());
            self.register.release(&old);
        }
    }

    /// Moves what one row has counted into another, and all that will still be counted there.
    fn pour(&mut self, from: Place, into: Place) {
        let old = &mut self.rows[from.at()];
        old.into = Some(into);
        old.told_in_flight = 0;
        let (golden, seen) = (std::mem::take(&mut old.golden), old.seen.take());
        let (mut recent, is_file) = (std::mem::take(&mut old.recent), old.is_file);
        let new = &mut self.rows[into.at()];
        new.golden.merge(&golden);
        new.seen = new.seen.into_iter().chain(seen).reduce(Seen::and);
        new.recent.absorb(&mut recent);
        new.is_file |= is_file && into != OTHER;
        for row in &mut self.rows {
            if row.into == Some(from) {
                row.into = Some(into);
            }
        }
    }

    /// Adds up what is under way in folded rows, and frees those in which nothing is any more.
    pub(super) fn gather(&mut self) {
        for row in &mut self.rows {
            row.folded_in_flight = 0;
        }
        for at in 1..self.rows.len() {
            let Some(into) = self.rows[at].into else { continue };
            match self.rows[at].in_flight {
                0 => {
                    self.rows[at].into = None;
                    self.free.push(at as u16);
                }
                in_flight => self.rows[into.at()].folded_in_flight += in_flight,
            }
        }
    }
}
