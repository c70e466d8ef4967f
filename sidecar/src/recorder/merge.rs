//! Merges rows that a pin has renamed into the row of the new name, so that no count is lost or reported twice.

use std::rc::Rc;

use crate::recorder::Recorder;
use crate::recorder::endpoint_limiter::AdmitReason;

impl Recorder {
    /// Merges every row that the pins in force name differently.
    pub(super) fn fold(&mut self) {
        if self.commanded.is_empty() {
            return;
        }
        for place in self.table.named() {
            let old = Rc::clone(&self.table.row(place).endpoint);
            let Some(renamed) = self.commanded.rename(&old) else { continue };
            self.register.rename(&old, &renamed);
            let into = self.admit(&Rc::new(renamed), old.route(), AdmitReason::Pinned);
            self.table.pour(place, into);
        }
    }
}
