//! Who has called an endpoint of this pod, over all its workers: everything since the start, and what is not told yet.

use mesh::callers::{Callers, Row};
use mesh::report::Coverage;

/// One endpoint's callers.
#[derive(Debug, Default)]
pub struct Called {
    total: Callers,
    change: Callers,
}

impl Called {
    /// Adds what a worker has counted. Each worker tells apart as many callers as the pod may, so whoever finds no room in
    /// the pod's own table is one of the others, here and in the next report.
    pub(super) fn count(&mut self, callers: &Callers) {
        for (address, calls) in callers.named() {
            let row = self.total.add(Some(address), calls);
            self.change.add((row == Row::Named).then_some(address), calls);
        }
        self.total.add(None, callers.others());
        self.change.add(None, callers.others());
    }

    /// Adds everything that is known of another endpoint, which is this one from now on.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.total.merge(&other.total);
        self.change.merge(&other.change);
    }

    /// What the next report says. The change after it counts from here.
    pub(super) fn report(&mut self, coverage: Coverage) -> Callers {
        let change = std::mem::take(&mut self.change);
        match coverage {
            Coverage::Snapshot => self.total.clone(),
            Coverage::Change => change,
        }
    }
}
