//! Caller statistics of one endpoint over all workers: totals since the start, and the part not yet reported.

use mesh::callers::{CallerRow, Callers};
use mesh::report::Coverage;

/// The callers of one endpoint.
#[derive(Debug, Default)]
pub struct CallerStats {
    total: Callers,
    change: Callers,
}

impl CallerStats {
    /// Adds what a worker has counted. Each worker distinguishes as many callers as the whole pod may. A caller that
    /// finds no row in the pod's table is counted under the others, here and in the next report.
    pub(super) fn count(&mut self, callers: &Callers) {
        for (address, calls) in callers.named() {
            let row = self.total.add(Some(address), calls);
            self.change.add((row == CallerRow::Named).then_some(address), calls);
        }
        self.total.add(None, callers.others());
        self.change.add(None, callers.others());
    }

    /// Merges the callers of another endpoint into this one after a rename.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.total.merge(&other.total);
        self.change.merge(&other.change);
    }

    /// Returns what the next report contains. The change after it counts from here.
    pub(super) fn report(&mut self, coverage: Coverage) -> Callers {
        let change = std::mem::take(&mut self.change);
        match coverage {
            Coverage::Snapshot => self.total.clone(),
            Coverage::Change => change,
        }
    }
}
